#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "par/parallel_for.h"

// Vectors in pieces of a fixed length: what is found of them does not depend on the number of threads.
namespace avenir::par {

inline constexpr size_t kPiece = 65536;

// What f(begin, end) gives for each piece of [0, count), in order. f may run on several threads.
template <typename F>
auto map_pieces(size_t count, const F& f) {
  std::vector<decltype(f(size_t{}, size_t{}))> results((count + kPiece - 1) / kPiece);
  parallel_for(count, kPiece, [&](size_t begin, size_t end) { results[begin / kPiece] = f(begin, end); });
  return results;
}

// Each value becomes the sum of those before it.
template <typename T>
void make_sums_before(std::vector<T>& values) {
  T next = 0;
  for (T& value : values) next += std::exchange(value, next);
}

}  // namespace avenir::par
