#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include "par/pieces.h"
#include "sort/merge.h"
#include "sort/vector_sort.h"

// Sorting whole numbers and doubles on several threads, not stably: each thread sorts a chunk, then chunks are merged
// two by two, all threads at work on every merge.
namespace avenir::sort {

inline constexpr size_t kLeastChunk = 65536;

inline size_t chunks_of(size_t count) {
  return std::max<size_t>(1, std::min<size_t>(par::threads(), count / kLeastChunk));
}

// How often chunks are merged: the sorted items lie in the other of the two rooms each time.
inline unsigned merges_of(size_t chunks) {
  unsigned merges = 0;
  for (; (size_t{1} << merges) < chunks; ++merges) {
  }
  return merges;
}

namespace detail {

// Where chunks begin, and the end of the last.
inline std::vector<size_t> bounds_of_chunks(size_t count, size_t chunks) {
  std::vector<size_t> bounds(chunks + 1);
  for (size_t k = 0; k <= chunks; ++k) bounds[k] = count * k / chunks;
  return bounds;
}

// Merges the first chunk with the second, the third with the fourth, ...; a last one that is left alone is copied.
template <typename T, typename Less>
void merge_pairs(const T* items, T* out, std::vector<size_t>& bounds, const Less& less) {
  std::vector<size_t> merged;
  for (size_t k = 0; k < bounds.size(); k += 2) merged.push_back(bounds[k]);
  if (merged.back() != bounds.back()) merged.push_back(bounds.back());
  if (bounds.size() % 2 == 0) bounds.push_back(bounds.back());  // the one that is left alone, and an empty one
  par::parallel_for(bounds.back(), par::kPiece, [&](size_t begin, size_t end) {
    size_t pair = static_cast<size_t>(std::upper_bound(merged.begin(), merged.end(), begin) - merged.begin()) - 1;
    for (size_t at = begin; at < end; ++pair) {
      const T *first = items + bounds[2 * pair], *second = items + bounds[2 * pair + 1];
      const size_t to = std::min(end, merged[pair + 1]);
      merge_part<T>({{first, second}, {second, items + bounds[2 * pair + 2]}}, at - merged[pair], to - merged[pair],
                    out + at, less);
      at = to;
    }
  });
  bounds = std::move(merged);
}

template <typename T, typename Less>
void merge_all(T* items, T* other, std::vector<size_t> bounds, const Less& less) {
  while (bounds.size() > 2) {
    merge_pairs(items, other, bounds, less);
    std::swap(items, other);
  }
}

}  // namespace detail

// Calls fill(begin, end) for parts of `items`, which is to put their items there, and sorts them all. They lie in
// `other` at the end when merges_of(chunks) is odd. `other` is not used for one chunk.
template <typename T, typename Fill>
void merge_sort(T* items, T* other, size_t count, size_t chunks, bool decreasing, const Fill& fill) {
  const std::vector<size_t> bounds = detail::bounds_of_chunks(count, chunks);
  par::parallel_for(chunks, 1, [&](size_t chunk, size_t) {
    fill(bounds[chunk], bounds[chunk + 1]);
    vector_sort(items + bounds[chunk], bounds[chunk + 1] - bounds[chunk], decreasing);
  });
  if (decreasing)
    detail::merge_all(items, other, bounds, std::greater<T>());
  else
    detail::merge_all(items, other, bounds, std::less<T>());
}

}  // namespace avenir::sort
