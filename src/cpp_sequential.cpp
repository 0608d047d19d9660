#include <Rcpp.h>

#include <memory>
#include <optional>

#include "rbridge/door.h"
#include "rbridge/output.h"
#include "worker/session_run.h"

namespace {

using namespace avenir;
using OutputPointer = Rcpp::XPtr<std::shared_ptr<rbridge::PrintedOutput>>;

rbridge::PrintedOutput* output_of(SEXP pointer) {
  return pointer == R_NilValue ? nullptr : OutputPointer(pointer)->get();
}

}  // namespace

// list(connection, what is printed to it)
// [[Rcpp::export(rng = false)]]
SEXP cpp_open_output() {
  return rbridge::door([&]() -> SEXP {
    const auto output = std::make_shared<rbridge::PrintedOutput>(rbridge::output_limit());
    const OutputPointer pointer(new std::shared_ptr<rbridge::PrintedOutput>(output));
    SEXP connection = R_NilValue;
    SEXP* const target = &connection;
    const auto* const shared = &output;
    rbridge::guarded([target, shared] { *target = rbridge::open_memory_connection(*shared); });
    const Rcpp::Shield<SEXP> kept(connection);
    return Rcpp::List::create(kept, pointer);
  });
}

// What was printed since the last call, as one string.
// [[Rcpp::export(rng = false)]]
SEXP cpp_take_output(SEXP output) {
  return rbridge::door([&]() -> SEXP {
    rbridge::PrintedOutput* const printed = output_of(output);
    const std::string text = printed->text();
    printed->clear();
    const std::string* const kept = &text;
    SEXP value = R_NilValue;
    SEXP* const target = &value;
    rbridge::guarded([kept, target] { *target = rbridge::output_string(*kept); });
    return value;
  });
}

// Evaluates elements of a map in this session. `progress`: how many were begun, and how many are over; it and `values`
// are changed in place. TRUE: the last one has printed or signaled something. `watched_seed`: NULL, or `.Random.seed`
// (or FALSE: there is none) as long as nobody draws.
// [[Rcpp::export(rng = false)]]
SEXP cpp_evaluate_run(SEXP call, SEXP x, SEXP order, SEXP seeds, SEXP base, SEXP values, SEXP progress, SEXP capture,
                      SEXP output, SEXP watched_seed) {
  return rbridge::door([&]() -> SEXP {
    std::optional<worker::Streams> streams;
    if (base != R_NilValue) streams.emplace(INTEGER(base));
    worker::Surroundings surroundings;
    const SEXP watched = TYPEOF(watched_seed) == LGLSXP ? R_UnboundValue : watched_seed;
    const worker::SessionRun run{call,
                                 x,
                                 order,
                                 seeds,
                                 values,
                                 REAL(progress),
                                 REAL(progress) + 1,
                                 capture,
                                 watched_seed == R_NilValue ? nullptr : watched,
                                 streams ? &*streams : nullptr,
                                 output_of(output),
                                 &surroundings};
    const worker::SessionRun* const given = &run;
    bool caught = false;
    bool* const target = &caught;
    rbridge::guarded([given, target] { *target = worker::evaluate_run(*given); });
    return Rf_ScalarLogical(caught ? 1 : 0);
  });
}
