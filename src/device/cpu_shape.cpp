#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "device/cpu_device.h"
#include "par/parallel_for.h"

// Of CpuDevice: what moves elements, and sums of rows and columns.
namespace avenir::device {

namespace {

constexpr size_t kPiece = size_t{1} << 15;
constexpr uint64_t kTileEdge = 32;
constexpr int64_t kNowhere = -1;

template <typename T>
T missing();
template <>
int32_t missing<int32_t>() {
  return linalg::kNaInteger;
}
template <>
double missing<double>() {
  double na;
  std::memcpy(&na, &linalg::kNaBits, sizeof na);
  return na;
}
template <>
float missing<float>() {
  return std::numeric_limits<float>::quiet_NaN();
}

// f(T*) for the buffer's type.
template <typename F>
void with_elements(const Buffer& buffer, F f) {
  if (buffer.type() == Type::kDouble)
    f(buffer.as<double>());
  else if (buffer.type() == Type::kFloat)
    f(buffer.as<float>());
  else
    f(buffer.as<int32_t>());
}

int64_t position(const Positions& positions, uint64_t k, uint64_t extent) {
  double at = 0;
  if (positions.at.is_none())
    at = static_cast<double>(positions.begin) + static_cast<double>(positions.step) * static_cast<double>(k);
  else
    with_elements(positions.at, [&](auto* elements) { at = static_cast<double>(elements[k]); });
  return at >= 0 && at < static_cast<double>(extent) ? static_cast<int64_t>(at) : kNowhere;
}

std::vector<int64_t> all_positions(const Positions& positions, uint64_t extent) {
  std::vector<int64_t> all(positions.count);
  for (uint64_t k = 0; k < positions.count; ++k) all[k] = position(positions, k, extent);
  return all;
}

uint64_t columns_of(const Buffer& matrix, uint64_t rows) { return rows == 0 ? 0 : matrix.length() / rows; }

template <typename T>
void gather_column(const T* from, const std::vector<int64_t>& rows, size_t begin, size_t end, T* to) {
  for (size_t i = begin; i < end; ++i) to[i] = rows[i] == kNowhere || from == nullptr ? missing<T>() : from[rows[i]];
}

// Body of pieces of a matrix' columns: f(column, first row, end).
template <typename F>
void for_pieces(uint64_t rows, uint64_t columns, F f) {
  const size_t piece = std::max<size_t>(1, kPiece / std::max<uint64_t>(rows, 1));
  if (columns == 1) return par::parallel_for(rows, kPiece, [&](size_t begin, size_t end) { f(0, begin, end); });
  par::parallel_for(columns, piece, [&](size_t begin, size_t end) {
    for (size_t column = begin; column < end; ++column) f(column, size_t{0}, static_cast<size_t>(rows));
  });
}

template <typename T>
struct Margin {
  long double sum = 0;
  uint64_t counted = 0;
  bool missing_integer = false;

  void add(T x, bool na_rm) {
    const bool is_missing = std::is_same_v<T, int32_t> ? x == static_cast<T>(linalg::kNaInteger) : x != x;
    if (is_missing && na_rm) return;
    ++counted;
    if (std::is_same_v<T, int32_t> && is_missing)
      missing_integer = true;
    else
      sum += static_cast<long double>(x);
  }
  double value(bool mean) const {
    if (missing_integer) return missing<double>();
    return static_cast<double>(mean ? sum / static_cast<long double>(counted) : sum);
  }
};

void write(const Buffer& out, size_t at, double value) {
  if (out.type() == Type::kDouble)
    out.as<double>()[at] = value;
  else
    out.as<float>()[at] = static_cast<float>(value);
}

template <typename T>
void sum_rows(const T* x, uint64_t rows, uint64_t columns, bool na_rm, bool means, const Buffer& out) {
  constexpr size_t kRows = 512;
  par::parallel_for(rows, kRows, [&](size_t begin, size_t end) {
    std::vector<Margin<T>> margins(end - begin);
    for (uint64_t column = 0; column < columns; ++column)
      for (size_t row = begin; row < end; ++row) margins[row - begin].add(x[column * rows + row], na_rm);
    for (size_t row = begin; row < end; ++row) write(out, row, margins[row - begin].value(means));
  });
}

template <typename T>
void sum_columns(const T* x, uint64_t rows, uint64_t columns, bool na_rm, bool means, const Buffer& out) {
  const size_t piece = std::max<size_t>(1, kPiece / std::max<uint64_t>(rows, 1));
  par::parallel_for(columns, piece, [&](size_t begin, size_t end) {
    for (size_t column = begin; column < end; ++column) {
      Margin<T> margin;
      for (uint64_t row = 0; row < rows; ++row) margin.add(x[column * rows + row], na_rm);
      write(out, column, margin.value(means));
    }
  });
}

template <typename T>
void transpose_band(const T* from, uint64_t rows, uint64_t columns, uint64_t begin, uint64_t end, T* to) {
  for (uint64_t row = 0; row < rows; row += kTileEdge)
    for (uint64_t column = begin; column < end; ++column)
      for (uint64_t r = row; r < std::min(rows, row + kTileEdge); ++r)
        to[r * columns + column] = from[column * rows + r];
}

}  // namespace

void CpuDevice::gather(const Buffer& from, uint64_t rows, const Positions& row, const Positions& column,
                       const Buffer& to) {
  const std::vector<int64_t> row_at = all_positions(row, rows);
  const std::vector<int64_t> column_at = all_positions(column, columns_of(from, rows));
  with_elements(from, [&](auto* elements) {
    auto* const out = static_cast<decltype(elements)>(to.address());
    for_pieces(row.count, column.count, [&](size_t j, size_t begin, size_t end) {
      const auto* const source =
          column_at[j] == kNowhere ? nullptr : elements + column_at[j] * static_cast<int64_t>(rows);
      gather_column(source, row_at, begin, end, out + j * row.count);
    });
  });
}

void CpuDevice::scatter(const Buffer& from, const Buffer& to, uint64_t rows, const Positions& row,
                        const Positions& column) {
  if (row.count == 0 || column.count == 0 || from.length() == 0) return;
  const std::vector<int64_t> row_at = all_positions(row, rows);
  const std::vector<int64_t> column_at = all_positions(column, columns_of(to, rows));
  with_elements(to, [&](auto* elements) {
    const auto* const values = static_cast<decltype(elements)>(from.address());
    for (uint64_t j = 0; j < column.count; ++j)
      for (uint64_t i = 0; i < row.count; ++i)
        if (row_at[i] != kNowhere && column_at[j] != kNowhere)
          elements[column_at[j] * static_cast<int64_t>(rows) + row_at[i]] = values[(j * row.count + i) % from.length()];
  });
}

void CpuDevice::transpose(const Buffer& from, uint64_t rows, uint64_t columns, const Buffer& to) {
  with_elements(from, [&](auto* elements) {
    auto* const out = static_cast<decltype(elements)>(to.address());
    par::parallel_for(columns, kTileEdge,
                      [&](size_t begin, size_t end) { transpose_band(elements, rows, columns, begin, end, out); });
  });
}

void CpuDevice::row_sums(const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                         const Buffer& out) {
  const Buffer x = evaluated(program, inputs);
  with_elements(
      x, [&](const auto* elements) { sum_rows(elements, rows, columns_of(x, rows), program.na_rm, means, out); });
}

void CpuDevice::column_sums(const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows,
                            bool means, const Buffer& out) {
  const Buffer x = evaluated(program, inputs);
  with_elements(x, [&](const auto* elements) { sum_columns(elements, rows, out.length(), program.na_rm, means, out); });
}

uint64_t CpuDevice::which_extreme(const Buffer& x, bool greatest) {
  uint64_t best = x.length();
  with_elements(x, [&](const auto* elements) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(elements)>>;
    for (uint64_t i = 0; i < x.length(); ++i) {
      const T at = elements[i];
      if (at != at || (std::is_same_v<T, int32_t> && at == static_cast<T>(linalg::kNaInteger))) continue;
      if (best == x.length() || (greatest ? at > elements[best] : at < elements[best])) best = i;
    }
  });
  return best;
}

}  // namespace avenir::device
