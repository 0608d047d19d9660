#include <Rcpp.h>

#include "rbridge/door.h"
#include "rbridge/globals_walker.h"

// Doors of R/globals.R.

using namespace avenir;

// [[Rcpp::export(rng = false)]]
SEXP cpp_find_globals(SEXP expr, SEXP envir) {
  return rbridge::door([&] { return rbridge::find_language_globals(expr, envir); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_find_function_globals(SEXP fun, SEXP args, SEXP envir) {
  return rbridge::door([&] { return rbridge::find_closure_globals(fun, args, envir); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_find_named_globals(SEXP names, SEXP envir) {
  return rbridge::door([&] { return rbridge::find_named_globals(names, envir); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_packages_of(SEXP values) {
  return rbridge::door([&] { return rbridge::packages_of(values); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_free_names(SEXP code, bool names_in_strings) {
  return rbridge::door([&] { return rbridge::free_names(code, names_in_strings); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_serialized_size(SEXP object) {
  return rbridge::door([&] { return Rf_ScalarReal(rbridge::serialized_size(object)); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_find_reference(SEXP object) {
  return rbridge::door([&] { return rbridge::find_reference(object); });
}
