#pragma once

#include <algorithm>
#include <vector>

#include "device/buffer.h"

// Floats in memory, doubles where the CPU computes.
namespace avenir::device {

inline void narrow(const double* from, size_t count, float* to) {
  std::transform(from, from + count, to, [](double x) { return static_cast<float>(x); });
}
inline void widen(const float* from, size_t count, double* to) { std::copy(from, from + count, to); }

inline std::vector<double> widened(const Buffer& floats) {
  std::vector<double> numbers(floats.length());
  widen(floats.as<float>(), numbers.size(), numbers.data());
  return numbers;
}

}  // namespace avenir::device
