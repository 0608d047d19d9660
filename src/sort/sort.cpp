#include "sort/sort.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "par/pieces.h"
#include "sort/stable_sort.h"

namespace avenir::sort {

namespace {

using par::kPiece;

bool has_missing(const std::vector<Column>& columns, size_t row) {
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
  par::parallel_for(count, kPiece, [&](size_t begin, size_t end) {
    size_t k = before[begin / kPiece];
    for (size_t i = begin; i < end; ++i) {
      if (keep(i))
        kept(k++, i);
      else
        other(i - k, i);
    }
  });
}

bool is_negative_zero(double x) { return x == 0 && std::signbit(x); }

// Keys do not tell -0 from 0: zeros have their order back. `sorted` has `count` of the elements of x.
void restore_zeros(const double* x, size_t total, double* sorted, size_t count, bool decreasing) {
  double* at = std::partition_point(sorted, sorted + count, [=](double y) { return decreasing ? y > 0 : y < 0; });
  if (at == sorted + count || *at != 0) return;
  const auto negative = count_pieces(total, [x](size_t i) { return is_negative_zero(x[i]); });
  if (std::all_of(negative.begin(), negative.end(), [](size_t found) { return found == 0; })) return;
  for (size_t i = 0; i < total; ++i)
    if (x[i] == 0) *at++ = x[i];
}
void restore_zeros(const int32_t*, size_t, int32_t*, size_t, bool) {}

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
  const Keys<T> keys(source, decreasing, missing);
  stable_sort<uint64_t>(
      complete, [&keys](size_t i) { return keys[i]; },
      [&keys, sorted](size_t i, uint64_t key, bool) { sorted[i] = keys.element(key); });
  restore_zeros(x, count, sorted, complete, decreasing);
}

// ---- Orders ----

constexpr size_t kFewRows = 131072;  // that one thread sorts

// The rows in their order so far, and which of them are equal by all keys so far.
struct Rows {
  explicit Rows(size_t rows) : count(rows), row(room_for<uint64_t>(rows)), same(room_for<uint8_t>(rows)) {}

  size_t count;
  std::unique_ptr<uint64_t[]> row;
  std::unique_ptr<uint8_t[]> same;  // as the row before
};

Rows rows_of(const std::vector<Column>& columns, size_t count, Missing missing) {
  const bool all = missing != Missing::kLeftOut;
  Rows rows(all ? count : count_complete(columns, count));
  uint64_t* const to = rows.row.get();
  if (all)
    par::parallel_for(count, kPiece, [to](size_t begin, size_t end) { std::iota(to + begin, to + end, begin); });
  else
    part(
        count, [&columns](size_t i) { return !has_missing(columns, i); }, [to](size_t k, size_t i) { to[k] = i; },
        [](size_t, size_t) {});
  std::fill(rows.same.get(), rows.same.get() + rows.count, 1);
  return rows;
}

// Where a run of equal rows begins and ends.
struct Run {
  size_t begin, end;
};

std::vector<Run> runs_of(const Rows& rows) {
  std::vector<Run> runs;
  for (size_t begin = 0, end = 0; begin < rows.count; begin = end) {
    for (end = begin + 1; end < rows.count && rows.same[end] != 0; ++end) {
    }
    if (end - begin > 1) runs.push_back({begin, end});
  }
  return runs;
}

// Sorts a run's rows by their keys, on all threads or on this one alone.
template <typename T>
void sort_run(const Keys<T>& keys, Rows& rows, Run run, bool alone) {
  uint64_t* const row = rows.row.get() + run.begin;
  uint8_t* const same = rows.same.get() + run.begin;
  const auto make = [&keys, row](size_t i) { return Indexed{keys[row[i]], row[i]}; };
  const auto take = [=](size_t i, const Indexed& item, bool is_same) {
    row[i] = item.index;
    same[i] = is_same ? 1 : 0;
  };
  const size_t count = run.end - run.begin;
  if (!alone) return stable_sort<Indexed>(count, make, take);
  std::vector<Indexed> items(count);
  for (size_t i = 0; i < count; ++i) items[i] = make(i);
  detail::sort_bucket(items.data(), count, false, take);
}

void order_runs(const Column& column, Missing missing, Rows& rows) {
  std::vector<Run> runs = runs_of(rows);
  if (runs.empty()) return;
  const auto large =
      std::partition(runs.begin(), runs.end(), [](const Run& run) { return run.end - run.begin <= kFewRows; });
  with_data(column, [&](const auto* x) {
    const Keys keys(x, column.decreasing, missing);
    std::for_each(large, runs.end(), [&](const Run& run) { sort_run(keys, rows, run, false); });
    const size_t piece = runs.size() * kPiece / rows.count + 1;  // of runs of usual size, one piece's rows
    par::parallel_for(static_cast<size_t>(large - runs.begin()), piece, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) sort_run(keys, rows, runs[i], true);
    });
  });
}

// take(i, row) for the rows in their order by several columns.
template <typename Take>
void order_by_all(const std::vector<Column>& columns, size_t count, Missing missing, const Take& take) {
  Rows rows = rows_of(columns, count, missing);
  for (const Column& column : columns) order_runs(column, missing, rows);
  par::parallel_for(rows.count, kPiece, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) take(i, rows.row[i]);
  });
}

// The same by one column that has no missing elements, or where these are not left out.
template <typename Take>
void order_by(const Column& column, size_t count, Missing missing, const Take& take) {
  with_data(column, [&](const auto* x) {
    const Keys keys(x, column.decreasing, missing);
    stable_sort<Indexed>(
        count,
        [&keys](size_t i) {
          return Indexed{keys[i], i};
        },
        [&take](size_t i, const Indexed& item, bool) { take(i, item.index); });
  });
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

void order_rows(const std::vector<Column>& columns, size_t count, Missing missing, int32_t* integers, double* doubles) {
  const auto take = [=](size_t i, uint64_t row) {
    if (integers != nullptr)
      integers[i] = static_cast<int32_t>(row + 1);
    else
      doubles[i] = static_cast<double>(row + 1);
  };
  if (columns.size() == 1 && missing != Missing::kLeftOut)
    order_by(columns[0], count, missing, take);
  else
    order_by_all(columns, count, missing, take);
}

}  // namespace avenir::sort
