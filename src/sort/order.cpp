#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "sort/merge_sort.h"
#include "sort/packed.h"
#include "sort/part.h"
#include "sort/sort.h"
#include "sort/stable_sort.h"

namespace avenir::sort {

namespace {

using par::kPiece;

constexpr size_t kFewRows = 131072;  // that one thread sorts

// Where a run of rows begins and ends that are equal by all keys so far.
struct Run {
  size_t begin, end;
};

// The rows in their order so far.
struct Rows {
  explicit Rows(size_t rows) : count(rows), row(room_for<uint64_t>(rows)), same(room_for<uint8_t>(rows)) {}

  size_t count;
  std::unique_ptr<uint64_t[]> row;
  std::unique_ptr<uint8_t[]> same;  // as the row before: within runs, after these have been sorted
  std::vector<Run> runs;            // of more than one row
};

// Adds the runs among rows [begin, end), same(i) being TRUE of a row that equals the one before.
template <typename Same>
void find_runs(size_t begin, size_t end, const Same& same, std::vector<Run>& runs) {
  for (size_t i = begin; i < end; ++i) {
    const size_t first = i;
    while (i + 1 < end && same(i + 1)) ++i;
    if (i > first) runs.push_back({first, i + 1});
  }
}

// ---- The first order: of numbers that have the row in them ----

// Calls put(k, i) for each row i without a missing element, the k-th of them.
template <typename Put>
void for_complete(const std::vector<Column>& columns, size_t count, const Put& put) {
  part(
      count, [&columns](size_t i) { return !has_missing(columns, i); }, put, [](size_t, size_t) {});
}

void sort_packed(Rows& rows, const std::vector<Column>& columns, size_t total, const Packing& packing) {
  const size_t count = rows.count, chunks = chunks_of(count);
  auto other = chunks > 1 ? room_for<uint64_t>(count) : nullptr;
  uint64_t* const items = rows.row.get();
  const bool packed = count < total;
  if (packed) for_complete(columns, total, [&](size_t k, size_t i) { packing.pack(i, i + 1, items + k); });
  merge_sort(items, other.get(), count, chunks, false, [&](size_t begin, size_t end) {
    if (!packed) packing.pack(begin, end, items + begin);
  });
  if (merges_of(chunks) % 2 == 1) std::swap(rows.row, other);
}

// Rows that the packed numbers do not tell apart.
std::vector<Run> open_runs(const uint64_t* packed, size_t count, const Packing& packing) {
  const auto parts = par::map_pieces(count, [&](size_t begin, size_t end) {
    std::vector<Run> runs;
    find_runs(
        begin - std::min<size_t>(begin, 1), end, [&](size_t i) { return packing.same_keys(packed[i], packed[i - 1]); },
        runs);
    return runs;
  });
  std::vector<Run> all;
  for (const auto& part : parts)
    for (const Run& run : part) {
      if (!all.empty() && all.back().end > run.begin)
        all.back().end = run.end;
      else
        all.push_back(run);
    }
  return all;
}

// How many columns the rows are ordered by then.
size_t order_by_packing(Rows& rows, const std::vector<Column>& columns, size_t total, Missing missing) {
  const Packing packing(columns, total, missing);
  sort_packed(rows, columns, total, packing);
  uint64_t* const row = rows.row.get();
  if (packing.first_open() < columns.size()) rows.runs = open_runs(row, rows.count, packing);
  par::parallel_for(rows.count, kPiece, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) row[i] = packing.row_in(row[i]);
  });
  return packing.first_open();
}

// ---- The others: of runs, by one column after the other ----

void start_in_place(Rows& rows, const std::vector<Column>& columns, size_t total, Missing missing) {
  uint64_t* const to = rows.row.get();
  if (missing == Missing::kLeftOut)
    for_complete(columns, total, [to](size_t k, size_t i) { to[k] = i; });
  else
    par::parallel_for(total, kPiece, [to](size_t begin, size_t end) { std::iota(to + begin, to + end, begin); });
  if (rows.count > 1) rows.runs = {{0, rows.count}};
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

void sort_runs(const Column& column, Missing missing, Rows& rows) {
  std::vector<Run> runs = rows.runs;
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

std::vector<Run> runs_within(const Rows& rows) {
  std::vector<Run> runs;
  for (const Run& run : rows.runs)
    find_runs(
        run.begin, run.end, [&rows](size_t i) { return rows.same[i] != 0; }, runs);
  return runs;
}

void write_rows(const Rows& rows, int32_t* integers, double* doubles) {
  par::parallel_for(rows.count, kPiece, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (integers != nullptr)
        integers[i] = static_cast<int32_t>(rows.row[i] + 1);
      else
        doubles[i] = static_cast<double>(rows.row[i] + 1);
    }
  });
}

}  // namespace

void order_rows(const std::vector<Column>& columns, size_t count, Missing missing, int32_t* integers, double* doubles) {
  Rows rows(missing == Missing::kLeftOut ? count_complete(columns, count) : count);
  size_t column = 0;
  if (has_vector_sort())
    column = order_by_packing(rows, columns, count, missing);
  else
    start_in_place(rows, columns, count, missing);
  for (; column < columns.size() && !rows.runs.empty(); ++column) {
    sort_runs(columns[column], missing, rows);
    if (column + 1 < columns.size()) rows.runs = runs_within(rows);
  }
  write_rows(rows, integers, doubles);
}

}  // namespace avenir::sort
