#include <Rcpp.h>
#include <Rversion.h>

#include "compute/library.h"
#include "expression/compiled.h"
#include "expression/threaded.h"
#include "rbridge/door.h"

using namespace avenir;

// Loads the second shared object.
// [[Rcpp::export(rng = false)]]
SEXP cpp_compute_load() {
  return rbridge::door([&]() -> SEXP {
    compute::library();
    return R_NilValue;
  });
}

// `code` is an expression as substitute() gives it.
// [[Rcpp::export(rng = false)]]
SEXP cpp_threaded(SEXP code, SEXP env) {
  return rbridge::door([&] { return expression::threaded(code, env); });
}

// From how many elements on base R does not evaluate it; the number before (for tests).
// [[Rcpp::export(rng = false)]]
double cpp_threaded_minimum(double elements) {
  return static_cast<double>(expression::exchange_minimum(static_cast<uint64_t>(elements)));
}

// Raises an error when the pointer is none of a compiled function.
// [[Rcpp::export(rng = false)]]
SEXP cpp_check_block(SEXP pointer) {
  return rbridge::door([&]() -> SEXP {
    expression::block_at(pointer);
    return R_NilValue;
  });
}

// [[Rcpp::init]]
void follow_mathematics_of_r(DllInfo* dll) {
  (void)dll;
#if R_VERSION >= R_Version(4, 6, 0)
  avenir::compute::follow(avenir::linalg::Rules::kSince46);
#endif
}
