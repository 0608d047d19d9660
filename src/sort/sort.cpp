#include "sort/sort.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "par/parallel_for.h"
#include "sort/stable_sort.h"

namespace avenir::sort {

namespace {

constexpr size_t kPiece = 65536;

size_t pieces_of(size_t count) { return (count + kPiece - 1) / kPiece; }

bool has_missing(const std::vector<Column>& columns, size_t row) {
  bool missing = false;
  for (const Column& column : columns) with_data(column, [&](const auto* x) { missing |= is_missing(x[row]); });
  return missing;
}

// How many elements of each piece keep() says TRUE of.
template <typename Keep>
std::vector<size_t> count_pieces(size_t count, const Keep& keep) {
  std::vector<size_t> counts(pieces_of(count));
  par::parallel_for(count, kPiece, [&](size_t begin, size_t end) {
    size_t kept = 0;
    for (size_t i = begin; i < end; ++i) kept += keep(i) ? 1 : 0;
    counts[begin / kPiece] = kept;
  });
  return counts;
}

// Calls kept(k, i) or other(k, i) for each element i, which is the k-th of its kind.
template <typename Keep, typename Kept, typename Other>
void part(size_t count, const Keep& keep, const Kept& kept, const Other& other) {
  std::vector<size_t> before = count_pieces(count, keep);
  size_t next = 0;
  for (size_t& piece : before) next += std::exchange(piece, next);
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
      [&keys, sorted](size_t i, uint64_t key) { sorted[i] = keys.element(key); });
  restore_zeros(x, count, sorted, complete, decreasing);
}

// ---- Orders ----

// Which rows there are, in their order so far: all in their own order as long as `rows` is empty.
class Rows {
 public:
  explicit Rows(size_t count) : count_(count) {}
  size_t count() const { return count_; }
  uint64_t operator[](size_t i) const { return rows_ ? rows_[i] : i; }
  uint64_t* fill() {
    if (!rows_) rows_ = room_for<uint64_t>(count_);
    return rows_.get();
  }
  void leave_out_missing(const std::vector<Column>& columns) {
    Rows complete(count_complete(columns, count_));
    uint64_t* const to = complete.fill();
    part(
        count_, [&columns](size_t i) { return !has_missing(columns, i); }, [to](size_t k, size_t i) { to[k] = i; },
        [](size_t, size_t) {});
    *this = std::move(complete);
  }

 private:
  size_t count_;
  std::unique_ptr<uint64_t[]> rows_;
};

// take(i, row) for the rows in the order of `column`.
template <typename Take>
void order_by(const Column& column, const Rows& rows, Missing missing, const Take& take) {
  with_data(column, [&](const auto* x) {
    const Keys keys(x, column.decreasing, missing);
    stable_sort<Indexed>(
        rows.count(),
        [&](size_t i) {
          return Indexed{keys[rows[i]], rows[i]};
        },
        [&take](size_t i, const Indexed& item) { take(i, item.index); });
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
  Rows rows(count);
  if (missing == Missing::kLeftOut) rows.leave_out_missing(columns);
  for (size_t k = columns.size(); k-- > 1;) {
    Rows before = std::move(rows);
    rows = Rows(before.count());
    uint64_t* const to = rows.fill();
    order_by(columns[k], before, missing, [to](size_t i, uint64_t row) { to[i] = row; });
  }
  order_by(columns[0], rows, missing, [=](size_t i, uint64_t row) {
    if (integers != nullptr)
      integers[i] = static_cast<int32_t>(row + 1);
    else
      doubles[i] = static_cast<double>(row + 1);
  });
}

}  // namespace avenir::sort
