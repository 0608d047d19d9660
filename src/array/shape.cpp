#include "array/shape.h"

#include <cstdint>

#include "base/error.h"
#include "rbridge/unwind.h"

namespace avenir::array {

namespace {

using device::Buffer;
using device::Positions;

NodePtr node(Buffer buffer) { return std::make_shared<lazy::Node>(std::move(buffer)); }

// Evenly spaced indices need not travel. Steps are counted in `Wide`, where they do not overflow.
template <typename Wide, typename T>
bool is_even(const T* index, R_xlen_t count, Positions& even) {
  if (count == 0 || index[0] != index[0]) return false;
  const Wide step = count > 1 ? static_cast<Wide>(index[1]) - static_cast<Wide>(index[0]) : 1;
  for (R_xlen_t k = 1; k < count; ++k)
    if (!(static_cast<Wide>(index[k]) - static_cast<Wide>(index[k - 1]) == step)) return false;
  even.begin = static_cast<int64_t>(index[0]) - 1;
  even.step = static_cast<int64_t>(step);
  even.count = static_cast<uint64_t>(count);
  return static_cast<Wide>(even.step) == step && static_cast<T>(even.begin + 1) == index[0];
}

// A missing integer is the least one: no element is there, either.
bool is_even(SEXP index, Positions& even) {
  const R_xlen_t count = Rf_xlength(index);
  if (TYPEOF(index) == INTSXP) return is_even<int64_t>(INTEGER(index), count, even);
  return is_even<double>(REAL(index), count, even);
}

Type larger(Type a, Type b) {
  if (a == Type::kDouble || b == Type::kDouble) return Type::kDouble;
  if (a == Type::kFloat || b == Type::kFloat) return Type::kFloat;
  return a == Type::kInteger || b == Type::kInteger ? Type::kInteger : Type::kLogical;
}

}  // namespace

Positions positions_of(SEXP index, uint64_t extent, Device& device) {
  Positions positions;
  positions.count = extent;
  if (index == R_NilValue || is_even(index, positions)) return positions;
  positions.count = static_cast<uint64_t>(Rf_xlength(index));
  const NodePtr from_one = upload(index, TYPEOF(index) == INTSXP ? Type::kInteger : Type::kDouble, device);
  const bool integer = from_one->type() == Type::kInteger;
  const lazy::Term one = integer ? lazy::term_of(1, Type::kInteger) : lazy::term_of(1.0);
  positions.at =
      lazy::apply(integer ? linalg::Op::kSubI : linalg::Op::kSubD, from_one->type(), {lazy::term_of(from_one), one})
          ->buffer();
  return positions;
}

NodePtr gathered(const NodePtr& from, uint64_t rows, const Positions& row, const Positions& column) {
  const Buffer elements = from->buffer();
  Buffer part = elements.device().allocate(from->type(), row.count * column.count);
  if (part.length() > 0) elements.device().gather(elements, rows, row, column, part);
  return node(std::move(part));
}

NodePtr scattered(const NodePtr& to, const NodePtr& values, uint64_t rows, const Positions& row,
                  const Positions& column) {
  const Type type = larger(to->type(), values->type());
  const Buffer from = lazy::as_type(to, type)->buffer();
  Device& device = from.device();
  Buffer copy = device.allocate(type, from.length());
  if (from.length() > 0) device.copy(from, 0, copy, 0, from.length());
  if (row.count * column.count > 0) device.scatter(lazy::as_type(values, type)->buffer(), copy, rows, row, column);
  return node(std::move(copy));
}

NodePtr bound(const std::vector<Matrix>& parts, bool columns) {
  Type type = parts[0].node->type();
  uint64_t rows = 0, width = 0;
  for (const Matrix& part : parts) {
    type = larger(type, part.node->type());
    rows = columns ? part.rows : rows + part.rows;
    width = columns ? width + part.columns : part.columns;
  }
  Device& device = parts[0].node->device();
  Buffer whole = device.allocate(type, rows * width);
  uint64_t at = 0;
  for (const Matrix& part : parts) {
    const Buffer elements = lazy::as_type(part.node, type)->buffer();
    const Positions row{static_cast<int64_t>(columns ? 0 : at), 1, part.rows, {}};
    const Positions column{static_cast<int64_t>(columns ? at : 0), 1, part.columns, {}};
    if (elements.length() > 0) device.scatter(elements, whole, rows, row, column);
    at += columns ? part.columns : part.rows;
  }
  return node(std::move(whole));
}

NodePtr sorted(const NodePtr& x, bool decreasing, bool keep_missing) {
  const Buffer from = x->buffer();
  Device& device = from.device();
  Buffer all = device.allocate(from.type(), from.length());
  if (from.length() == 0) return node(std::move(all));
  const uint64_t complete = device.sort(from, decreasing, all);
  if (keep_missing || complete == from.length()) return node(std::move(all));
  Buffer some = device.allocate(from.type(), complete);
  if (complete > 0) device.copy(all, 0, some, 0, complete);
  return node(std::move(some));
}

NodePtr order(const std::vector<NodePtr>& keys, const std::vector<bool>& decreasing) {
  std::vector<Buffer> buffers;
  for (const NodePtr& key : keys) {
    if (key->length() != keys[0]->length()) throw base::Error(base::ErrorKind::kInvalid, "argument lengths differ");
    buffers.push_back(key->buffer());
  }
  Device& device = buffers[0].device();
  const uint64_t length = keys[0]->length();
  Buffer order = device.allocate(length > INT32_MAX ? Type::kDouble : Type::kInteger, length);
  if (length > 0) device.order(buffers, decreasing, order);
  return node(std::move(order));
}

}  // namespace avenir::array
