#include <Rcpp.h>

#include "rbridge/door.h"
#include "rbridge/r.h"

// Doors of R/options.R.

using namespace avenir;

namespace {

// Those of the options that are set, by name. Jumps when memory runs out.
SEXP get_options(SEXP names) {
  const R_xlen_t most = XLENGTH(names);
  R_xlen_t set = 0;
  const SEXP values = PROTECT(Rf_allocVector(VECSXP, most)), found = PROTECT(Rf_allocVector(STRSXP, most));
  for (R_xlen_t i = 0; i < most; ++i) {
    const SEXP value = Rf_GetOption1(Rf_installTrChar(STRING_ELT(names, i)));
    if (value == R_NilValue) continue;
    SET_VECTOR_ELT(values, set, value);
    SET_STRING_ELT(found, set++, STRING_ELT(names, i));
  }
  const SEXP list = PROTECT(Rf_lengthgets(values, set));
  Rf_setAttrib(list, R_NamesSymbol, Rf_lengthgets(found, set));
  UNPROTECT(3);
  return list;
}

}  // namespace

// [[Rcpp::export(rng = false)]]
SEXP cpp_get_options(SEXP names) {
  return rbridge::door([&] {
    SEXP list = R_NilValue;
    rbridge::guarded([&list, names] { list = get_options(names); });
    return list;
  });
}
