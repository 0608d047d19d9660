#include "worker/session_run.h"

#include "rbridge/entry_points.h"

namespace avenir::worker {

namespace {

void seed_element(const SessionRun& run, R_xlen_t i) {
  if (run.streams != nullptr) run.streams->install(static_cast<uint64_t>(i));
  if (run.seeds != R_NilValue) Rf_defineVar(R_SeedsSymbol, VECTOR_ELT(run.seeds, i), R_GlobalEnv);
}

bool has_caught(const SessionRun& run) {
  if (run.output != nullptr && run.output->size() > 0) return true;
  static const SEXP conditions = Rf_install("conditions");
  return Rf_xlength(rbridge::variable(conditions, run.capture)) > 0;
}

bool may_have_drawn(const SessionRun& run) {
  return run.watched_seed != nullptr && rbridge::variable(R_SeedsSymbol, R_GlobalEnv) != run.watched_seed;
}

}  // namespace

bool evaluate_run(const SessionRun& run) {
  const auto size = static_cast<double>(Rf_xlength(run.values));
  run.surroundings->note();
  while (*run.begun < size) {
    const auto position = static_cast<R_xlen_t>((*run.begun)++);
    const R_xlen_t i = run.order == R_NilValue ? position : INTEGER_ELT(run.order, position) - 1;
    seed_element(run, i);
    const SEXP call = PROTECT(call_on(run.function, vector_element(run.x, i)));
    SET_VECTOR_ELT(run.values, i, Rf_eval(call, R_GlobalEnv));
    UNPROTECT(1);
    *run.over = *run.begun;
    const bool caught = has_caught(run);
    if (caught || may_have_drawn(run) || run.surroundings->changed(run.capture)) return caught;
  }
  return false;
}

}  // namespace avenir::worker
