#include "device/cuda_algebra.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace avenir::device {

namespace {

// The functions for each type of number.
#define AVENIR_CUDA_NUMBERS(Name, Type_, D)                                                 \
  struct Name {                                                                             \
    using Number = Type_;                                                                   \
    static auto gemm(const Cublas& f) { return f.cublas##D##gemm_v2_64; }                   \
    static auto syrk(const Cublas& f) { return f.cublas##D##syrk_v2_64; }                   \
    static auto trsm(const Cublas& f) { return f.cublas##D##trsm_v2_64; }                   \
    static auto ormqr(const Cusolver& f) { return f.cusolverDn##D##ormqr; }                 \
    static auto ormqr_size(const Cusolver& f) { return f.cusolverDn##D##ormqr_bufferSize; } \
  };
AVENIR_CUDA_NUMBERS(Doubles, double, D)
AVENIR_CUDA_NUMBERS(Floats, float, S)
#undef AVENIR_CUDA_NUMBERS

template <typename F>
void with_numbers(const Buffer& buffer, const F& f) {
  if (buffer.type() == Type::kFloat) return f(Floats());
  f(Doubles());
}

int number_type(const Buffer& buffer) { return buffer.type() == Type::kFloat ? cuda::kFloats : cuda::kDoubles; }
int operation(bool transposed) { return transposed ? cuda::kTransposed : cuda::kPlain; }
int64_t signed_of(uint64_t x) { return static_cast<int64_t>(x); }
int64_t leading(uint64_t rows) { return signed_of(std::max<uint64_t>(rows, 1)); }

}  // namespace

// What cuSOLVER works in, and where it says how it went.
struct CudaAlgebra::Workspace {
  Workspace(CudaMemory& memory, size_t device_bytes, size_t host_bytes)
      : device(memory, device_bytes),
        info(memory, sizeof(int)),
        host(host_bytes + 1),
        device_size(device_bytes),
        host_size(host_bytes) {}
  CudaScratch device, info;
  std::vector<char> host;
  size_t device_size, host_size;
};

const Cublas& CudaAlgebra::blas() {
  const Cublas& functions = cublas();
  if (blas_ != nullptr) return functions;
  context_.check_library(functions.cublasCreate_v2(&blas_), "cublasCreate");
  context_.check_library(functions.cublasSetStream_v2(blas_, context_.stream()), "cublasSetStream");
  set_math_mode();
  return functions;
}

const Cusolver& CudaAlgebra::solver() {
  const Cusolver& functions = cusolver();
  if (solver_ != nullptr) return functions;
  context_.check_library(functions.cusolverDnCreate(&solver_), "cusolverDnCreate");
  context_.check_library(functions.cusolverDnSetStream(solver_, context_.stream()), "cusolverDnSetStream");
  context_.check_library(functions.cusolverDnCreateParams(&parameters_), "cusolverDnCreateParams");
  return functions;
}

void CudaAlgebra::set_math_mode() {
  const int mode = precision_ == Precision::kTf32 ? cuda::kTf32Math : cuda::kDefaultMath;
  context_.check_library(cublas().cublasSetMathMode(blas_, mode), "cublasSetMathMode");
}

void CudaAlgebra::set_precision(Precision precision) {
  precision_ = precision;
  if (blas_ != nullptr) set_math_mode();
}

// LAPACK's info, of a call that has been asked.
int64_t CudaAlgebra::finish(const Workspace& workspace, int status, const char* function) {
  context_.check_library(status, function);
  int info = 0;
  context_.check(context_.driver().cuMemcpyDtoHAsync_v2(&info, device_address(workspace.info.address()), sizeof info,
                                                        context_.stream()),
                 "say how a computation went");
  context_.sync();
  if (info < 0)
    throw base::Error(base::ErrorKind::kInternal,
                      std::string(function) + "() refuses its argument " + std::to_string(-info));
  return info;
}

void CudaAlgebra::by_size(const char* name, const Buffer& a, uint64_t n) {
  const std::string full = name + std::to_string(linalg::size_of(a.type()));
  kernels_.launch(kernels_.get(shape_kernels(), false, full.c_str()), blocks_of(n * n), a.address(), n);
}

void CudaAlgebra::gemm(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const Buffer& a,
                       const Buffer& b, const Buffer& c) {
  with_numbers(c, [&](auto numbers) {
    using Number = typename decltype(numbers)::Number;
    const Number one = 1, zero = 0;
    const auto function = numbers.gemm(blas());
    context_.check_library(function(blas_, operation(transpose_a), operation(transpose_b), signed_of(m), signed_of(n),
                                    signed_of(k), &one, a.as<Number>(), leading(transpose_a ? k : m), b.as<Number>(),
                                    leading(transpose_b ? n : k), &zero, c.as<Number>(), leading(m)),
                           "cublasGemm");
  });
}

void CudaAlgebra::syrk(bool transposed, uint64_t n, uint64_t k, const Buffer& a, const Buffer& c) {
  with_numbers(c, [&](auto numbers) {
    using Number = typename decltype(numbers)::Number;
    const Number one = 1, zero = 0;
    const auto function = numbers.syrk(blas());
    context_.check_library(function(blas_, cuda::kUpper, operation(transposed), signed_of(n), signed_of(k), &one,
                                    a.as<Number>(), leading(transposed ? k : n), &zero, c.as<Number>(), leading(n)),
                           "cublasSyrk");
  });
  by_size("mirror", c, n);
}

void CudaAlgebra::trsm(Side side, Triangle triangle, bool transposed, bool unit_diagonal, uint64_t m, uint64_t n,
                       const Buffer& a, const Buffer& b) {
  with_numbers(b, [&](auto numbers) {
    using Number = typename decltype(numbers)::Number;
    const Number one = 1;
    const bool left = side == Side::kLeft;
    const auto function = numbers.trsm(blas());
    context_.check_library(
        function(blas_, left ? cuda::kLeft : cuda::kRight, triangle == Triangle::kUpper ? cuda::kUpper : cuda::kLower,
                 operation(transposed), unit_diagonal ? cuda::kUnit : cuda::kNonUnit, signed_of(m), signed_of(n), &one,
                 a.as<Number>(), leading(left ? m : n), b.as<Number>(), leading(m)),
        "cublasTrsm");
  });
}

int64_t CudaAlgebra::potrf(uint64_t n, const Buffer& a) {
  const Cusolver& f = solver();
  const int type = number_type(a);
  size_t device = 0, host = 0;
  context_.check_library(f.cusolverDnXpotrf_bufferSize(solver_, parameters_, cuda::kUpper, signed_of(n), type,
                                                       a.address(), leading(n), type, &device, &host),
                         "cusolverDnXpotrf_bufferSize");
  Workspace work(memory_, device, host);
  const int status =
      f.cusolverDnXpotrf(solver_, parameters_, cuda::kUpper, signed_of(n), type, a.address(), leading(n), type,
                         work.device.address(), device, work.host.data(), host, work.info.as<int>());
  const int64_t info = finish(work, status, "cusolverDnXpotrf");
  by_size("clear_lower", a, n);
  return info;
}

void CudaAlgebra::potri(uint64_t n, const Buffer& a, const Buffer& scratch) {
  by_size("identity", scratch, n);
  trsm(Side::kLeft, Triangle::kUpper, true, false, n, n, a, scratch);
  trsm(Side::kLeft, Triangle::kUpper, false, false, n, n, a, scratch);
  by_size("mirror", scratch, n);
}

int64_t CudaAlgebra::getrf(uint64_t n, const Buffer& a, const Buffer& pivots) {
  const Cusolver& f = solver();
  const int type = number_type(a);
  size_t device = 0, host = 0;
  context_.check_library(f.cusolverDnXgetrf_bufferSize(solver_, parameters_, signed_of(n), signed_of(n), type,
                                                       a.address(), leading(n), type, &device, &host),
                         "cusolverDnXgetrf_bufferSize");
  Workspace work(memory_, device, host);
  const CudaScratch wide(memory_, n * sizeof(int64_t));
  const int status = f.cusolverDnXgetrf(solver_, parameters_, signed_of(n), signed_of(n), type, a.address(), leading(n),
                                        wide.as<int64_t>(), type, work.device.address(), device, work.host.data(), host,
                                        work.info.as<int>());
  const int64_t info = finish(work, status, "cusolverDnXgetrf");
  kernels_.launch(kernels_.get(shape_kernels(), false, "narrow"), blocks_of(n), wide.address(), n, pivots.address());
  return info;
}

void CudaAlgebra::getrs(bool transposed, uint64_t n, uint64_t columns, const Buffer& lu, const Buffer& pivots,
                        const Buffer& b) {
  const Cusolver& f = solver();
  const CudaScratch wide(memory_, n * sizeof(int64_t)), info(memory_, sizeof(int));
  kernels_.launch(kernels_.get(shape_kernels(), false, "widen"), blocks_of(n), pivots.address(), n, wide.address());
  context_.check_library(
      f.cusolverDnXgetrs(solver_, parameters_, operation(transposed), signed_of(n), signed_of(columns), number_type(lu),
                         lu.address(), leading(n), wide.as<int64_t>(), number_type(b), b.address(), leading(n),
                         info.as<int>()),
      "cusolverDnXgetrs");
}

void CudaAlgebra::geqrf(uint64_t m, uint64_t n, const Buffer& a, const Buffer& tau) {
  const Cusolver& f = solver();
  const int type = number_type(a);
  size_t device = 0, host = 0;
  context_.check_library(
      f.cusolverDnXgeqrf_bufferSize(solver_, parameters_, signed_of(m), signed_of(n), type, a.address(), leading(m),
                                    type, tau.address(), type, &device, &host),
      "cusolverDnXgeqrf_bufferSize");
  Workspace work(memory_, device, host);
  const int status = f.cusolverDnXgeqrf(solver_, parameters_, signed_of(m), signed_of(n), type, a.address(), leading(m),
                                        type, tau.address(), type, work.device.address(), device, work.host.data(),
                                        host, work.info.as<int>());
  finish(work, status, "cusolverDnXgeqrf");
}

void CudaAlgebra::ormqr(bool transposed, uint64_t m, uint64_t n, uint64_t reflectors, const Buffer& qr,
                        const Buffer& tau, const Buffer& c) {
  const Cusolver& f = solver();
  with_numbers(c, [&](auto numbers) {
    using Number = typename decltype(numbers)::Number;
    const int rows = static_cast<int>(m), columns = static_cast<int>(n), count = static_cast<int>(reflectors);
    const int stride = static_cast<int>(leading(m));
    int size = 0;
    context_.check_library(
        numbers.ormqr_size(f)(solver_, cuda::kLeft, operation(transposed), rows, columns, count, qr.as<Number>(),
                              stride, tau.as<Number>(), c.as<Number>(), stride, &size),
        "cusolverDnOrmqr_bufferSize");
    Workspace work(memory_, static_cast<size_t>(size) * sizeof(Number), 0);
    const int status = numbers.ormqr(f)(solver_, cuda::kLeft, operation(transposed), rows, columns, count,
                                        qr.as<Number>(), stride, tau.as<Number>(), c.as<Number>(), stride,
                                        work.device.template as<Number>(), size, work.info.template as<int>());
    finish(work, status, "cusolverDnOrmqr");
  });
}

int64_t CudaAlgebra::gesvd(uint64_t m, uint64_t n, const Buffer& a, const Buffer& d, const Buffer& u,
                           const Buffer& vt) {
  const Cusolver& f = solver();
  const int type = number_type(a);
  const signed char job_u = u.is_none() ? 'N' : 'S', job_vt = vt.is_none() ? 'N' : 'S';
  void* const left = u.is_none() ? nullptr : u.address();
  void* const right = vt.is_none() ? nullptr : vt.address();
  size_t device = 0, host = 0;
  context_.check_library(f.cusolverDnXgesvd_bufferSize(solver_, parameters_, job_u, job_vt, signed_of(m), signed_of(n),
                                                       type, a.address(), leading(m), type, d.address(), type, left,
                                                       leading(m), type, right, leading(n), type, &device, &host),
                         "cusolverDnXgesvd_bufferSize");
  Workspace work(memory_, device, host);
  const int status =
      f.cusolverDnXgesvd(solver_, parameters_, job_u, job_vt, signed_of(m), signed_of(n), type, a.address(), leading(m),
                         type, d.address(), type, left, leading(m), type, right, leading(n), type,
                         work.device.address(), device, work.host.data(), host, work.info.as<int>());
  return finish(work, status, "cusolverDnXgesvd");
}

int64_t CudaAlgebra::syevd(bool vectors, uint64_t n, const Buffer& a, const Buffer& values) {
  const Cusolver& f = solver();
  const int type = number_type(a), job = vectors ? cuda::kVectors : cuda::kNoVectors;
  size_t device = 0, host = 0;
  context_.check_library(
      f.cusolverDnXsyevd_bufferSize(solver_, parameters_, job, cuda::kLower, signed_of(n), type, a.address(),
                                    leading(n), type, values.address(), type, &device, &host),
      "cusolverDnXsyevd_bufferSize");
  Workspace work(memory_, device, host);
  const int status = f.cusolverDnXsyevd(solver_, parameters_, job, cuda::kLower, signed_of(n), type, a.address(),
                                        leading(n), type, values.address(), type, work.device.address(), device,
                                        work.host.data(), host, work.info.as<int>());
  return finish(work, status, "cusolverDnXsyevd");
}

int64_t CudaAlgebra::geev(uint64_t n, const Buffer& a, const Buffer& values, const Buffer& vectors) {
  const Cusolver& f = solver();
  if (f.cusolverDnXgeev == nullptr || f.cusolverDnXgeev_bufferSize == nullptr)
    throw base::Error(
        base::ErrorKind::kUnsupported,
        "this CUDA toolkit has no eigenvalues of matrices that are not symmetric; those of 12.6 and later do");
  const int type = number_type(a), complex = type == cuda::kFloats ? cuda::kComplexFloats : cuda::kComplexDoubles;
  const int job = vectors.is_none() ? cuda::kNoVectors : cuda::kVectors;
  void* const right = vectors.is_none() ? nullptr : vectors.address();
  size_t device = 0, host = 0;
  context_.check_library(f.cusolverDnXgeev_bufferSize(solver_, parameters_, cuda::kNoVectors, job, signed_of(n), type,
                                                      a.address(), leading(n), complex, values.address(), type, nullptr,
                                                      leading(n), type, right, leading(n), type, &device, &host),
                         "cusolverDnXgeev_bufferSize");
  Workspace work(memory_, device, host);
  const int status =
      f.cusolverDnXgeev(solver_, parameters_, cuda::kNoVectors, job, signed_of(n), type, a.address(), leading(n),
                        complex, values.address(), type, nullptr, leading(n), type, right, leading(n), type,
                        work.device.address(), device, work.host.data(), host, work.info.as<int>());
  return finish(work, status, "cusolverDnXgeev");
}

}  // namespace avenir::device
