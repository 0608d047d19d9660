#pragma once

#include <cstddef>
#include <cstdint>

// Sorting with SIMD instructions on this thread, not stably: Highway's VQSort, for the best of the processor's
// instruction sets.
namespace avenir::sort {

// FALSE where the package was built without Highway: the functions below are not to be called then.
bool has_vector_sort();

// No NaN. -0 and 0 are equal.
void vector_sort(double* items, size_t count, bool decreasing);
void vector_sort(int32_t* items, size_t count, bool decreasing);
void vector_sort(uint64_t* items, size_t count, bool decreasing);

}  // namespace avenir::sort
