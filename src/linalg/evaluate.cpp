#include "linalg/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "linalg/tile.h"
#include "par/parallel_for.h"

namespace avenir::linalg {

namespace {

constexpr uint64_t kCallBlocks = 64;  // of a program with functions of the user's, at least
constexpr size_t kTileBytes = kTile * sizeof(double);

// Tiles of one thread: a place for each register and input, at a cache line's border. Kept for the thread's next block:
// fresh memory would cost more than many a block.
class Scratch {
 public:
  explicit Scratch(size_t tiles) : first_(room(tiles * kTileBytes)) {}
  uint8_t* tile(size_t i) const { return first_ + i * kTileBytes; }

 private:
  static constexpr size_t kLine = 64;

  static uint8_t* room(size_t size) {
    thread_local std::unique_ptr<uint8_t[]> storage;
    thread_local size_t has = 0;
    if (has < size) {
      has = 0;
      storage.reset(new uint8_t[size + kLine]);
      has = size;
    }
    return storage.get() + (kLine - reinterpret_cast<uintptr_t>(storage.get()) % kLine);
  }

  uint8_t* first_;
};

// `count` elements from `at` of a vector that starts again at its end.
template <typename T>
void copy_recycled(const T* from, uint64_t length, uint64_t at, T* to, size_t count) {
  uint64_t position = at % length;
  for (size_t done = 0; done < count;) {
    const size_t some = static_cast<size_t>(std::min<uint64_t>(count - done, length - position));
    std::memcpy(to + done, from + position, some * sizeof(T));
    done += some;
    position = 0;
  }
}

// The element that stands for those behind the end: whatever is computed of it happened already.
template <typename T>
void pad(T* tile, size_t count) {
  const size_t whole = (count + kTilePadding - 1) / kTilePadding * kTilePadding;
  std::fill(tile + count, tile + whole, tile[count - 1]);
}

template <typename T>
void stage_as(const Input& input, uint64_t at, void* tile, size_t count) {
  T* const to = static_cast<T*>(tile);
  copy_recycled(static_cast<const T*>(input.data), input.length, at, to, count);
  pad(to, count);
}

void stage_floats(const Input& input, uint64_t at, void* tile, size_t count) {
  float some[kTile];
  double* const to = static_cast<double*>(tile);
  copy_recycled(static_cast<const float*>(input.data), input.length, at, some, count);
  std::copy(some, some + count, to);
  pad(to, count);
}

void stage(const Input& input, uint64_t at, void* tile, size_t count) {
  if (input.type == Type::kFloat) return stage_floats(input, at, tile, count);
  input.type == Type::kDouble ? stage_as<double>(input, at, tile, count) : stage_as<int32_t>(input, at, tile, count);
}

// A tile of doubles or integers as elements of `type`.
void write_tile(const void* tile, Type type, size_t count, void* out) {
  if (type != Type::kFloat) {
    std::memcpy(out, tile, count * size_of(type));
    return;
  }
  const double* const numbers = static_cast<const double*>(tile);
  std::transform(numbers, numbers + count, static_cast<float*>(out), [](double x) { return static_cast<float>(x); });
}

// A program at work on one tile after the other, on one thread.
class TileRun {
 public:
  TileRun(const Program& program, uint8_t* events)
      : program_(program),
        kernels_(tile_kernels()),
        events_(events),
        scratch_(program.registers + program.inputs.size() + kMostOperands),
        inputs_(program.inputs.size()),
        last_makes_result_(program.result.kind == Operand::Kind::kRegister && !program.steps.empty() &&
                           program.steps.back().out == program.result.index) {}

  // Computes elements [at, at + count). Where the result is afterwards; `out` when given and the last step makes it.
  const void* run(uint64_t at, size_t count, void* out) {
    count_ = count;
    place_inputs(at);
    const bool direct = last_makes_result_ && count == kTile && out != nullptr;
    const size_t last = program_.steps.size();
    for (size_t i = 0; i < last; ++i) step(i, direct && i + 1 == last ? out : nullptr);
    return direct ? out : place(program_.result);
  }

 private:
  // Whole tiles of a vector are read where they are.
  void place_inputs(uint64_t at) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Input& input = program_.inputs[i];
      const bool direct = input.length == program_.length && count_ == kTile && input.type != Type::kFloat;
      if (direct) {
        inputs_[i] = static_cast<const uint8_t*>(input.data) + at * size_of(input.type);
        continue;
      }
      uint8_t* const tile = scratch_.tile(program_.registers + i);
      inputs_[i] = tile;
      stage(input, at, tile, count_);
    }
  }

  const void* place(Operand operand) const {
    if (operand.kind == Operand::Kind::kRegister) return scratch_.tile(operand.index);
    if (operand.kind == Operand::Kind::kInput) return inputs_[operand.index];
    return program_.constants[operand.index].bytes;
  }

  void step(size_t i, void* out) {
    const Step& step = program_.steps[i];
    TileArguments tile;
    tile.count = (count_ + kTilePadding - 1) / kTilePadding * kTilePadding;
    tile.out = out != nullptr ? out : scratch_.tile(step.out);
    tile.events = events_ + i;
    for (size_t k = 0; k < step.operands.size(); ++k) {
      tile.in[k] = place(step.operands[k]);
      tile.scalar[k] = step.operands[k].kind == Operand::Kind::kConstant;
    }
    if (step.op == Op::kCall) return call(step, tile);
    tile.function = &math_function(step.op);
    kernels_.by_op[static_cast<size_t>(step.op)](tile);
  }

  // The user's function sees arrays only, and no element behind the end.
  void call(const Step& step, TileArguments& tile) {
    const double* in[kMostOperands];
    for (size_t k = 0; k < step.operands.size(); ++k) {
      in[k] = static_cast<const double*>(tile.in[k]);
      if (!tile.scalar[k]) continue;
      double* const all = reinterpret_cast<double*>(scratch_.tile(program_.registers + inputs_.size() + k));
      std::fill(all, all + count_, *in[k]);
      in[k] = all;
    }
    double* const out = static_cast<double*>(tile.out);
    step.function(in, out, count_, step.data);
    if (count_ < kTile) pad(out, count_);
  }

  const Program& program_;
  const TileKernels& kernels_;
  uint8_t* events_;
  Scratch scratch_;
  std::vector<const void*> inputs_;
  const bool last_makes_result_;
  size_t count_ = 0;
};

// ---- Reductions ----

bool is_na(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return std::isnan(x) && (bits & 0xFFFFFFFF) == (kNaBits & 0xFFFFFFFF);
}

void note_nans(const double* x, size_t count, Totals& totals) {
  for (size_t i = 0; i < count; ++i) {
    if (!std::isnan(x[i])) continue;
    (is_na(x[i]) ? totals.has_na : totals.has_nan) = true;
  }
}

// The elements that are no NaN, packed; their number.
size_t without_nans(const double* x, size_t count, double* to) {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i)
    if (!std::isnan(x[i])) to[kept++] = x[i];
  return kept;
}

// Where doubles do not suffice: an overflow on the way, infinities.
long double long_sum(const double* x, size_t count) {
  long double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += x[i];
  return sum;
}

// These return whether there may be a NaN among the elements.
bool add_sum(const double* x, size_t count, Totals& totals) {
  const TileSum sum = tile_kernels().sum(x, count);
  totals.sum += sum.finite ? static_cast<long double>(sum.sum) + sum.lost : long_sum(x, count);
  return !sum.finite;
}

bool add_product(const double* x, size_t count, Totals& totals) {
  for (size_t i = 0; i < count; ++i) totals.product *= x[i];
  return std::isnan(totals.product);
}

bool add_range(const double* x, size_t count, bool first, Totals& totals) {
  const TileRange range = tile_kernels().range(x, count);
  totals.least = first ? range.least : std::min(totals.least, range.least);
  totals.greatest = first ? range.greatest : std::max(totals.greatest, range.greatest);
  return range.has_nan;
}

bool add_doubles(Reduction reduction, const double* x, size_t count, bool first, Totals& totals) {
  if (reduction == Reduction::kSum || reduction == Reduction::kMean) return add_sum(x, count, totals);
  return reduction == Reduction::kProd ? add_product(x, count, totals) : add_range(x, count, first, totals);
}

void reduce_doubles(const Program& program, const double* x, size_t count, Totals& totals) {
  double kept[kTile];
  if (program.na_rm) {
    count = without_nans(x, count, kept);
    x = kept;
  }
  const bool first = totals.counted == 0;
  totals.counted += count;
  if (add_doubles(program.reduction, x, count, first, totals)) note_nans(x, count, totals);
}

void multiply(const int32_t* x, size_t count, Totals& totals) {
  for (size_t i = 0; i < count; ++i)
    if (x[i] != kNaInteger) totals.product *= x[i];
}

void reduce_integers(const Program& program, const int32_t* x, size_t count, Totals& totals) {
  const TileIntegers tile = tile_kernels().integers(x, count);
  if (program.reduction == Reduction::kProd) multiply(x, count, totals);
  totals.least_integer = totals.counted == 0 ? tile.least : std::min(totals.least_integer, tile.least);
  totals.greatest_integer = totals.counted == 0 ? tile.greatest : std::max(totals.greatest_integer, tile.greatest);
  totals.integer_sum += tile.sum;
  totals.counted += program.na_rm ? count - tile.missing : count;
  totals.has_na |= tile.missing > 0;
  totals.has_true |= tile.missing + tile.zeros < count;
  totals.has_false |= tile.zeros > 0;
}

void reduce(const Program& program, const void* tile, size_t count, Totals& totals) {
  if (program.type == Type::kDouble || program.type == Type::kFloat)
    reduce_doubles(program, static_cast<const double*>(tile), count, totals);
  else
    reduce_integers(program, static_cast<const int32_t*>(tile), count, totals);
}

void run_block(const Program& program, uint8_t* out, uint64_t begin, uint64_t end, Outcome& outcome) {
  TileRun run(program, outcome.events.data());
  const bool direct = program.type != Type::kFloat;  // the last step may write to `out`
  for (uint64_t at = begin; at < end; at += kTile) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(kTile, end - at));
    uint8_t* const target = out == nullptr ? nullptr : out + at * size_of(program.type);
    const void* const result = run.run(at, count, direct ? target : nullptr);
    if (target == nullptr)
      reduce(program, result, count, outcome.totals);
    else if (result != target)
      write_tile(result, program.type, count, target);
  }
}

// A function of the user's may take a second for an element. Depends on the program only: sums are sums of blocks.
uint64_t block_of(const Program& program) {
  const bool calls =
      std::any_of(program.steps.begin(), program.steps.end(), [](const Step& step) { return step.op == Op::kCall; });
  return calls ? std::clamp<uint64_t>(program.length / kCallBlocks, 1, kBlock) : kBlock;
}

}  // namespace

void add_outcome(Outcome& total, const Outcome& next, const Program& program) {
  if (total.events.empty()) total.events.resize(program.steps.size());
  for (size_t i = 0; i < next.events.size(); ++i)
    total.events[i] = static_cast<uint8_t>(total.events[i] | next.events[i]);
  Totals& to = total.totals;
  const Totals& from = next.totals;
  const bool first = to.counted == 0;
  if (from.counted > 0) {
    to.least = first ? from.least : std::min(to.least, from.least);
    to.greatest = first ? from.greatest : std::max(to.greatest, from.greatest);
    to.least_integer = first ? from.least_integer : std::min(to.least_integer, from.least_integer);
    to.greatest_integer = first ? from.greatest_integer : std::max(to.greatest_integer, from.greatest_integer);
  }
  to.sum += from.sum;
  to.integer_sum += from.integer_sum;
  to.product *= from.product;
  to.counted += from.counted;
  to.has_na |= from.has_na;
  to.has_nan |= from.has_nan;
  to.has_true |= from.has_true;
  to.has_false |= from.has_false;
}

Outcome evaluate(const Program& program, void* out, uint64_t begin, uint64_t end) {
  tile_kernels();  // chosen on this thread
  const size_t block = static_cast<size_t>(block_of(program));
  std::vector<Outcome> outcomes(static_cast<size_t>(end - begin + block - 1) / block);
  par::parallel_for(static_cast<size_t>(end - begin), block, [&](size_t from, size_t to) {
    Outcome& outcome = outcomes[from / block];
    outcome.events.resize(program.steps.size());
    run_block(program, static_cast<uint8_t*>(out), begin + from, begin + to, outcome);
  });
  Outcome total;
  total.events.resize(program.steps.size());
  for (const Outcome& outcome : outcomes) add_outcome(total, outcome, program);
  return total;
}

}  // namespace avenir::linalg
