#include <algorithm>
#include <climits>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "device/cpu_device.h"
#include "device/floats.h"
#include "device/lapack.h"
#include "par/parallel_for.h"

// Of CpuDevice: linear algebra, by R's BLAS and LAPACK. What these have for doubles only is done with doubles for
// floats, too.
namespace avenir::device {

namespace {

using base::Error;
using base::ErrorKind;

constexpr double kOne = 1, kZero = 0;
constexpr float kOneF = 1, kZeroF = 0;

int extent(uint64_t n) {
  if (n <= INT_MAX) return static_cast<int>(n);
  throw Error(ErrorKind::kUnsupported,
              "a matrix with " + std::to_string(n) +
                  " rows or columns is too large for the CPU's LAPACK, whose limit is 2^31 - 1.");
}

int leading(uint64_t rows) { return std::max(1, extent(rows)); }

int whole(double size) { return static_cast<int>(std::min<double>(size, INT_MAX)); }

// A buffer as doubles, to read from, and to write to where it is an output: floats go back when that is over.
class Doubles {
 public:
  enum class Use { kRead, kWrite, kBoth };

  Doubles(const Buffer& buffer, Use use) : buffer_(buffer), use_(use) {
    if (buffer.is_none() || buffer.type() == Type::kDouble) return;
    copy_.resize(std::max<size_t>(buffer.length(), 1));
    if (use != Use::kWrite) widen(buffer.as<float>(), buffer.length(), copy_.data());
  }
  Doubles(const Doubles&) = delete;
  Doubles& operator=(const Doubles&) = delete;
  ~Doubles() {
    if (!copy_.empty() && use_ != Use::kRead) narrow(copy_.data(), buffer_.length(), buffer_.as<float>());
  }
  double* data() { return buffer_.is_none() ? nullptr : copy_.empty() ? buffer_.as<double>() : copy_.data(); }

 private:
  Buffer buffer_;
  Use use_;
  std::vector<double> copy_;
};
using Use = Doubles::Use;

template <typename T>
bool has_nan(const T* x, uint64_t count) {
  T sum = 0;  // NaN of infinities, too: then the slow way is taken for nothing
  for (uint64_t i = 0; i < count; ++i) sum += x[i] * 0;
  return sum != sum;
}

bool has_nan(const Buffer& x) {
  return x.type() == Type::kDouble ? has_nan(x.as<double>(), x.length()) : has_nan(x.as<float>(), x.length());
}

// A product in which each NaN counts, which a BLAS may leave out where it is multiplied by 0. As R does it.
template <typename T>
void multiply_simply(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const T* a, const T* b,
                     T* c) {
  par::parallel_for(n, 1, [&](size_t begin, size_t end) {
    for (size_t j = begin; j < end; ++j)
      for (uint64_t i = 0; i < m; ++i) {
        long double sum = 0;
        for (uint64_t l = 0; l < k; ++l)
          sum +=
              static_cast<long double>(a[transpose_a ? i * k + l : l * m + i]) * b[transpose_b ? l * n + j : j * k + l];
        c[j * m + i] = static_cast<T>(sum);
      }
  });
}

char transposition(bool transposed) { return transposed ? 'T' : 'N'; }

template <typename T>
void mirror_upper(T* c, uint64_t n) {
  for (uint64_t j = 0; j < n; ++j)
    for (uint64_t i = 0; i < j; ++i) c[i * n + j] = c[j * n + i];
}

template <typename T>
void clear_lower(T* a, uint64_t n) {
  for (uint64_t j = 0; j < n; ++j)
    for (uint64_t i = j + 1; i < n; ++i) a[j * n + i] = 0;
}

// The best size of a work space, which the routine has told in its first element.
std::vector<double> work_space(double told) { return std::vector<double>(static_cast<size_t>(std::max(told, 1.0))); }

}  // namespace

void CpuDevice::gemm(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const Buffer& a,
                     const Buffer& b, const Buffer& c) {
  if (m == 0 || n == 0) return;
  const char ta = transposition(transpose_a), tb = transposition(transpose_b);
  const int rows = extent(m), columns = extent(n), inner = extent(k);
  const int lda = leading(transpose_a ? k : m), ldb = leading(transpose_b ? n : k), ldc = leading(m);
  const bool simple = k == 0 || has_nan(a) || has_nan(b);
  if (a.type() == Type::kFloat && simple)
    return multiply_simply(transpose_a, transpose_b, m, n, k, a.as<float>(), b.as<float>(), c.as<float>());
  if (simple) return multiply_simply(transpose_a, transpose_b, m, n, k, a.as<double>(), b.as<double>(), c.as<double>());
  if (a.type() == Type::kFloat && sgemm_ != nullptr)
    return sgemm_(&ta, &tb, &rows, &columns, &inner, &kOneF, a.as<float>(), &lda, b.as<float>(), &ldb, &kZeroF,
                  c.as<float>(), &ldc, 1, 1);
  Doubles left(a, Use::kRead), right(b, Use::kRead), product(c, Use::kWrite);
  dgemm_(&ta, &tb, &rows, &columns, &inner, &kOne, left.data(), &lda, right.data(), &ldb, &kZero, product.data(), &ldc,
         1, 1);
}

void CpuDevice::syrk(bool transposed, uint64_t n, uint64_t k, const Buffer& a, const Buffer& c) {
  if (n == 0) return;
  if (k == 0 || has_nan(a)) return gemm(transposed, !transposed, n, n, k, a, a, c);
  const char upper = 'U', trans = transposition(transposed);
  const int order = extent(n), inner = extent(k), lda = leading(transposed ? k : n);
  if (a.type() == Type::kFloat && ssyrk_ != nullptr) {
    ssyrk_(&upper, &trans, &order, &inner, &kOneF, a.as<float>(), &lda, &kZeroF, c.as<float>(), &order, 1, 1);
    return mirror_upper(c.as<float>(), n);
  }
  Doubles factor(a, Use::kRead), product(c, Use::kWrite);
  dsyrk_(&upper, &trans, &order, &inner, &kOne, factor.data(), &lda, &kZero, product.data(), &order, 1, 1);
  mirror_upper(product.data(), n);
}

void CpuDevice::trsm(Side side, Triangle triangle, bool transposed, bool unit_diagonal, uint64_t m, uint64_t n,
                     const Buffer& a, const Buffer& b) {
  if (m == 0 || n == 0) return;
  const char where = side == Side::kLeft ? 'L' : 'R', which = triangle == Triangle::kUpper ? 'U' : 'L';
  const char trans = transposition(transposed), unit = unit_diagonal ? 'U' : 'N';
  const int rows = extent(m), columns = extent(n), lda = leading(side == Side::kLeft ? m : n);
  if (a.type() == Type::kFloat && strsm_ != nullptr)
    return strsm_(&where, &which, &trans, &unit, &rows, &columns, &kOneF, a.as<float>(), &lda, b.as<float>(), &rows, 1,
                  1, 1, 1);
  Doubles matrix(a, Use::kRead), solution(b, Use::kBoth);
  dtrsm_(&where, &which, &trans, &unit, &rows, &columns, &kOne, matrix.data(), &lda, solution.data(), &rows, 1, 1, 1,
         1);
}

int64_t CpuDevice::potrf(uint64_t n, const Buffer& a) {
  if (n == 0) return 0;
  const char upper = 'U';
  const int order = extent(n);
  int info = 0;
  if (a.type() == Type::kFloat && spotrf_ != nullptr) {
    spotrf_(&upper, &order, a.as<float>(), &order, &info, 1);
    clear_lower(a.as<float>(), n);
    return info;
  }
  Doubles matrix(a, Use::kBoth);
  dpotrf_(&upper, &order, matrix.data(), &order, &info, 1);
  clear_lower(matrix.data(), n);
  return info;
}

void CpuDevice::potri(uint64_t n, const Buffer& a) {
  if (n == 0) return;
  const char upper = 'U';
  const int order = extent(n);
  int info = 0;
  Doubles matrix(a, Use::kBoth);
  dpotri_(&upper, &order, matrix.data(), &order, &info, 1);
  if (info > 0)
    throw Error(ErrorKind::kInvalid, "element (" + std::to_string(info) + ", " + std::to_string(info) +
                                         ") is zero, so the inverse cannot be computed");
  mirror_upper(matrix.data(), n);
}

int64_t CpuDevice::getrf(uint64_t n, const Buffer& a, const Buffer& pivots) {
  if (n == 0) return 0;
  const int order = extent(n);
  int info = 0;
  Doubles matrix(a, Use::kBoth);
  dgetrf_(&order, &order, matrix.data(), &order, pivots.as<int>(), &info);
  return info;
}

void CpuDevice::getrs(bool transposed, uint64_t n, uint64_t columns, const Buffer& lu, const Buffer& pivots,
                      const Buffer& b) {
  if (n == 0 || columns == 0) return;
  const char trans = transposition(transposed);
  const int order = extent(n), count = extent(columns);
  int info = 0;
  Doubles factors(lu, Use::kRead), solution(b, Use::kBoth);
  dgetrs_(&trans, &order, &count, factors.data(), &order, pivots.as<int>(), solution.data(), &order, &info, 1);
}

double CpuDevice::rcond(uint64_t n, const Buffer& lu, const Buffer& pivots, double norm) {
  (void)pivots;
  const char kind = '1';
  const int order = extent(n);
  int info = 0;
  double condition = 0;
  Doubles factors(lu, Use::kRead);
  std::vector<double> work(4 * n + 1);
  std::vector<int> integers(n + 1);
  dgecon_(&kind, &order, factors.data(), &order, &norm, &condition, work.data(), integers.data(), &info, 1);
  return condition;
}

void CpuDevice::geqrf(uint64_t m, uint64_t n, const Buffer& a, const Buffer& tau) {
  if (m == 0 || n == 0) return;
  const int rows = extent(m), columns = extent(n);
  int info = 0, size = -1;
  double told = 0;
  Doubles matrix(a, Use::kBoth), factors(tau, Use::kWrite);
  dgeqrf_(&rows, &columns, matrix.data(), &rows, factors.data(), &told, &size, &info);
  std::vector<double> work = work_space(told);
  size = whole(told);
  dgeqrf_(&rows, &columns, matrix.data(), &rows, factors.data(), work.data(), &size, &info);
}

void CpuDevice::ormqr(bool transposed, uint64_t m, uint64_t n, uint64_t reflectors, const Buffer& qr, const Buffer& tau,
                      const Buffer& c) {
  if (m == 0 || n == 0 || reflectors == 0) return;
  const char left = 'L', trans = transposition(transposed);
  const int rows = extent(m), columns = extent(n), count = extent(reflectors);
  int info = 0, size = -1;
  double told = 0;
  Doubles matrix(qr, Use::kRead), factors(tau, Use::kRead), product(c, Use::kBoth);
  dormqr_(&left, &trans, &rows, &columns, &count, matrix.data(), &rows, factors.data(), product.data(), &rows, &told,
          &size, &info, 1, 1);
  std::vector<double> work = work_space(told);
  size = whole(told);
  dormqr_(&left, &trans, &rows, &columns, &count, matrix.data(), &rows, factors.data(), product.data(), &rows,
          work.data(), &size, &info, 1, 1);
}

int64_t CpuDevice::gesvd(uint64_t m, uint64_t n, const Buffer& a, const Buffer& d, const Buffer& u, const Buffer& vt) {
  const uint64_t least = std::min(m, n);
  if (least == 0) return 0;
  const char job = u.is_none() ? 'N' : 'S';
  const int rows = extent(m), columns = extent(n), count = extent(least);
  int info = 0, size = -1;
  double told = 0;
  Doubles matrix(a, Use::kBoth), values(d, Use::kWrite), left(u, Use::kWrite), right(vt, Use::kWrite);
  std::vector<int> integers(8 * least);
  dgesdd_(&job, &rows, &columns, matrix.data(), &rows, values.data(), left.data(), &rows, right.data(), &count, &told,
          &size, integers.data(), &info, 1);
  std::vector<double> work = work_space(told);
  size = whole(told);
  dgesdd_(&job, &rows, &columns, matrix.data(), &rows, values.data(), left.data(), &rows, right.data(), &count,
          work.data(), &size, integers.data(), &info, 1);
  return info;
}

int64_t CpuDevice::syevd(bool vectors, uint64_t n, const Buffer& a, const Buffer& values) {
  if (n == 0) return 0;
  const char job = vectors ? 'V' : 'N', range = 'A', lower = 'L';
  const int order = extent(n);
  int info = 0, found = 0, size = -1, integers = -1, told_integers = 0;
  double told = 0;
  const double unused = 0;
  const int nothing = 0;
  Doubles matrix(a, Use::kBoth), numbers(values, Use::kWrite);
  std::vector<double> z(vectors ? n * n : 1);
  std::vector<int> support(2 * n);
  const auto run = [&](double* work, int* integer_work) {
    dsyevr_(&job, &range, &lower, &order, matrix.data(), &order, &unused, &unused, &nothing, &nothing, &unused, &found,
            numbers.data(), z.data(), &order, support.data(), work, &size, integer_work, &integers, &info, 1, 1, 1);
  };
  run(&told, &told_integers);
  std::vector<double> work = work_space(told);
  std::vector<int> integer_work(static_cast<size_t>(std::max(told_integers, 1)));
  size = whole(told);
  integers = told_integers;
  run(work.data(), integer_work.data());
  if (vectors) std::copy(z.begin(), z.end(), matrix.data());
  return info;
}

int64_t CpuDevice::geev(uint64_t n, const Buffer& a, const Buffer& real, const Buffer& imaginary,
                        const Buffer& vectors) {
  if (n == 0) return 0;
  const char none = 'N', job = vectors.is_none() ? 'N' : 'V';
  const int order = extent(n);
  int info = 0, size = -1;
  double told = 0, unused = 0;
  Doubles matrix(a, Use::kBoth), re(real, Use::kWrite), im(imaginary, Use::kWrite), right(vectors, Use::kWrite);
  double* const v = vectors.is_none() ? &unused : right.data();
  dgeev_(&none, &job, &order, matrix.data(), &order, re.data(), im.data(), &unused, &order, v, &order, &told, &size,
         &info, 1, 1);
  std::vector<double> work = work_space(told);
  size = whole(told);
  dgeev_(&none, &job, &order, matrix.data(), &order, re.data(), im.data(), &unused, &order, v, &order, work.data(),
         &size, &info, 1, 1);
  return info;
}

}  // namespace avenir::device
