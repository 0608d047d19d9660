#pragma once

#include "device/cuda_kernels.h"
#include "device/cuda_memory.h"

namespace avenir::device {

// Linear algebra on one GPU, by cuBLAS and cuSOLVER, each loaded at its first use. Arguments as in device/device.h; all
// extents have been checked.
class CudaAlgebra {
 public:
  CudaAlgebra(const CudaContext& context, CudaMemory& memory, CudaKernels& kernels)
      : context_(context), memory_(memory), kernels_(kernels) {}

  void set_precision(Precision precision);
  Precision precision() const { return precision_; }

  void gemm(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const Buffer& a, const Buffer& b,
            const Buffer& c);
  void syrk(bool transposed, uint64_t n, uint64_t k, const Buffer& a, const Buffer& c);
  void trsm(Side side, Triangle triangle, bool transposed, bool unit_diagonal, uint64_t m, uint64_t n, const Buffer& a,
            const Buffer& b);
  int64_t potrf(uint64_t n, const Buffer& a);
  void potri(uint64_t n, const Buffer& a, const Buffer& scratch);
  int64_t getrf(uint64_t n, const Buffer& a, const Buffer& pivots);
  void getrs(bool transposed, uint64_t n, uint64_t columns, const Buffer& lu, const Buffer& pivots, const Buffer& b);
  void geqrf(uint64_t m, uint64_t n, const Buffer& a, const Buffer& tau);
  void ormqr(bool transposed, uint64_t m, uint64_t n, uint64_t reflectors, const Buffer& qr, const Buffer& tau,
             const Buffer& c);
  // m >= n.
  int64_t gesvd(uint64_t m, uint64_t n, const Buffer& a, const Buffer& d, const Buffer& u, const Buffer& vt);
  int64_t syevd(bool vectors, uint64_t n, const Buffer& a, const Buffer& values);
  // `values`: real and imaginary part of each in turn.
  int64_t geev(uint64_t n, const Buffer& a, const Buffer& values, const Buffer& vectors);

 private:
  struct Workspace;
  const Cublas& blas();
  const Cusolver& solver();
  void set_math_mode();
  int64_t finish(const Workspace& workspace, int status, const char* function);
  void by_size(const char* name, const Buffer& a, uint64_t n);

  const CudaContext& context_;
  CudaMemory& memory_;
  CudaKernels& kernels_;
  void* blas_ = nullptr;
  void* solver_ = nullptr;
  void* parameters_ = nullptr;
  Precision precision_ = Precision::kIeee;
};

}  // namespace avenir::device
