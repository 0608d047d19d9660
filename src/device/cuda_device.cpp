#include "device/cuda_device.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace avenir::device {

namespace {

using base::Error;
using base::ErrorKind;
using linalg::Program;

// A program's arguments for its kernel (kernel_code() says which), and their addresses.
class Arguments {
 public:
  Arguments(const Program& program, const std::vector<Buffer>& inputs) {
    slots_.reserve(2 * inputs.size() + program.constants.size() + kMost);
    for (size_t i = 0; i < inputs.size(); ++i) {
      add(inputs[i].address());
      if (access_of(program.inputs[i], program) == Access::kRecycled) add(program.inputs[i].length);
    }
    for (const linalg::Constant& constant : program.constants) add(constant.bytes);
    add(program.length);
  }

  template <typename T>
  void add(const T& value) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    uint64_t slot = 0;
    std::memcpy(&slot, &value, sizeof value);
    slots_.push_back(slot);
    addresses_.push_back(&slots_.back());
  }

  void** addresses() { return addresses_.data(); }

 private:
  static constexpr size_t kMost = 8;  // what comes after the constants
  std::vector<uint64_t> slots_;       // never more than were reserved: addresses stay
  std::vector<void*> addresses_;
};

// Enough to fill any GPU; more would only make the totals' last step longer.
constexpr uint64_t kMostTotals = 1024;

// Parts of the rows or columns, so that all processors have some.
constexpr uint64_t kMarginBlocks = 1024, kLeastPart = 64, kMostParts = 65535;

uint64_t parts_of(uint64_t blocks, uint64_t extent) {
  const uint64_t wanted = std::max<uint64_t>(kMarginBlocks / std::max<uint64_t>(blocks, 1), 1);
  return std::min({wanted, std::max<uint64_t>(extent / kLeastPart, 1), kMostParts});
}

}  // namespace

CudaDevice::CudaDevice(const Description& description)
    : context_(description),
      memory_(context_),
      transfer_(context_),
      kernels_(context_),
      algebra_(context_, memory_, kernels_),
      noted_(memory_.acquire(sizeof(unsigned))) {
  clear(noted_, 0, sizeof(unsigned));
}

void* CudaDevice::kernel(const KernelCode& code, const std::string& name) {
  return kernels_.get(code, false, name.c_str());
}

void CudaDevice::read(const void* from, uint64_t bytes, void* host) const {
  context_.check(context_.driver().cuMemcpyDtoHAsync_v2(host, device_address(from), bytes, context_.stream()),
                 "give " + in_units(bytes));
  context_.sync();
}

void CudaDevice::clear(void* at, unsigned char byte, uint64_t bytes) const {
  context_.check(context_.driver().cuMemsetD8Async(device_address(at), byte, bytes, context_.stream()), "clear memory");
}

void CudaDevice::must_have(const Buffer& buffer, uint64_t length) const {
  if (buffer.is_none() || &buffer.device() != this)
    throw Error(ErrorKind::kInvalid, "an array of another device was given to " + context_.title());
  if (buffer.length() < length)
    throw Error(ErrorKind::kInvalid, "an array of " + std::to_string(buffer.length()) + " elements was given where " +
                                         std::to_string(length) + " are needed");
}

void CudaDevice::must_fit(const Program& program, const std::vector<Buffer>& inputs) const {
  if (inputs.size() != program.inputs.size())
    throw Error(ErrorKind::kInternal, "a program's inputs are not those that were given");
  for (size_t i = 0; i < inputs.size(); ++i) {
    must_have(inputs[i], program.inputs[i].length);
    if (inputs[i].type() != program.inputs[i].type)
      throw Error(ErrorKind::kInternal, "a program's input is of another type than was given");
  }
}

// ---- Memory ----

void CudaDevice::trim() {
  enter();
  memory_.trim();
}

void CudaDevice::put(const void* host, const Buffer& to, uint64_t at, uint64_t count) {
  enter();
  must_have(to, at + count);
  transfer_.put(host, to.type(), to.as<char>() + at * linalg::size_of(to.type()), count);
}

void CudaDevice::get(const Buffer& from, uint64_t at, uint64_t count, void* host) {
  enter();
  must_have(from, at + count);
  transfer_.get(from.as<char>() + at * linalg::size_of(from.type()), from.type(), count, host);
}

void CudaDevice::copy(const Buffer& from, uint64_t from_at, const Buffer& to, uint64_t to_at, uint64_t count) {
  enter();
  must_have(from, from_at + count);
  must_have(to, to_at + count);
  const size_t size = linalg::size_of(from.type());
  if (count == 0) return;
  context_.check(context_.driver().cuMemcpyDtoDAsync_v2(device_address(to.as<char>() + to_at * size),
                                                        device_address(from.as<char>() + from_at * size), count * size,
                                                        context_.stream()),
                 "copy " + in_units(count * size));
}

// ---- Elementwise ----

void CudaDevice::evaluate(const Program& program, const std::vector<Buffer>& inputs, const Buffer& out) {
  enter();
  must_fit(program, inputs);
  must_have(out, program.length);
  if (program.length == 0) return;
  Arguments arguments(program, inputs);
  arguments.add(out.address());
  arguments.add(noted_);
  kernels_.launch_with(arguments.addresses(), kernels_.get(kernel_code(program, Goal::kElements), program.fast),
                       blocks_of(program.length));
}

linalg::Totals CudaDevice::reduce(const Program& program, const std::vector<Buffer>& inputs) {
  enter();
  must_fit(program, inputs);
  if (program.length == 0) return {};
  const uint64_t blocks = std::min(blocks_of(program.length), kMostTotals);
  const CudaScratch partials(memory_, blocks * sizeof(PartialTotals));
  Arguments arguments(program, inputs);
  arguments.add(partials.address());
  arguments.add(noted_);
  kernels_.launch_with(arguments.addresses(), kernels_.get(kernel_code(program, Goal::kTotals), program.fast), blocks);
  std::vector<PartialTotals> all(blocks);
  read(partials.address(), blocks * sizeof(PartialTotals), all.data());
  return add_up(all.data(), all.size());
}

void CudaDevice::sum_margin(Goal goal, const Program& program, const std::vector<Buffer>& inputs, uint64_t rows,
                            bool means, const Buffer& out) {
  enter();
  must_fit(program, inputs);
  const uint64_t columns = rows == 0 ? out.length() : program.length / rows;
  const bool by_row = goal == Goal::kRows;
  const uint64_t length = by_row ? rows : columns, extent = by_row ? columns : rows;
  must_have(out, length);
  if (length == 0) return;
  const uint64_t blocks = std::min<uint64_t>(by_row ? (rows + kThreads - 1) / kThreads : columns, kMostBlocks);
  const uint64_t parts = extent == 0 ? 0 : parts_of(blocks, extent);
  const CudaScratch sums(memory_, parts * length * kMarginBytes);
  if (parts > 0) {
    Arguments arguments(program, inputs);
    arguments.add(sums.address());
    arguments.add(noted_);
    arguments.add(rows);
    arguments.add((extent + parts - 1) / parts);
    kernels_.launch_with(arguments.addresses(), kernels_.get(kernel_code(program, goal), program.fast), blocks, parts);
  }
  kernels_.launch(kernel(margin_kernels(), out.type() == Type::kFloat ? "finish_float" : "finish_double"),
                  blocks_of(length), sums.address(), parts, length, static_cast<int>(means), out.address());
}

void CudaDevice::row_sums(const Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                          const Buffer& out) {
  sum_margin(Goal::kRows, program, inputs, rows, means, out);
}

void CudaDevice::column_sums(const Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                             const Buffer& out) {
  sum_margin(Goal::kColumns, program, inputs, rows, means, out);
}

uint64_t CudaDevice::which_extreme(const Buffer& x, bool greatest) {
  struct Extreme {
    double value;
    uint64_t at;
  };
  enter();
  must_have(x, 0);
  if (x.length() == 0) return 0;
  const uint64_t blocks = std::min(blocks_of(x.length()), kMostTotals);
  const CudaScratch found(memory_, blocks * sizeof(Extreme));
  kernels_.launch(kernel(margin_kernels(), std::string("extreme_") + kernel_suffix(x.type())), blocks, x.address(),
                  x.length(), static_cast<int>(greatest), found.address());
  std::vector<Extreme> all(blocks);
  read(found.address(), blocks * sizeof(Extreme), all.data());
  const auto best = std::min_element(all.begin(), all.end(), [](const Extreme& a, const Extreme& b) {
    return a.value > b.value || (a.value == b.value && a.at < b.at);
  });
  return std::min(best->at, x.length());
}

uint8_t CudaDevice::take_events() {
  enter();
  unsigned events = 0;
  read(noted_, sizeof events, &events);
  if (events != 0) clear(noted_, 0, sizeof events);
  return static_cast<uint8_t>(events);
}

// ---- Shape ----

namespace {

// The kernels' struct Positions.
struct PositionsArgument {
  explicit PositionsArgument(const Positions& positions)
      : begin(positions.begin), step(positions.step), count(positions.count) {
    if (positions.at.is_none()) return;
    at = positions.at.address();
    kind = positions.at.type() == Type::kDouble ? 2 : 1;
  }
  int64_t begin, step;
  uint64_t count;
  const void* at = nullptr;
  int kind = 0, padding = 0;
};

uint64_t columns_of(const Buffer& matrix, uint64_t rows) { return rows == 0 ? 0 : matrix.length() / rows; }

constexpr uint32_t kFloatNa = 0x7fc007a2;  // what R's NA_real_ becomes as a float

}  // namespace

void CudaDevice::gather(const Buffer& from, uint64_t rows, const Positions& row, const Positions& column,
                        const Buffer& to) {
  enter();
  must_have(from, 0);
  must_have(to, row.count * column.count);
  if (row.count * column.count == 0) return;
  const uint64_t blocks = blocks_of(row.count * column.count);
  const PositionsArgument rows_at(row), columns_at(column);
  if (from.type() == Type::kDouble) {
    kernels_.launch(kernel(shape_kernels(), "gather8"), blocks, from.address(), rows, columns_of(from, rows), rows_at,
                    columns_at, linalg::kNaBits, to.address());
  } else {
    const uint32_t missing = from.type() == Type::kFloat ? kFloatNa : static_cast<uint32_t>(linalg::kNaInteger);
    kernels_.launch(kernel(shape_kernels(), "gather4"), blocks, from.address(), rows, columns_of(from, rows), rows_at,
                    columns_at, missing, to.address());
  }
}

void CudaDevice::scatter(const Buffer& from, const Buffer& to, uint64_t rows, const Positions& row,
                         const Positions& column) {
  enter();
  must_have(from, 1);
  must_have(to, 0);
  if (row.count * column.count == 0) return;
  kernels_.launch(kernel(shape_kernels(), from.type() == Type::kDouble ? "scatter8" : "scatter4"),
                  blocks_of(row.count * column.count), from.address(), from.length(), to.address(), rows,
                  columns_of(to, rows), PositionsArgument(row), PositionsArgument(column));
}

void CudaDevice::transpose(const Buffer& from, uint64_t rows, uint64_t columns, const Buffer& to) {
  enter();
  must_have(from, rows * columns);
  must_have(to, rows * columns);
  if (rows * columns == 0) return;
  const uint64_t tiles = (rows + 31) / 32 * ((columns + 31) / 32);
  kernels_.launch(kernel(shape_kernels(), from.type() == Type::kDouble ? "transpose8" : "transpose4"),
                  std::min(tiles, kMostBlocks), from.address(), rows, columns, to.address());
}

// ---- Time ----

void CudaDevice::sync() {
  enter();
  context_.sync();
}

void CudaDevice::mark() {
  enter();
  for (void*& event : marks_)
    if (event == nullptr) context_.check(context_.driver().cuEventCreate(&event, 0), "make an event");
  context_.check(context_.driver().cuEventRecord(marks_[0], context_.stream()), "record an event");
}

double CudaDevice::since_mark() {
  enter();
  float milliseconds = 0;
  context_.check(context_.driver().cuEventRecord(marks_[1], context_.stream()), "record an event");
  context_.check(context_.driver().cuEventSynchronize(marks_[1]), "finish its work");
  context_.check(context_.driver().cuEventElapsedTime(&milliseconds, marks_[0], marks_[1]), "tell the time");
  return milliseconds;
}

}  // namespace avenir::device
