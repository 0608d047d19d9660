#include <Rcpp.h>

#include "rbridge/door.h"
#include "rbridge/output.h"

// What is kept of printed bytes, as one string.
// [[Rcpp::export(rng = false)]]
SEXP cpp_output_text(SEXP bytes) {
  using namespace avenir;
  return rbridge::door([&]() -> SEXP {
    const std::string text =
        rbridge::output_text(RAW(bytes), static_cast<uint64_t>(XLENGTH(bytes)), rbridge::output_limit());
    const std::string* const kept = &text;
    SEXP value = R_NilValue;
    SEXP* const target = &value;
    rbridge::guarded([=] { *target = Rf_ScalarString(Rf_mkCharLen(kept->data(), static_cast<int>(kept->size()))); });
    return value;
  });
}
