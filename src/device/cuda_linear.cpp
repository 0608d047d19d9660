#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "device/cuda_device.h"

// CudaDevice's linear algebra: what CudaAlgebra does, with its arguments checked and empty ones left out.
namespace avenir::device {

void CudaDevice::must_be_numbers(const Buffer& buffer, uint64_t length) const {
  must_have(buffer, length);
  if (buffer.type() != Type::kDouble && buffer.type() != Type::kFloat)
    throw base::Error(base::ErrorKind::kInvalid, "linear algebra is for doubles and floats");
}

void CudaDevice::set_precision(Precision precision) {
  enter();
  algebra_.set_precision(precision);
}

void CudaDevice::gemm(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const Buffer& a,
                      const Buffer& b, const Buffer& c) {
  enter();
  must_be_numbers(a, m * k);
  must_be_numbers(b, k * n);
  must_be_numbers(c, m * n);
  if (m * n == 0) return;
  if (k == 0) return clear(c.address(), 0, c.bytes());
  algebra_.gemm(transpose_a, transpose_b, m, n, k, a, b, c);
}

void CudaDevice::syrk(bool transposed, uint64_t n, uint64_t k, const Buffer& a, const Buffer& c) {
  enter();
  must_be_numbers(a, n * k);
  must_be_numbers(c, n * n);
  if (n == 0) return;
  if (k == 0) return clear(c.address(), 0, c.bytes());
  algebra_.syrk(transposed, n, k, a, c);
}

void CudaDevice::trsm(Side side, Triangle triangle, bool transposed, bool unit_diagonal, uint64_t m, uint64_t n,
                      const Buffer& a, const Buffer& b) {
  enter();
  const uint64_t extent = side == Side::kLeft ? m : n;
  must_be_numbers(a, extent * extent);
  must_be_numbers(b, m * n);
  if (m * n > 0) algebra_.trsm(side, triangle, transposed, unit_diagonal, m, n, a, b);
}

int64_t CudaDevice::potrf(uint64_t n, const Buffer& a) {
  enter();
  must_be_numbers(a, n * n);
  return n == 0 ? 0 : algebra_.potrf(n, a);
}

void CudaDevice::potri(uint64_t n, const Buffer& a) {
  enter();
  must_be_numbers(a, n * n);
  if (n == 0) return;
  const Buffer inverse = allocate(a.type(), n * n);
  algebra_.potri(n, a, inverse);
  copy(inverse, 0, a, 0, n * n);
}

int64_t CudaDevice::getrf(uint64_t n, const Buffer& a, const Buffer& pivots) {
  enter();
  must_be_numbers(a, n * n);
  must_have(pivots, n);
  return n == 0 ? 0 : algebra_.getrf(n, a, pivots);
}

void CudaDevice::getrs(bool transposed, uint64_t n, uint64_t columns, const Buffer& lu, const Buffer& pivots,
                       const Buffer& b) {
  enter();
  must_be_numbers(lu, n * n);
  must_have(pivots, n);
  must_be_numbers(b, n * columns);
  if (n * columns > 0) algebra_.getrs(transposed, n, columns, lu, pivots, b);
}

namespace {

double sum_of_magnitudes(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += std::fabs(value);
  return sum;
}

size_t largest_of(const std::vector<double>& x) {
  return static_cast<size_t>(
      std::max_element(x.begin(), x.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); }) - x.begin());
}

constexpr int kMostSteps = 5;

// The 1-norm of the inverse of a matrix of order n. `solve(transposed, x)` makes the solution of x.
//
// N. J. Higham (1988), FORTRAN codes for estimating the one-norm of a real or complex matrix, ACM TOMS 14; what
// LAPACK's xLACON does.
template <typename Solve>
double inverse_norm(size_t n, const Solve& solve) {
  std::vector<double> x(n, 1.0 / static_cast<double>(n));
  solve(false, x);
  double estimate = sum_of_magnitudes(x);
  for (int step = 0; step < kMostSteps && n > 1; ++step) {
    for (double& value : x) value = value >= 0 ? 1 : -1;
    solve(true, x);
    const size_t at = largest_of(x);
    std::fill(x.begin(), x.end(), 0.0);
    x[at] = 1;
    solve(false, x);
    const double next = sum_of_magnitudes(x);
    if (!(next > estimate)) break;
    estimate = next;
  }
  for (size_t i = 0; i < n; ++i)
    x[i] = (i % 2 == 0 ? 1 : -1) * (1 + static_cast<double>(i) / std::max<double>(static_cast<double>(n) - 1, 1));
  solve(false, x);
  return std::max(estimate, 2 * sum_of_magnitudes(x) / (3 * static_cast<double>(n)));
}

}  // namespace

double CudaDevice::rcond(uint64_t n, const Buffer& lu, const Buffer& pivots, double norm) {
  enter();
  if (n == 0) return HUGE_VAL;
  if (norm == 0) return 0;
  const Buffer b = allocate(lu.type(), n);
  const double inverse = inverse_norm(n, [&](bool transposed, std::vector<double>& x) {
    put(x.data(), b, 0, n);
    getrs(transposed, n, 1, lu, pivots, b);
    get(b, 0, n, x.data());
  });
  return std::isfinite(inverse) && inverse > 0 ? 1 / inverse / norm : 0;
}

void CudaDevice::geqrf(uint64_t m, uint64_t n, const Buffer& a, const Buffer& tau) {
  enter();
  must_be_numbers(a, m * n);
  must_be_numbers(tau, std::min(m, n));
  if (m * n > 0) algebra_.geqrf(m, n, a, tau);
}

void CudaDevice::ormqr(bool transposed, uint64_t m, uint64_t n, uint64_t reflectors, const Buffer& qr,
                       const Buffer& tau, const Buffer& c) {
  enter();
  must_be_numbers(qr, m * reflectors);
  must_be_numbers(tau, reflectors);
  must_be_numbers(c, m * n);
  if (m * n > 0 && reflectors > 0) algebra_.ormqr(transposed, m, n, reflectors, qr, tau, c);
}

// cuSOLVER's is for matrices that are not wider than long: of others the transposed one's, with u and vt exchanged.
int64_t CudaDevice::gesvd(uint64_t m, uint64_t n, const Buffer& a, const Buffer& d, const Buffer& u, const Buffer& vt) {
  enter();
  const uint64_t least = std::min(m, n);
  must_be_numbers(a, m * n);
  must_be_numbers(d, least);
  if (!u.is_none()) must_be_numbers(u, m * least);
  if (!vt.is_none()) must_be_numbers(vt, least * n);
  if (least == 0) return 0;
  if (m >= n) return algebra_.gesvd(m, n, a, d, u, vt);
  const Buffer turned = allocate(a.type(), m * n);
  transpose(a, m, n, turned);
  const Buffer left = vt.is_none() ? Buffer() : allocate(a.type(), n * m);
  const Buffer right = u.is_none() ? Buffer() : allocate(a.type(), m * m);
  const int64_t info = algebra_.gesvd(n, m, turned, d, left, right);
  if (!vt.is_none()) transpose(left, n, m, vt);
  if (!u.is_none()) transpose(right, m, m, u);
  return info;
}

int64_t CudaDevice::syevd(bool vectors, uint64_t n, const Buffer& a, const Buffer& values) {
  enter();
  must_be_numbers(a, n * n);
  must_be_numbers(values, n);
  return n == 0 ? 0 : algebra_.syevd(vectors, n, a, values);
}

int64_t CudaDevice::geev(uint64_t n, const Buffer& a, const Buffer& real, const Buffer& imaginary,
                         const Buffer& vectors) {
  enter();
  must_be_numbers(a, n * n);
  must_be_numbers(real, n);
  must_be_numbers(imaginary, n);
  if (!vectors.is_none()) must_be_numbers(vectors, n * n);
  if (n == 0) return 0;
  const Buffer values = allocate(a.type(), 2 * n);
  const int64_t info = algebra_.geev(n, a, values, vectors);
  Positions one;
  one.count = 1;
  for (const bool second : {false, true}) {
    Positions every;
    every.begin = second;
    every.step = 2;
    every.count = n;
    gather(values, 2 * n, every, one, second ? imaginary : real);
  }
  return info;
}

}  // namespace avenir::device
