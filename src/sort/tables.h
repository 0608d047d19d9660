#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sort/column.h"

// Which values a vector has, and how often. On par::threads() threads.
namespace avenir::sort {

// The values that are not missing, in increasing order, once each; T is double or int32_t.
template <typename T>
struct Distinct {
  std::vector<T> values;
  std::vector<uint64_t> counts;
};
Distinct<double> distinct(const double* x, size_t count);
Distinct<int32_t> distinct(const int32_t* x, size_t count);

// Of each element its place among `values`, which are in increasing order: from 1, NA for what is not there.
template <typename T>
void find_codes(const T* x, size_t count, const T* values, size_t number, int32_t* codes);

// How often each combination of codes from 1 to its extent occurs; the first one's run fastest. Rows in which a code is
// NA are left out. `codes` lie in [1, extent] or are NA, which the caller has seen to.
std::vector<uint64_t> count_cells(const std::vector<const int32_t*>& codes, const std::vector<size_t>& extents,
                                  size_t count);

// TRUE when all of `codes` lie in [1, extent] or are NA.
bool are_codes(const int32_t* codes, size_t count, size_t extent);

}  // namespace avenir::sort
