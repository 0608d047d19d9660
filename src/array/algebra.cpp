#include "array/algebra.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "expression/threaded.h"

namespace avenir::array {

namespace {

using base::Error;
using base::ErrorKind;
using device::Buffer;
using device::Positions;
using linalg::Op;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorKind::kInvalid, message); }

Type real_of(Type type) { return type == Type::kFloat ? Type::kFloat : Type::kDouble; }

// Of two matrices.
Type common(const Matrix& a, const Matrix& b) {
  return real_of(a.node->type()) == Type::kFloat && real_of(b.node->type()) == Type::kFloat ? Type::kFloat
                                                                                            : Type::kDouble;
}

void check_device(const Matrix& a, const Matrix& b) {
  if (&a.node->device() == &b.node->device()) return;
  invalid("the operands are on two devices, " + a.node->device().name() + " and " + b.node->device().name() +
          ".\ni gpu_copy(x, device) makes a copy of one on the other's.");
}

Buffer elements(const Matrix& a, Type type) { return lazy::as_type(a.node, type)->buffer(); }

// Memory that may be written to.
Buffer copied(const Matrix& a, Type type) {
  const Buffer from = elements(a, type);
  Buffer copy = from.device().allocate(type, from.length());
  if (from.length() > 0) from.device().copy(from, 0, copy, 0, from.length());
  return copy;
}

NodePtr node(Buffer buffer) { return std::make_shared<lazy::Node>(std::move(buffer)); }

// A factor as it lies in memory.
struct Stored {
  Buffer buffer;
  bool transposed;
};

Stored stored(const Matrix& a, bool transposed, Type type) {
  const bool as_it_lies = a.node->is_transposed() && a.node->type() == type;
  if (as_it_lies) return {a.node->from()->buffer(), !transposed};
  return {elements(a, type), transposed};
}

std::string short_number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

// The largest sum of a column's absolute values.
double one_norm(const Matrix& a) {
  if (a.columns == 0) return 0;
  const NodePtr sizes =
      lazy::apply(Op::kAbsD, real_of(a.node->type()), {lazy::as_register(lazy::term_of(a.node), Type::kDouble)});
  const lazy::Draft draft = lazy::draft_of(*sizes);
  Buffer sums = sizes->device().allocate(sizes->type(), a.columns);
  sizes->device().column_sums(draft.program, draft.inputs, a.rows, false, sums);
  return lazy::Node(sums).reduce(linalg::Reduction::kMax, false).greatest;
}

const Positions kFirst{0, 1, 1, {}};

Positions diagonal(uint64_t n) { return {0, static_cast<int64_t>(n) + 1, n, {}}; }

Buffer identity(Device& device, uint64_t n, Type type) {
  Buffer made = filled(device, type, n * n, 0)->buffer();
  if (n > 0) device.scatter(filled(device, type, 1, 1)->buffer(), made, n * n, diagonal(n), kFirst);
  return made;
}

// On the host, as doubles.
std::vector<double> diagonal_of(const Buffer& matrix, uint64_t n) {
  Buffer elements = matrix.device().allocate(matrix.type(), n);
  std::vector<double> numbers(n);
  if (n == 0) return numbers;
  matrix.device().gather(matrix, n * n, diagonal(n), kFirst, elements);
  matrix.device().get(elements, 0, n, numbers.data());
  return numbers;
}

void check_square(const Matrix& a) {
  if (a.rows != a.columns)
    invalid("'a' (" + std::to_string(a.rows) + " x " + std::to_string(a.columns) + ") must be square");
}

void check_converged(int64_t info, const char* what) {
  if (info != 0) invalid(std::string("the ") + what + " did not converge (" + std::to_string(info) + ")");
}

}  // namespace

NodePtr filled(Device& device, Type type, uint64_t length, double value) {
  if (length == 0) return node(device.allocate(type, 0));
  const bool real = linalg::is_real(type);
  const lazy::Term term = real ? lazy::term_of(value) : lazy::term_of(static_cast<int32_t>(value), type);
  return std::make_shared<lazy::Node>(device, real ? Op::kCopyD : Op::kCopyI, type, length,
                                      std::vector<lazy::Term>{term});
}

Matrix matrix_of(SEXP array) {
  Matrix matrix;
  matrix.node = node_of(array);
  const SEXP dim = attributes_of_array(array).dim;
  if (Rf_length(dim) != 2) throw Error(ErrorKind::kInternal, "internal: an array is no matrix");
  matrix.rows = static_cast<uint64_t>(INTEGER(dim)[0]);
  matrix.columns = static_cast<uint64_t>(INTEGER(dim)[1]);
  return matrix;
}

Matrix transposed(const Matrix& a) {
  if (a.node->is_transposed()) return {a.node->from(), a.columns, a.rows};
  return {std::make_shared<lazy::Node>(a.node, a.rows), a.columns, a.rows};
}

Matrix product(const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b) {
  check_device(a, b);
  const uint64_t m = transpose_a ? a.columns : a.rows, k = transpose_a ? a.rows : a.columns;
  const uint64_t n = transpose_b ? b.rows : b.columns, inner = transpose_b ? b.columns : b.rows;
  if (k != inner)
    invalid("non-conformable arguments: " + std::to_string(m) + " x " + std::to_string(k) + " and " +
            std::to_string(inner) + " x " + std::to_string(n));
  const Type type = common(a, b);
  const Stored left = stored(a, transpose_a, type), right = stored(b, transpose_b, type);
  Device& device = left.buffer.device();
  Buffer c = device.allocate(type, m * n);
  const bool square = left.buffer.is_same(right.buffer) && left.transposed != right.transposed;
  if (square && m == n)
    device.syrk(left.transposed, n, k, left.buffer, c);
  else
    device.gemm(left.transposed, right.transposed, m, n, k, left.buffer, right.buffer, c);
  return {node(std::move(c)), m, n};
}

Matrix cholesky(const Matrix& a) {
  check_square(a);
  Buffer factor = copied(a, real_of(a.node->type()));
  const int64_t order = factor.device().potrf(a.rows, factor);
  if (order > 0) invalid("the leading minor of order " + std::to_string(order) + " is not positive definite");
  return {node(std::move(factor)), a.rows, a.columns};
}

Matrix inverse_from_cholesky(const Matrix& a) {
  check_square(a);
  Buffer inverse = copied(a, real_of(a.node->type()));
  inverse.device().potri(a.rows, inverse);
  return {node(std::move(inverse)), a.rows, a.columns};
}

Matrix triangular_solution(const Matrix& a, const Matrix& b, bool upper, bool transpose) {
  check_square(a);
  check_device(a, b);
  const Type type = common(a, b);
  const Buffer triangle = elements(a, type);
  const std::vector<double> pivots = diagonal_of(triangle, a.rows);
  const auto zero = std::find(pivots.begin(), pivots.end(), 0.0);
  if (zero != pivots.end())
    invalid("singular matrix in 'backsolve'. First zero in diagonal [" + std::to_string(zero - pivots.begin() + 1) +
            "]");
  Buffer x = copied(b, type);
  x.device().trsm(device::Side::kLeft, upper ? device::Triangle::kUpper : device::Triangle::kLower, transpose, false,
                  b.rows, b.columns, triangle, x);
  return {node(std::move(x)), b.rows, b.columns};
}

Matrix solution(const Matrix& a, const Matrix& b, double tolerance) {
  check_square(a);
  const bool inverse = b.node == nullptr;
  if (!inverse) check_device(a, b);
  if (!inverse && a.rows != b.rows)
    invalid("'b' (" + std::to_string(b.rows) + " x " + std::to_string(b.columns) + ") must be compatible with 'a' (" +
            std::to_string(a.rows) + " x " + std::to_string(a.columns) + ")");
  const Type type = inverse ? real_of(a.node->type()) : common(a, b);
  const double norm = one_norm(a);
  Buffer lu = copied(a, type);
  Device& device = lu.device();
  Buffer pivots = device.allocate(Type::kInteger, a.rows);
  const int64_t zero = device.getrf(a.rows, lu, pivots);
  if (zero > 0)
    invalid("the system is exactly singular: U[" + std::to_string(zero) + "," + std::to_string(zero) + "] = 0");
  const double condition = a.rows > 0 ? device.rcond(a.rows, lu, pivots, norm) : 1;
  if (condition < tolerance)
    invalid("the system is computationally singular: reciprocal condition number = " + short_number(condition));
  Buffer x = inverse ? identity(device, a.rows, type) : copied(b, type);
  const uint64_t columns = inverse ? a.rows : b.columns;
  device.getrs(false, a.rows, columns, lu, pivots, x);
  return {node(std::move(x)), a.rows, columns};
}

Determinant determinant(const Matrix& a) {
  check_square(a);
  Buffer lu = copied(a, real_of(a.node->type()));
  Buffer pivots = lu.device().allocate(Type::kInteger, a.rows);
  Determinant result;
  if (lu.device().getrf(a.rows, lu, pivots) > 0) return {-INFINITY, 1};
  std::vector<int32_t> swaps(a.rows);
  if (a.rows > 0) lu.device().get(pivots, 0, a.rows, swaps.data());
  const std::vector<double> diagonal = diagonal_of(lu, a.rows);
  for (uint64_t i = 0; i < a.rows; ++i) {
    result.log_modulus += std::log(std::fabs(diagonal[i]));
    const bool swapped = swaps[i] != static_cast<int32_t>(i + 1);
    if (swapped != (diagonal[i] < 0)) result.sign = -result.sign;
  }
  return result;
}

Factors qr(const Matrix& a) {
  Buffer qr = copied(a, real_of(a.node->type()));
  Buffer tau = qr.device().allocate(qr.type(), std::min(a.rows, a.columns));
  qr.device().geqrf(a.rows, a.columns, qr, tau);
  return {node(std::move(qr)), node(std::move(tau))};
}

NodePtr apply_q(const Factors& factors, uint64_t rows, uint64_t reflectors, const Matrix& c, bool transpose) {
  if (c.rows != rows)
    invalid("'qr' and 'y' must have the same number of rows; they have " + std::to_string(rows) + " and " +
            std::to_string(c.rows));
  check_device({factors.qr, rows, 0}, c);
  Buffer result = copied(c, factors.qr->type());
  result.device().ormqr(transpose, rows, c.columns, reflectors, factors.qr->buffer(), factors.tau->buffer(), result);
  return node(std::move(result));
}

Singular singular_values(const Matrix& a, bool vectors) {
  Buffer work = copied(a, real_of(a.node->type()));
  Device& device = work.device();
  const uint64_t least = std::min(a.rows, a.columns);
  Buffer d = device.allocate(work.type(), least), u, vt;
  if (vectors) {
    u = device.allocate(work.type(), a.rows * least);
    vt = device.allocate(work.type(), least * a.columns);
  }
  check_converged(device.gesvd(a.rows, a.columns, work, d, u, vt), "singular value decomposition");
  if (!vectors) return {node(d), nullptr, nullptr};
  return {node(d), node(u), node(vt)};
}

Eigen eigen(const Matrix& a, bool symmetric, bool vectors) {
  Buffer work = copied(a, real_of(a.node->type()));
  Device& device = work.device();
  Buffer values = device.allocate(work.type(), a.rows);
  if (symmetric) {
    check_converged(device.syevd(vectors, a.rows, work, values), "eigenvalue decomposition");
    return {node(values), nullptr, vectors ? node(work) : nullptr};
  }
  Buffer imaginary = device.allocate(work.type(), a.rows), right;
  if (vectors) right = device.allocate(work.type(), a.rows * a.rows);
  check_converged(device.geev(a.rows, work, values, imaginary, right), "eigenvalue decomposition");
  return {node(values), node(imaginary), vectors ? node(right) : nullptr};
}

}  // namespace avenir::array
