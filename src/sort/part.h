#pragma once

#include <cstddef>
#include <vector>

#include "par/pieces.h"
#include "sort/column.h"

// Elements of two kinds apart from each other, in order, on several threads.
namespace avenir::sort {

inline bool has_missing(const std::vector<Column>& columns, size_t row) {
  bool missing = false;
  for (const Column& column : columns) with_data(column, [&](const auto* x) { missing |= is_missing(x[row]); });
  return missing;
}

// How many elements of each piece keep() says TRUE of.
template <typename Keep>
std::vector<size_t> count_pieces(size_t count, const Keep& keep) {
  return par::map_pieces(count, [&keep](size_t begin, size_t end) {
    size_t kept = 0;
    for (size_t i = begin; i < end; ++i) kept += keep(i) ? 1 : 0;
    return kept;
  });
}

// Calls kept(k, i) or other(k, i) for each element i, which is the k-th of its kind.
template <typename Keep, typename Kept, typename Other>
void part(size_t count, const Keep& keep, const Kept& kept, const Other& other) {
  std::vector<size_t> before = count_pieces(count, keep);
  par::make_sums_before(before);
  par::parallel_for(count, par::kPiece, [&](size_t begin, size_t end) {
    size_t k = before[begin / par::kPiece];
    for (size_t i = begin; i < end; ++i) {
      if (keep(i))
        kept(k++, i);
      else
        other(i - k, i);
    }
  });
}

}  // namespace avenir::sort
