#include "sort/vector_sort.h"

#ifndef AVENIR_NO_HIGHWAY
#include <hwy/contrib/sort/vqsort.h>
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

}  // namespace

// Some processors' vectors have no doubles.
bool has_vector_sort() { return hwy::Sorter::HaveFloat64(); }

void vector_sort(double* items, size_t count, bool decreasing) { sort_with_highway(items, count, decreasing); }
void vector_sort(int32_t* items, size_t count, bool decreasing) { sort_with_highway(items, count, decreasing); }
void vector_sort(uint64_t* items, size_t count, bool decreasing) { sort_with_highway(items, count, decreasing); }

#endif

}  // namespace avenir::sort
