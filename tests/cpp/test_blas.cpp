#include <doctest/doctest.h>

#include <string>

#include "sys/blas.h"
#include "sys/library_threads.h"

// Those that there are stand in tests/testthat/test-blas.R, under R.

using namespace avenir;

TEST_CASE("without a BLAS library there is no file, the number of threads is unknown, and setting it does nothing") {
  const sys::Blas blas(nullptr);
  blas.set_threads(2);
  CHECK(blas.file().empty());
  CHECK(blas.kind() == "unknown");
  CHECK(blas.threads() == 0);
  CHECK(blas.setter().empty());
  CHECK(blas.setter_file().empty());
  CHECK(blas.version().empty());
  CHECK(blas.core().empty());
  CHECK(blas.threading().empty());
}

TEST_CASE("the library of this program is found by the function that it has from there") {
  const sys::Blas& blas = sys::Blas::of_process();
  CHECK(blas.file().find("blas") != std::string::npos);
  CHECK(blas.kind() != "unknown");
  CHECK(blas.threads() >= 1);
}

TEST_CASE("without libraries that have threads a fork has its share of them") {
  sys::limit_library_threads(2);
  sys::end_idle_openmp_threads();
  CHECK(sys::threads_in_fork(3) == 3);
}
