#include "rbridge/raise.h"

#include <cstdio>

#include "rbridge/condition_class.h"
#include "rbridge/r.h"

namespace avenir::rbridge::detail {

namespace {

// R thread only. Not on the stack and not on the heap: the jump that follows leaves both behind.
char message[2048];
const char* kind = "";

}  // namespace

void note_error(const base::Error& error) {
  std::snprintf(message, sizeof message, "%s", error.what());
  kind = condition_class(error.kind());
}

void note_lack_of_memory() {
  std::snprintf(message, sizeof message, "%s", "there is not enough memory\ni Free some with rm() and gc().");
  kind = condition_class(base::ErrorKind::kOverloaded);
}

void raise_noted() {
  const SEXP condition = PROTECT(Rf_allocVector(VECSXP, 2)), names = PROTECT(Rf_allocVector(STRSXP, 2)),
             classes = PROTECT(Rf_allocVector(STRSXP, 4));
  SET_VECTOR_ELT(condition, 0, Rf_mkString(message));
  SET_STRING_ELT(names, 0, Rf_mkChar("message"));
  SET_STRING_ELT(names, 1, Rf_mkChar("call"));
  R_xlen_t i = 0;
  for (const char* name : {kind, "avenir_error", "error", "condition"}) SET_STRING_ELT(classes, i++, Rf_mkChar(name));
  Rf_setAttrib(condition, R_NamesSymbol, names);
  Rf_setAttrib(condition, R_ClassSymbol, classes);
  Rf_eval(PROTECT(Rf_lang2(Rf_install("stop"), condition)), R_BaseEnv);
  Rf_error("%s", message);  // not reached
}

}  // namespace avenir::rbridge::detail
