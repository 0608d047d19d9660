#include <Rcpp.h>

#include "compute/library.h"
#include "rbridge/door.h"

namespace {

using namespace avenir;

}  // namespace

// Loads the second shared object.
// [[Rcpp::export(rng = false)]]
SEXP cpp_compute_load() {
  return rbridge::door([&]() -> SEXP {
    compute::library();
    return R_NilValue;
  });
}
