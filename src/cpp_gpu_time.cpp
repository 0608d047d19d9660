#include <Rcpp.h>

#include "array/gpu_array.h"
#include "rbridge/door.h"

// Doors of tools/gpu-table.R: the time that a device itself takes.

using namespace avenir;

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_mark(std::string device) {
  return rbridge::door([&]() -> SEXP {
    array::device_of(device).mark();
    return R_NilValue;
  });
}

// Milliseconds since cpp_gpu_mark(), by the device's own events; waits for it.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_since_mark(std::string device) {
  return rbridge::door([&]() -> SEXP { return Rf_ScalarReal(array::device_of(device).since_mark()); });
}
