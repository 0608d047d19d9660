#include "sort/sort.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "sort/merge_sort.h"
#include "sort/part.h"
#include "sort/stable_sort.h"

namespace avenir::sort {

namespace {

bool is_negative_zero(double x) { return x == 0 && std::signbit(x); }

// Sorting does not tell -0 from 0: zeros have their order back. `sorted` has `count` of the elements of x.
void restore_zeros(const double* x, size_t total, double* sorted, size_t count, bool decreasing) {
  double* at = std::partition_point(sorted, sorted + count, [=](double y) { return decreasing ? y > 0 : y < 0; });
  if (at == sorted + count || *at != 0) return;
  const auto negative = count_pieces(total, [x](size_t i) { return is_negative_zero(x[i]); });
  if (std::all_of(negative.begin(), negative.end(), [](size_t found) { return found == 0; })) return;
  for (size_t i = 0; i < total; ++i)
    if (x[i] == 0) *at++ = x[i];
}
void restore_zeros(const int32_t*, size_t, int32_t*, size_t, bool) {}

// Sorts `items` into `out`, which may be the same.
template <typename T>
void sort_by_merging(const T* items, size_t count, bool decreasing, T* out) {
  const size_t chunks = chunks_of(count);
  const auto room = chunks > 1 ? room_for<T>(count) : nullptr;
  T *first = out, *second = room.get();
  if (merges_of(chunks) % 2 == 1) std::swap(first, second);
  merge_sort(first, second, count, chunks, decreasing, [=](size_t begin, size_t end) {
    if (first != items) std::copy(items + begin, items + end, first + begin);
  });
}

template <typename T>
void sort_by_keys(const T* items, size_t count, bool decreasing, Missing missing, T* out) {
  const Keys<T> keys(items, decreasing, missing);
  stable_sort<uint64_t>(
      count, [&keys](size_t i) { return keys[i]; },
      [&keys, out](size_t i, uint64_t key, bool) { out[i] = keys.element(key); });
}

// Missing elements go to their end of `out` first, the others to the rest of it, which is then sorted.
template <typename T>
void sort_elements(const T* x, size_t count, size_t complete, bool decreasing, Missing missing, T* out) {
  T* const sorted = missing == Missing::kFirst ? out + (count - complete) : out;
  T* const apart = missing == Missing::kFirst ? out : out + complete;
  const T* source = x;
  if (complete < count) {
    part(
        count, [x](size_t i) { return !is_missing(x[i]); }, [=](size_t k, size_t i) { sorted[k] = x[i]; },
        [=](size_t k, size_t i) {
          if (missing != Missing::kLeftOut) apart[k] = x[i];
        });
    source = sorted;
  }
  if (has_vector_sort())
    sort_by_merging(source, complete, decreasing, sorted);
  else
    sort_by_keys(source, complete, decreasing, missing, sorted);
  restore_zeros(x, count, sorted, complete, decreasing);
}

}  // namespace

size_t count_complete(const std::vector<Column>& columns, size_t count) {
  std::vector<size_t> counts;
  const auto count_in = [&](const auto* x) {
    counts = count_pieces(count, [x](size_t i) { return !is_missing(x[i]); });
  };
  if (columns.size() == 1)
    with_data(columns[0], count_in);
  else
    counts = count_pieces(count, [&columns](size_t i) { return !has_missing(columns, i); });
  size_t total = 0;
  for (const size_t piece : counts) total += piece;
  return total;
}

void sort_values(const Column& column, size_t count, size_t complete, Missing missing, void* out) {
  if (column.type == Type::kDouble)
    sort_elements(static_cast<const double*>(column.data), count, complete, column.decreasing, missing,
                  static_cast<double*>(out));
  else
    sort_elements(static_cast<const int32_t*>(column.data), count, complete, column.decreasing, missing,
                  static_cast<int32_t*>(out));
}

}  // namespace avenir::sort
