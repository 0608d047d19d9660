#pragma once

#include "device/cuda_algebra.h"
#include "device/cuda_kernels.h"
#include "device/cuda_memory.h"
#include "device/cuda_transfer.h"

namespace avenir::device {

// A GPU. Elementwise work, reductions, shapes, orders and random numbers by kernels of avenir's own (kernel_source.h),
// linear algebra by CUDA's libraries.
class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const Description& description);

  const Description& description() const override { return context_.description(); }
  device::Memory memory() const override { return memory_.figures(); }
  void set_limit(uint64_t bytes) override { memory_.set_limit(bytes); }
  void trim() override;
  void put(const void* host, const Buffer& to, uint64_t at, uint64_t count) override;
  void get(const Buffer& from, uint64_t at, uint64_t count, void* host) override;
  void copy(const Buffer& from, uint64_t from_at, const Buffer& to, uint64_t to_at, uint64_t count) override;

  void evaluate(const linalg::Program& program, const std::vector<Buffer>& inputs, const Buffer& out) override;
  linalg::Totals reduce(const linalg::Program& program, const std::vector<Buffer>& inputs) override;
  void row_sums(const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                const Buffer& out) override;
  void column_sums(const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                   const Buffer& out) override;
  uint64_t which_extreme(const Buffer& x, bool greatest) override;
  void cumulate(const Buffer& x, const Buffer& out) override;
  uint8_t take_events() override;

  void gather(const Buffer& from, uint64_t rows, const Positions& row, const Positions& column,
              const Buffer& to) override;
  void scatter(const Buffer& from, const Buffer& to, uint64_t rows, const Positions& row,
               const Positions& column) override;
  void transpose(const Buffer& from, uint64_t rows, uint64_t columns, const Buffer& to) override;

  uint64_t sort(const Buffer& from, bool decreasing, const Buffer& to) override;
  void order(const std::vector<Buffer>& keys, const std::vector<bool>& decreasing, const Buffer& out) override;

  void fill_uniform(const rng::State& state, double offset, double factor, const Buffer& out) override;
  void fill_normal(const rng::State& state, double offset, double factor, const Buffer& out) override;

  void set_precision(Precision precision) override;
  Precision precision() const override { return algebra_.precision(); }
  void gemm(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const Buffer& a, const Buffer& b,
            const Buffer& c) override;
  void syrk(bool transposed, uint64_t n, uint64_t k, const Buffer& a, const Buffer& c) override;
  void trsm(Side side, Triangle triangle, bool transposed, bool unit_diagonal, uint64_t m, uint64_t n, const Buffer& a,
            const Buffer& b) override;
  int64_t potrf(uint64_t n, const Buffer& a) override;
  void potri(uint64_t n, const Buffer& a) override;
  int64_t getrf(uint64_t n, const Buffer& a, const Buffer& pivots) override;
  void getrs(bool transposed, uint64_t n, uint64_t columns, const Buffer& lu, const Buffer& pivots,
             const Buffer& b) override;
  double rcond(uint64_t n, const Buffer& lu, const Buffer& pivots, double norm) override;
  void geqrf(uint64_t m, uint64_t n, const Buffer& a, const Buffer& tau) override;
  void ormqr(bool transposed, uint64_t m, uint64_t n, uint64_t reflectors, const Buffer& qr, const Buffer& tau,
             const Buffer& c) override;
  int64_t gesvd(uint64_t m, uint64_t n, const Buffer& a, const Buffer& d, const Buffer& u, const Buffer& vt) override;
  int64_t syevd(bool vectors, uint64_t n, const Buffer& a, const Buffer& values) override;
  int64_t geev(uint64_t n, const Buffer& a, const Buffer& real, const Buffer& imaginary,
               const Buffer& vectors) override;

  void sync() override;
  void mark() override;
  double since_mark() override;

 protected:
  void* acquire(uint64_t bytes) override { return memory_.acquire(bytes); }
  void release(void* address, uint64_t bytes) noexcept override { memory_.release(address, bytes); }

 private:
  void* kernel(const KernelCode& code, const std::string& name);
  void read(const void* from, uint64_t bytes, void* host) const;
  void clear(void* at, unsigned char byte, uint64_t bytes) const;
  // Makes the GPU current; of a buffer: throws kInvalid unless it is of this device and has that many elements.
  void enter() const { context_.enter(); }
  void must_have(const Buffer& buffer, uint64_t length) const;
  void must_fit(const linalg::Program& program, const std::vector<Buffer>& inputs) const;
  void sum_margin(Goal goal, const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows,
                  bool means, const Buffer& out);
  void cumulate_integers(const Buffer& x, const Buffer& out, void* parts, uint64_t blocks);
  struct Ordering;
  void order_by_digit(Ordering& by, int shift);
  void order_by_key(Ordering& by, const Buffer& key, bool decreasing);
  void find_order(Ordering& by, const std::vector<Buffer>& keys, const std::vector<bool>& decreasing);
  void must_be_numbers(const Buffer& buffer, uint64_t length) const;
  void fill(const char* distribution, unsigned draws, const rng::State& state, double offset, double factor,
            const Buffer& out);

  CudaContext context_;
  mutable CudaMemory memory_;
  CudaTransfer transfer_;
  CudaKernels kernels_;
  CudaAlgebra algebra_;
  void* noted_;            // the events' word
  void* steps_ = nullptr;  // rng::draw_step() of all that matter
  void* marks_[2] = {};
};

}  // namespace avenir::device
