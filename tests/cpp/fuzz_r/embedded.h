#pragma once

// R within a target of libFuzzer, with avenir loaded from a library whose code is built for it (tools/soak.sh fuzz):
// what knows R is fuzzed through its doors.

#include <cstdlib>
#include <stdexcept>
#include <string>

#define R_NO_REMAP
#define STRICT_R_HEADERS
#include <R.h>
#include <Rembedded.h>
#include <Rinternals.h>
#define CSTACK_DEFNS
#include <R_ext/Parse.h>
#include <Rinterface.h>

namespace avenir::fuzz {

// The value of R code; ends the process where it fails. Not protected.
inline SEXP evaluate(SEXP call) {
  int failed = 0;
  const SEXP value = R_tryEval(call, R_GlobalEnv, &failed);
  if (failed != 0) std::abort();
  return value;
}

inline SEXP evaluate(const std::string& text) {
  ParseStatus status;
  const SEXP code = PROTECT(R_ParseVector(PROTECT(Rf_mkString(text.c_str())), -1, &status, R_NilValue));
  if (status != PARSE_OK) std::abort();
  SEXP value = R_NilValue;
  for (R_xlen_t i = 0; i < XLENGTH(code); ++i) value = evaluate(VECTOR_ELT(code, i));
  UNPROTECT(2);
  return value;
}

// $AVENIR_FUZZ_CHECKS is the file of R code that goes with the targets, $R_LIBS has the library.
inline void start_r() {
  static char name[] = "R", vanilla[] = "--vanilla", quiet[] = "--no-echo", no_save[] = "--no-save";
  char* arguments[] = {name, vanilla, quiet, no_save};
  R_SignalHandlers = 0;
  Rf_initEmbeddedR(4, arguments);
  R_CStackLimit = static_cast<uintptr_t>(-1);  // the sanitizer's frames are larger than R expects
  evaluate("source(Sys.getenv('AVENIR_FUZZ_CHECKS'))");
}

// Calls one of the file's functions, which gives "" or says what is wrong. $AVENIR_FUZZ_SHOW: the argument is printed
// first.
inline void check(const char* function, SEXP argument, SEXP other = R_NilValue) {
  if (std::getenv("AVENIR_FUZZ_SHOW") != nullptr) Rf_PrintValue(argument);
  const SEXP quoted = PROTECT(Rf_lang2(Rf_install("quote"), argument));
  const SEXP call = PROTECT(Rf_lang3(Rf_install(function), quoted, other));
  const SEXP said = PROTECT(evaluate(call));
  if (LENGTH(STRING_ELT(said, 0)) > 0) {
    REprintf("%s\n", CHAR(STRING_ELT(said, 0)));
    std::abort();
  }
  UNPROTECT(3);
}

}  // namespace avenir::fuzz
