#pragma once

#include <chrono>

#include "device/device.h"

namespace avenir::device {

// The CPU as a device: programs run on tiles (linalg/evaluate.h), matrices by the BLAS and LAPACK that R uses, all on
// par::threads() threads. Functions of it that are given no other reason to differ give the numbers of base R's.
class CpuDevice final : public Device {
 public:
  CpuDevice();

  const Description& description() const override { return description_; }

  Memory memory() const override;
  void set_limit(uint64_t bytes) override { limit_ = bytes; }
  void trim() override {}
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

  void set_precision(Precision precision) override { precision_ = precision; }
  Precision precision() const override { return precision_; }
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

  void sync() override {}
  void mark() override { mark_ = Clock::now(); }
  double since_mark() override { return std::chrono::duration<double, std::milli>(Clock::now() - mark_).count(); }

 protected:
  void* acquire(uint64_t bytes) override;
  void release(void* address, uint64_t bytes) noexcept override;

 private:
  using Clock = std::chrono::steady_clock;

  void make_room(uint64_t bytes);
  void note_events(const linalg::Program& program, const linalg::Outcome& outcome);
  Buffer evaluated(const linalg::Program& program, const std::vector<Buffer>& inputs);
  void fill(const rng::State& state, bool normal, double offset, double factor, const Buffer& out);

  Description description_;
  uint64_t total_, limit_;
  uint64_t held_ = 0, buffers_ = 0;
  uint64_t since_collection_ = 0;  // bytes allocated
  uint8_t events_ = 0;
  Precision precision_ = Precision::kIeee;
  Clock::time_point mark_ = Clock::now();
};

}  // namespace avenir::device
