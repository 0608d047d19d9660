#include "sort/tables.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "par/pieces.h"
#include "sort/sort.h"
#include "sort/stable_sort.h"

namespace avenir::sort {

namespace {

using par::kPiece;

constexpr size_t kFewCells = 65536;  // that every thread may have for itself

size_t piece_for_each_thread(size_t count) { return std::max<size_t>(count / par::threads() + 1, kPiece); }

// Sums of counts that each piece makes for itself: count_piece(begin, end, counts).
template <typename CountPiece>
std::vector<uint64_t> count_by_pieces(size_t count, size_t cells, const CountPiece& count_piece) {
  const size_t piece = cells <= kFewCells ? piece_for_each_thread(count) : std::max<size_t>(count, 1);
  std::vector<std::vector<uint64_t>> parts((count + piece - 1) / piece, std::vector<uint64_t>(cells));
  par::parallel_for(count, piece,
                    [&](size_t begin, size_t end) { count_piece(begin, end, parts[begin / piece].data()); });
  std::vector<uint64_t> total(cells);
  for (const auto& part : parts) std::transform(part.begin(), part.end(), total.begin(), total.begin(), std::plus<>());
  return total;
}

struct Range {
  int32_t least = INT32_MAX, most = INT32_MIN;
  void add(const Range& other) {
    least = std::min(least, other.least);
    most = std::max(most, other.most);
  }
};

Range range_of(const int32_t* x, size_t count) {
  const auto parts = par::map_pieces(count, [x](size_t begin, size_t end) {
    Range range;
    for (size_t i = begin; i < end; ++i) {
      range.least = std::min(range.least, is_missing(x[i]) ? INT32_MAX : x[i]);
      range.most = std::max(range.most, x[i]);  // NA is the least of all
    }
    return range;
  });
  Range total;
  for (const Range& part : parts) total.add(part);
  return total;
}

// By sorting.
template <typename T>
Distinct<T> runs(const T* x, size_t count, Type type) {
  const Column column{x, type, false};
  const size_t complete = count_complete({column}, count);
  const auto sorted = room_for<T>(complete);
  sort_values(column, count, complete, Missing::kLeftOut, sorted.get());
  Distinct<T> found;
  for (size_t i = 0; i < complete; ++i) {
    if (i == 0 || sorted[i] != sorted[i - 1]) {
      found.values.push_back(sorted[i]);
      found.counts.push_back(0);
    }
    ++found.counts.back();
  }
  return found;
}

// By counting, where the values lie close together.
Distinct<int32_t> counted(const int32_t* x, size_t count, int32_t least, size_t extent) {
  const auto counts = count_by_pieces(count, extent, [x, least](size_t begin, size_t end, uint64_t* cells) {
    for (size_t i = begin; i < end; ++i)
      if (!is_missing(x[i])) ++cells[static_cast<int64_t>(x[i]) - least];
  });
  Distinct<int32_t> found;
  for (size_t i = 0; i < extent; ++i) {
    if (counts[i] == 0) continue;
    found.values.push_back(static_cast<int32_t>(least + static_cast<int64_t>(i)));
    found.counts.push_back(counts[i]);
  }
  return found;
}

}  // namespace

Distinct<double> distinct(const double* x, size_t count) { return runs(x, count, Type::kDouble); }

Distinct<int32_t> distinct(const int32_t* x, size_t count) {
  const Range range = range_of(x, count);
  if (range.least > range.most) return {};
  const size_t extent = static_cast<size_t>(static_cast<int64_t>(range.most) - range.least) + 1;
  return extent <= kFewCells ? counted(x, count, range.least, extent) : runs(x, count, Type::kInteger);
}

template <typename T>
void find_codes(const T* x, size_t count, const T* values, size_t number, int32_t* codes) {
  par::parallel_for(count, kPiece, [=](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const T* const found = is_missing(x[i]) ? values + number : std::lower_bound(values, values + number, x[i]);
      const bool is_there = found != values + number && *found == x[i];
      codes[i] = is_there ? static_cast<int32_t>(found - values) + 1 : kNaInteger;
    }
  });
}
template void find_codes(const double*, size_t, const double*, size_t, int32_t*);
template void find_codes(const int32_t*, size_t, const int32_t*, size_t, int32_t*);

std::vector<uint64_t> count_cells(const std::vector<const int32_t*>& codes, const std::vector<size_t>& extents,
                                  size_t count) {
  const size_t cells = std::accumulate(extents.begin(), extents.end(), size_t{1}, std::multiplies<>());
  return count_by_pieces(count, cells, [&](size_t begin, size_t end, uint64_t* counts) {
    for (size_t i = begin; i < end; ++i) {
      size_t cell = 0, step = 1;
      bool complete = true;
      for (size_t k = 0; k < codes.size(); ++k) {
        complete &= !is_missing(codes[k][i]);
        cell += step * (static_cast<size_t>(codes[k][i]) - 1);  // of a missing one: wraps, and does not count
        step *= extents[k];
      }
      if (complete) ++counts[cell];
    }
  });
}

bool are_codes(const int32_t* codes, size_t count, size_t extent) {
  const Range range = range_of(codes, count);
  return range.least > range.most || (range.least >= 1 && static_cast<size_t>(range.most) <= extent);
}

}  // namespace avenir::sort
