#include "worker/session_run.h"

namespace avenir::worker {

namespace {

void seed_element(const SessionRun& run, R_xlen_t i) {
  if (run.streams != nullptr) run.streams->install(static_cast<uint64_t>(i));
  if (run.seeds != R_NilValue) Rf_defineVar(R_SeedsSymbol, VECTOR_ELT(run.seeds, i), R_GlobalEnv);
}

bool has_any(const SessionRun& run) {
  if (run.output != nullptr && run.output->size() > 0) return true;
  static const SEXP conditions = Rf_install("conditions");
  if (Rf_xlength(Rf_findVarInFrame(run.capture, conditions)) > 0) return true;
  return run.watched_seed != nullptr && Rf_findVarInFrame(R_GlobalEnv, R_SeedsSymbol) != run.watched_seed;
}

}  // namespace

void evaluate_run(const SessionRun& run) {
  const auto size = static_cast<double>(Rf_xlength(run.values));
  while (*run.begun < size) {
    const auto position = static_cast<R_xlen_t>((*run.begun)++);
    const R_xlen_t i = run.order == R_NilValue ? position : INTEGER_ELT(run.order, position) - 1;
    seed_element(run, i);
    const SEXP call = PROTECT(call_on(run.function, vector_element(run.x, i)));
    SET_VECTOR_ELT(run.values, i, Rf_eval(call, R_GlobalEnv));
    UNPROTECT(1);
    *run.over = *run.begun;
    if (has_any(run)) return;
  }
}

}  // namespace avenir::worker
