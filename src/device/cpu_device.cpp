#include "device/cpu_device.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "device/floats.h"
#include "linalg/cumulate.h"
#include "linalg/evaluate.h"
#include "par/parallel_for.h"
#include "rng/fill.h"
#include "sort/sort.h"
#include "sys/huge_pages.h"
#include "sys/memory_use.h"

namespace avenir::device {

namespace {

constexpr size_t kLine = 64;  // of a cache
constexpr size_t kPiece = size_t{1} << 18;

// Of the limit: R's garbage collector does not see this memory, and is asked after so much of it.
constexpr uint64_t kCollectionShare = 8;

sort::Column column_of(const Buffer& buffer, bool decreasing) {
  return {buffer.address(), buffer.type() == Type::kDouble ? sort::Type::kDouble : sort::Type::kInteger, decreasing};
}

// Base R says nothing of a NaN that a power or an angle becomes, and of an ifelse()'s test.
uint8_t told(linalg::Op op, uint8_t events) {
  const bool silent = op == linalg::Op::kPow || op == linalg::Op::kAtan2;
  const uint8_t kinds = linalg::kOverflow | linalg::kPrecisionLost | (silent ? 0 : linalg::kNanProduced);
  return static_cast<uint8_t>(events & kinds);
}

}  // namespace

Device& cpu_device() {
  static auto* const instance = new CpuDevice;
  return *instance;
}

CpuDevice::CpuDevice() : total_(sys::total_memory()), limit_(std::min(total_, sys::available_memory()) / 10 * 9) {
  description_.name = "CPU";
  description_.processors = static_cast<int>(par::threads());
}

// ---- Memory ----

Memory CpuDevice::memory() const {
  Memory memory;
  memory.total = total_;
  memory.free = std::min(total_, sys::available_memory());
  memory.held = held_;
  memory.limit = limit_;
  memory.buffers = buffers_;
  return memory;
}

void CpuDevice::make_room(uint64_t bytes) {
  if (held_ + bytes > limit_ || since_collection_ > limit_ / kCollectionShare) {
    since_collection_ = 0;
    collect();
  }
  if (held_ + bytes <= limit_) return;
  throw base::Error(base::ErrorKind::kOverloaded,
                    "out of memory for arrays on the CPU: " + in_units(bytes) + " needed, " +
                        in_units(limit_ > held_ ? limit_ - held_ : 0) + " left of the limit of " + in_units(limit_) +
                        " (this session holds " + std::to_string(buffers_) + " arrays, " + in_units(held_) +
                        ").\ni Remove arrays with rm() and call gpu_gc(), raise the limit with gpu_limit(), or use "
                        "type = \"float\".");
}

void* CpuDevice::acquire(uint64_t bytes) {
  make_room(bytes);
  const uint64_t whole = (std::max<uint64_t>(bytes, 1) + kLine - 1) / kLine * kLine;
  void* const address = whole < bytes ? nullptr : std::aligned_alloc(kLine, static_cast<size_t>(whole));
  if (address == nullptr)
    throw base::Error(base::ErrorKind::kOverloaded, "the system has no " + in_units(bytes) + " of memory left");
  sys::prefer_huge_pages(address, static_cast<size_t>(bytes));
  held_ += bytes;
  since_collection_ += bytes;
  ++buffers_;
  return address;
}

void CpuDevice::release(void* address, uint64_t bytes) noexcept {
  std::free(address);
  held_ -= bytes;
  --buffers_;
}

void CpuDevice::put(const void* host, const Buffer& to, uint64_t at, uint64_t count) {
  const size_t size = linalg::size_of(to.type());
  par::parallel_for(count, kPiece, [&](size_t begin, size_t end) {
    if (to.type() == Type::kFloat)
      narrow(static_cast<const double*>(host) + begin, end - begin, to.as<float>() + at + begin);
    else
      std::memcpy(to.as<uint8_t>() + (at + begin) * size, static_cast<const uint8_t*>(host) + begin * size,
                  (end - begin) * size);
  });
}

void CpuDevice::get(const Buffer& from, uint64_t at, uint64_t count, void* host) {
  const size_t size = linalg::size_of(from.type());
  par::parallel_for(count, kPiece, [&](size_t begin, size_t end) {
    if (from.type() == Type::kFloat)
      widen(from.as<float>() + at + begin, end - begin, static_cast<double*>(host) + begin);
    else
      std::memcpy(static_cast<uint8_t*>(host) + begin * size, from.as<uint8_t>() + (at + begin) * size,
                  (end - begin) * size);
  });
}

void CpuDevice::copy(const Buffer& from, uint64_t from_at, const Buffer& to, uint64_t to_at, uint64_t count) {
  const size_t size = linalg::size_of(from.type());
  par::parallel_for(count, kPiece, [&](size_t begin, size_t end) {
    std::memcpy(to.as<uint8_t>() + (to_at + begin) * size, from.as<uint8_t>() + (from_at + begin) * size,
                (end - begin) * size);
  });
}

// ---- Elementwise ----

namespace {

linalg::Program placed(const linalg::Program& program, const std::vector<Buffer>& inputs) {
  linalg::Program copy = program;
  for (size_t i = 0; i < inputs.size(); ++i) copy.inputs[i].data = inputs[i].address();
  return copy;
}

}  // namespace

void CpuDevice::note_events(const linalg::Program& program, const linalg::Outcome& outcome) {
  for (size_t i = 0; i < outcome.events.size(); ++i)
    events_ = static_cast<uint8_t>(events_ | told(program.steps[i].op, outcome.events[i]));
}

void CpuDevice::evaluate(const linalg::Program& program, const std::vector<Buffer>& inputs, const Buffer& out) {
  note_events(program, linalg::evaluate(placed(program, inputs), out.address(), 0, program.length));
}

linalg::Totals CpuDevice::reduce(const linalg::Program& program, const std::vector<Buffer>& inputs) {
  const linalg::Outcome outcome = linalg::evaluate(placed(program, inputs), nullptr, 0, program.length);
  note_events(program, outcome);
  return outcome.totals;
}

Buffer CpuDevice::evaluated(const linalg::Program& program, const std::vector<Buffer>& inputs) {
  if (program.steps.empty() && program.result.kind == linalg::Operand::Kind::kInput)
    return inputs[program.result.index];
  Buffer result = allocate(program.type, program.length);
  evaluate(program, inputs, result);
  return result;
}

uint8_t CpuDevice::take_events() { return std::exchange(events_, uint8_t{0}); }

void CpuDevice::cumulate(const Buffer& x, const Buffer& out) {
  if (x.type() == Type::kDouble) {
    linalg::cumulate(x.as<double>(), x.length(), out.as<double>());
  } else if (x.type() == Type::kFloat) {
    std::vector<double> numbers = widened(x);
    linalg::cumulate(numbers.data(), numbers.size(), numbers.data());
    narrow(numbers.data(), numbers.size(), out.as<float>());
  } else if (linalg::cumulate(x.as<int32_t>(), x.length(), out.as<int32_t>())) {
    events_ |= linalg::kOverflow;
  }
}

// ---- Order ----

uint64_t CpuDevice::sort(const Buffer& from, bool decreasing, const Buffer& to) {
  const size_t count = from.length();
  if (from.type() != Type::kFloat) {
    const sort::Column column = column_of(from, decreasing);
    const size_t complete = sort::count_complete({column}, count);
    sort::sort_values(column, count, complete, sort::Missing::kLast, to.address());
    return complete;
  }
  const std::vector<double> numbers = widened(from);
  std::vector<double> sorted(count);
  const sort::Column column{numbers.data(), sort::Type::kDouble, decreasing};
  const size_t complete = sort::count_complete({column}, count);
  sort::sort_values(column, count, complete, sort::Missing::kLast, sorted.data());
  narrow(sorted.data(), count, to.as<float>());
  return complete;
}

void CpuDevice::order(const std::vector<Buffer>& keys, const std::vector<bool>& decreasing, const Buffer& out) {
  std::vector<std::vector<double>> widened_keys(keys.size());
  std::vector<sort::Column> columns;
  for (size_t i = 0; i < keys.size(); ++i) {
    sort::Column column = column_of(keys[i], decreasing[i]);
    if (keys[i].type() == Type::kFloat) {
      widened_keys[i] = widened(keys[i]);
      column = {widened_keys[i].data(), sort::Type::kDouble, decreasing[i]};
    }
    columns.push_back(column);
  }
  const bool wide = out.type() == Type::kDouble;
  sort::order_rows(columns, keys[0].length(), sort::Missing::kLast, wide ? nullptr : out.as<int32_t>(),
                   wide ? out.as<double>() : nullptr);
}

// ---- Random numbers ----

void CpuDevice::fill(const rng::State& state, bool normal, double offset, double factor, const Buffer& out) {
  const rng::Numbers offsets{&offset, 1}, factors{&factor, 1};
  const auto draw = normal ? rng::fill_normal : rng::fill_uniform;
  par::parallel_for(out.length(), rng::kFillBlock, [&](size_t begin, size_t end) {
    if (out.type() == Type::kDouble) return draw(state, begin, end - begin, offsets, factors, out.as<double>() + begin);
    std::vector<double> block(end - begin);
    draw(state, begin, end - begin, offsets, factors, block.data());
    narrow(block.data(), block.size(), out.as<float>() + begin);
  });
}

void CpuDevice::fill_uniform(const rng::State& state, double offset, double factor, const Buffer& out) {
  fill(state, false, offset, factor, out);
}

void CpuDevice::fill_normal(const rng::State& state, double offset, double factor, const Buffer& out) {
  fill(state, true, offset, factor, out);
}

}  // namespace avenir::device
