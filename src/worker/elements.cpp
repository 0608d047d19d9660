#include "worker/elements.h"

namespace avenir::worker {

SEXP vector_element(SEXP x, R_xlen_t i) {
  switch (TYPEOF(x)) {
    case LGLSXP:
      return Rf_ScalarLogical(LOGICAL_ELT(x, i));
    case INTSXP:
      return Rf_ScalarInteger(INTEGER_ELT(x, i));
    case REALSXP:
      return Rf_ScalarReal(REAL_ELT(x, i));
    case CPLXSXP:
      return Rf_ScalarComplex(COMPLEX_ELT(x, i));
    case RAWSXP:
      return Rf_ScalarRaw(RAW_ELT(x, i));
    case STRSXP:
      return Rf_ScalarString(STRING_ELT(x, i));
    case VECSXP:
    case EXPRSXP:
      return VECTOR_ELT(x, i);
    default:
      return R_NilValue;
  }
}

SEXP call_on(SEXP function, SEXP value) {
  PROTECT(value);
  const bool code = TYPEOF(value) == LANGSXP || TYPEOF(value) == SYMSXP || TYPEOF(value) == PROMSXP;
  const SEXP argument = PROTECT(code ? Rf_lang2(R_QuoteSymbol, value) : value);
  const SEXP call = Rf_lang2(function, argument);
  UNPROTECT(2);
  return call;
}

Streams::Streams(const int32_t* state) : kind_(state[0]), states_(rng::state_of_seed(state)) { states_.seek(0); }

void Streams::install(uint64_t element) {
  if (element != next_) states_.seek(element);
  next_ = element + 1;
  const rng::State state = states_.next();
  const SEXP seed = PROTECT(Rf_allocVector(INTSXP, 7));
  rng::write_seed(state, kind_, INTEGER(seed));
  Rf_defineVar(R_SeedsSymbol, seed, R_GlobalEnv);
  UNPROTECT(1);
}

}  // namespace avenir::worker
