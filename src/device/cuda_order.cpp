#include <utility>

#include "base/error.h"
#include "device/cuda_device.h"
#include "rng/recurrence.h"

// CudaDevice's cumulative sums, orders and random numbers.
namespace avenir::device {

namespace {

constexpr uint64_t kMostOrdered = INT32_MAX;
constexpr uint64_t kDigits = 16;
constexpr int kDigitBits = 4;
constexpr unsigned kSteps = 63;

uint64_t scan_blocks(uint64_t length) { return (length + kScanPart - 1) / kScanPart; }

void must_be_ordered(uint64_t count) {
  if (count > kMostOrdered)
    throw base::Error(base::ErrorKind::kUnsupported,
                      "a GPU orders at most 2^31 - 1 elements, and these are " + std::to_string(count));
}

// Numbers of a thread, one after the other: few make more threads, many cost less for the way to the first.
uint64_t numbers_each(uint64_t count) { return count > (uint64_t{1} << 22) ? 256 : 16; }

unsigned log2_of(uint64_t power) {
  unsigned log = 0;
  while (power > 1) power /= 2, ++log;
  return log;
}

}  // namespace

void CudaDevice::cumulate(const Buffer& x, const Buffer& out) {
  enter();
  must_have(x, 0);
  must_have(out, x.length());
  if (x.length() == 0) return;
  const uint64_t blocks = scan_blocks(x.length());
  const CudaScratch parts(memory_, blocks * 2 * sizeof(double));
  const std::string suffix = kernel_suffix(x.type());
  kernels_.launch(kernel(order_kernels(), "sums_" + suffix), blocks, x.address(), x.length(), parts.address());
  kernels_.launch(kernel(order_kernels(), linalg::is_real(x.type()) ? "starts_double" : "starts_integer"), 1,
                  parts.address(), blocks);
  if (!linalg::is_real(x.type())) return cumulate_integers(x, out, parts.address(), blocks);
  kernels_.launch(kernel(order_kernels(), "cumulate_" + suffix), blocks, x.address(), x.length(), parts.address(),
                  out.address());
}

void CudaDevice::cumulate_integers(const Buffer& x, const Buffer& out, void* parts, uint64_t blocks) {
  const CudaScratch end(memory_, sizeof(uint64_t));
  clear(end.address(), 0xff, sizeof(uint64_t));
  kernels_.launch(kernel(order_kernels(), "cumulate_integer"), blocks, x.address(), x.length(), parts, out.address(),
                  end.address());
  kernels_.launch(kernel(order_kernels(), "end_integer"), blocks_of(x.length()), x.address(), x.length(), end.address(),
                  out.address(), noted_);
}

// The order so far and the next, each with its keys.
struct CudaDevice::Ordering {
  struct Half {
    Half(CudaMemory& memory, uint64_t count)
        : keys(memory, count * sizeof(uint64_t)), indices(memory, count * sizeof(uint32_t)) {}
    CudaScratch keys, indices;
  };
  Ordering(CudaMemory& memory, uint64_t elements)
      : count(elements),
        blocks(scan_blocks(elements)),
        one(memory, elements),
        other(memory, elements),
        counts(memory, kDigits * blocks * sizeof(int64_t)) {}
  uint64_t count, blocks;
  Half one, other;
  Half *now = &one, *next = &other;
  CudaScratch counts;
};

void CudaDevice::order_by_digit(Ordering& by, int shift) {
  const KernelCode code = order_kernels();
  kernels_.launch(kernel(code, "count_digits"), by.blocks, by.now->keys.address(), by.count, shift,
                  by.counts.address());
  kernels_.launch(kernel(code, "starts_integer"), 1, by.counts.address(), kDigits * by.blocks);
  kernels_.launch(kernel(code, "move_by_digit"), by.blocks, by.now->keys.address(), by.now->indices.address(), by.count,
                  shift, by.counts.address(), by.next->keys.address(), by.next->indices.address());
  std::swap(by.now, by.next);
}

void CudaDevice::order_by_key(Ordering& by, const Buffer& key, bool decreasing) {
  must_have(key, by.count);
  kernels_.launch(kernel(order_kernels(), std::string("keys_") + kernel_suffix(key.type())), blocks_of(by.count),
                  key.address(), by.now->indices.address(), by.count, static_cast<int>(decreasing),
                  by.now->keys.address());
  const int bits = static_cast<int>(8 * linalg::size_of(key.type()));
  for (int shift = 0; shift < bits; shift += kDigitBits) order_by_digit(by, shift);
}

// The last key first: each later one keeps the order of those before among its equals.
void CudaDevice::find_order(Ordering& by, const std::vector<Buffer>& keys, const std::vector<bool>& decreasing) {
  kernels_.launch(kernel(order_kernels(), "number"), blocks_of(by.count), by.now->indices.address(), by.count);
  for (size_t k = keys.size(); k-- > 0;) order_by_key(by, keys[k], decreasing[k]);
}

void CudaDevice::order(const std::vector<Buffer>& keys, const std::vector<bool>& decreasing, const Buffer& out) {
  enter();
  must_have(out, 0);
  must_be_ordered(out.length());
  if (out.length() == 0) return;
  Ordering by(memory_, out.length());
  find_order(by, keys, decreasing);
  kernels_.launch(kernel(order_kernels(), "count_from_one"), blocks_of(by.count), by.now->indices.address(), by.count,
                  out.address());
}

namespace {

// How many are not missing.
linalg::Program complete_elements(const Buffer& x) {
  using linalg::Op;
  using linalg::Operand;
  linalg::Program program;
  program.inputs = {{nullptr, x.length(), x.type()}};
  program.steps = {{linalg::is_real(x.type()) ? Op::kIsNaD : Op::kIsNaI, 0, {{Operand::Kind::kInput, 0}}},
                   {Op::kNot, 0, {{Operand::Kind::kRegister, 0}}}};
  program.registers = 1;
  program.result = {Operand::Kind::kRegister, 0};
  program.type = Type::kLogical;
  program.length = x.length();
  program.reduction = linalg::Reduction::kSum;
  program.single = x.type() == Type::kFloat;
  return program;
}

}  // namespace

uint64_t CudaDevice::sort(const Buffer& from, bool decreasing, const Buffer& to) {
  enter();
  must_have(from, 0);
  must_have(to, from.length());
  must_be_ordered(from.length());
  if (from.length() == 0) return 0;
  Ordering by(memory_, from.length());
  find_order(by, {from}, {decreasing});
  kernels_.launch(kernel(order_kernels(), from.type() == Type::kDouble ? "take8" : "take4"), blocks_of(by.count),
                  from.address(), by.now->indices.address(), by.count, to.address());
  return static_cast<uint64_t>(reduce(complete_elements(from), {from}).integer_sum);
}

void CudaDevice::fill(const char* distribution, unsigned draws, const rng::State& state, double offset, double factor,
                      const Buffer& out) {
  enter();
  must_have(out, 0);
  if (out.length() == 0) return;
  if (steps_ == nullptr) {
    std::vector<rng::Step> steps;
    for (unsigned i = 0; i < kSteps; ++i) steps.push_back(rng::draw_step(i));
    void* const memory = memory_.acquire(steps.size() * sizeof(rng::Step));
    transfer_.put(steps.data(), Type::kInteger, memory, steps.size() * sizeof(rng::Step) / sizeof(int32_t));
    steps_ = memory;
  }
  const uint64_t each = numbers_each(out.length());
  const void* const steps = static_cast<const rng::Step*>(steps_) + log2_of(each * draws);
  const uint64_t blocks = (out.length() + each * kThreads - 1) / (each * kThreads);
  kernels_.launch(kernel(random_kernels(), std::string(distribution) + "_" + kernel_suffix(out.type())), blocks, state,
                  steps, each, offset, factor, out.length(), out.address());
}

void CudaDevice::fill_uniform(const rng::State& state, double offset, double factor, const Buffer& out) {
  fill("uniform", 1, state, offset, factor, out);
}

void CudaDevice::fill_normal(const rng::State& state, double offset, double factor, const Buffer& out) {
  fill("normal", 2, state, offset, factor, out);
}

}  // namespace avenir::device
