#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

// Merging two sorted arrays. The first one's elements go before equal ones of the second.
namespace avenir::sort {

template <typename T>
struct Slice {
  const T* begin;
  const T* end;
  size_t size() const { return static_cast<size_t>(end - begin); }
};

template <typename T>
struct Pair {
  Slice<T> first, second;
  size_t size() const { return first.size() + second.size(); }
};

namespace detail {

// How many of the first array's elements are among the first `count` of both.
template <typename T, typename Less>
size_t taken_from_first(const Pair<T>& pair, size_t count, const Less& less) {
  size_t low = count - std::min(count, pair.second.size()), high = std::min(count, pair.first.size());
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (less(pair.second.begin[count - middle - 1], pair.first.begin[middle]))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// What goes to places [begin, end) of both arrays' elements in order.
template <typename T, typename Less>
Pair<T> part_of(const Pair<T>& pair, size_t begin, size_t end, const Less& less) {
  const size_t from = taken_from_first(pair, begin, less), to = taken_from_first(pair, end, less);
  return {{pair.first.begin + from, pair.first.begin + to},
          {pair.second.begin + (begin - from), pair.second.begin + (end - to)}};
}

template <typename T>
struct Merge {
  Pair<T> left;
  T* out;

  // So many elements can be taken without a look whether an array is at its end.
  size_t safe() const { return std::min(left.first.size(), left.second.size()); }
  template <typename Less>
  void step(const Less& less) {
    const T a = *left.first.begin, b = *left.second.begin;
    const bool second = less(b, a);
    *out++ = second ? b : a;
    left.first.begin += !second;
    left.second.begin += second;
  }
  template <typename Less>
  void finish(const Less& less) {
    for (size_t steps = safe(); steps > 0; steps = safe())
      for (; steps > 0; --steps) step(less);
    out = std::copy(left.first.begin, left.first.end, out);
    std::copy(left.second.begin, left.second.end, out);
  }
};

// Merges that go on side by side: each waits for its own last comparison at every step.
inline constexpr size_t kMerges = 4;

}  // namespace detail

// Puts what belongs to places [begin, end) of the merged array there, `out` being the place of `begin`.
template <typename T, typename Less>
void merge_part(const Pair<T>& pair, size_t begin, size_t end, T* out, const Less& less) {
  using namespace detail;
  std::array<Merge<T>, kMerges> merges;
  for (size_t k = 0; k < kMerges; ++k) {
    const size_t from = begin + (end - begin) * k / kMerges, to = begin + (end - begin) * (k + 1) / kMerges;
    merges[k] = {part_of(pair, from, to, less), out + (from - begin)};
  }
  const auto safe = [&merges] {
    size_t least = merges[0].safe();
    for (const auto& merge : merges) least = std::min(least, merge.safe());
    return least;
  };
  for (size_t steps = safe(); steps > 0; steps = safe())
    for (; steps > 0; --steps)
      for (auto& merge : merges) merge.step(less);
  for (auto& merge : merges) merge.finish(less);
}

}  // namespace avenir::sort
