#include <Rcpp.h>

#include "rbridge/door.h"
#include "sys/blas.h"

using namespace avenir;

namespace {

int threads_or_na() {
  const int threads = sys::Blas::of_process().threads();
  return threads == 0 ? NA_INTEGER : threads;
}

SEXP text_or_na(const std::string& text) { return Rf_ScalarString(text.empty() ? NA_STRING : Rf_mkChar(text.c_str())); }

}  // namespace

// How many threads the BLAS library uses; NA when it does not tell.
// [[Rcpp::export(rng = false)]]
SEXP cpp_blas_threads() {
  return rbridge::door([&] { return Rf_ScalarInteger(threads_or_na()); });
}

// Gives the number that the library has taken.
// [[Rcpp::export(rng = false)]]
SEXP cpp_blas_set_threads(int count) {
  return rbridge::door([&] {
    sys::Blas::of_process().set_threads(count);
    return Rf_ScalarInteger(threads_or_na());
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_blas_info() {
  return rbridge::door([&]() -> SEXP {
    const sys::Blas& blas = sys::Blas::of_process();
    return Rcpp::List::create(
        Rcpp::Named("kind") = blas.kind(), Rcpp::Named("threading") = text_or_na(blas.threading()),
        Rcpp::Named("threads") = threads_or_na(), Rcpp::Named("file") = text_or_na(blas.file()),
        Rcpp::Named("setter") = text_or_na(blas.setter()), Rcpp::Named("setter_file") = text_or_na(blas.setter_file()),
        Rcpp::Named("version") = text_or_na(blas.version()), Rcpp::Named("core") = text_or_na(blas.core()));
  });
}
