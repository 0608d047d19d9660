#pragma once

#include <cstddef>

namespace avenir::rng {

// The value of a polynomial of degree 7, by Horner's rule. T: double or a vector of doubles. Included after the pragmas
// that choose instructions, and static: each file has its own, compiled for the processors that the file is for.
template <typename T>
static inline T polynomial(const double (&coefficients)[8], T x) {
  T sum = x * coefficients[0] + coefficients[1];
  for (std::size_t i = 2; i < 8; ++i) sum = sum * x + coefficients[i];
  return sum;
}

}  // namespace avenir::rng
