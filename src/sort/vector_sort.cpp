#include "sort/vector_sort.h"

#ifndef AVENIR_NO_HIGHWAY
#include <hwy/contrib/sort/vqsort.h>

#include <cstring>
#endif

namespace avenir::sort {

#ifdef AVENIR_NO_HIGHWAY

bool has_vector_sort() { return false; }

void vector_sort(double*, size_t, bool) {}
void vector_sort(int32_t*, size_t, bool) {}
void vector_sort(uint64_t*, size_t, bool) {}

#else

namespace {

template <typename T>
void sort_with_highway(T* items, size_t count, bool decreasing) {
  const hwy::Sorter sorter;
  if (decreasing)
    sorter(items, count, hwy::SortDescending());
  else
    sorter(items, count, hwy::SortAscending());
}

constexpr uint64_t kMagnitude = UINT64_MAX >> 1, kInfinity = uint64_t{0x7FF} << 52;

uint64_t bits_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

bool has_infinities(const double* items, size_t count) {
  bool found = false;
  for (size_t i = 0; i < count; ++i) found |= (bits_of(items[i]) & kMagnitude) == kInfinity;
  return found;
}

// Between bits of doubles and signed numbers in their order, both ways.
void exchange_keys(double* items, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint64_t bits = bits_of(items[i]);
    bits ^= (0 - (bits >> 63)) & kMagnitude;
    std::memcpy(&items[i], &bits, sizeof bits);
  }
}

}  // namespace

// Some processors' vectors have no doubles.
bool has_vector_sort() { return hwy::Sorter::HaveFloat64(); }

// Highway fills its last vector up with the greatest finite number, and drops as many of the last elements: infinities
// (seen in 1.0.3).
void vector_sort(double* items, size_t count, bool decreasing) {
  if (!has_infinities(items, count)) return sort_with_highway(items, count, decreasing);
  exchange_keys(items, count);
  sort_with_highway(reinterpret_cast<int64_t*>(items), count, decreasing);
  exchange_keys(items, count);
}
void vector_sort(int32_t* items, size_t count, bool decreasing) { sort_with_highway(items, count, decreasing); }
void vector_sort(uint64_t* items, size_t count, bool decreasing) { sort_with_highway(items, count, decreasing); }

#endif

}  // namespace avenir::sort
