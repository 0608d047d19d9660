#include "rng/fill.h"

#include <algorithm>

#include "rng/exact_rounding.h"
#include "rng/inversion.h"
#include "rng/lanes.h"

namespace avenir::rng {

namespace {

struct Scale {
  double offset, factor;
};

// What a number is made of.
struct Uniform {
  static constexpr std::size_t kDraws = 1;
  static double next_number(State& state) { return next(state); }
  static void finish(const LaneKernels&, double*, std::size_t) {}
};

struct Normal {
  static constexpr std::size_t kDraws = 2;
  static double next_number(State& state) {
    const double u = next(state);
    return normal_number(u, next(state));
  }
  static void finish(const LaneKernels& kernels, double* tile, std::size_t rows) { kernels.invert(tile, rows); }
};

template <typename Number>
void fill_in_order(State state, std::size_t count, const Scale& scale, double* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale.offset + scale.factor * Number::next_number(state);
}

// Lane i begins `distance` draws after lane i - 1. Returns where another one would.
State set_lanes(State state, std::uint64_t distance, Lanes& lanes) {
  for (std::size_t lane = 0; lane < kLanes; ++lane, state = advance(state, distance)) {
    for (std::size_t i = 0; i < 3; ++i) {
      lanes.first[i][lane] = state.words[i];
      lanes.second[i][lane] = state.words[i + 3];
    }
  }
  return state;
}

// Lane after lane lies `each` numbers apart.
void write_tile(const double* tile, std::size_t rows, const Scale& scale, std::size_t each, double* out) {
  for (std::size_t lane = 0; lane < kLanes; ++lane, out += each) {
    for (std::size_t row = 0; row < rows; ++row) out[row] = scale.offset + scale.factor * tile[row * kLanes + lane];
  }
}

template <typename Number>
State fill_lanes(const LaneKernels& kernels, const State& state, std::size_t each, const Scale& scale, double* out) {
  alignas(64) double tile[Number::kDraws * kInversionRows * kLanes];
  Lanes lanes;
  const State end = set_lanes(state, each * Number::kDraws, lanes);
  for (std::size_t row = 0; row < each; row += kInversionRows) {
    const std::size_t rows = std::min(kInversionRows, each - row);
    kernels.draw(lanes, tile, rows * Number::kDraws);
    Number::finish(kernels, tile, rows);
    write_tile(tile, rows, scale, each, out + row);
  }
  return end;
}

// Fewer in a lane are not worth the jumps.
constexpr std::size_t kLeastRows = 32;

template <typename Number>
void fill(const State& base, std::uint64_t begin, std::size_t count, const Scale& scale, double* out) {
  State state = advance(base, begin * Number::kDraws);
  const std::size_t each = lane_width() == LaneWidth::kScalar ? 0 : count / kLanes;
  std::size_t done = 0;
  if (each >= kLeastRows) {
    state = fill_lanes<Number>(lane_kernels(), state, each, scale, out);
    done = each * kLanes;
  }
  fill_in_order<Number>(state, count - done, scale, out + done);
}

// 0 + 1 * x changes no bit of a number that is drawn.
template <typename Number>
void fill_recycled(const State& state, std::uint64_t begin, std::size_t count, const Numbers& offset,
                   const Numbers& factor, double* out) {
  if (offset.count == 1 && factor.count == 1)
    return fill<Number>(state, begin, count, {offset.first[0], factor.first[0]}, out);
  fill<Number>(state, begin, count, {0, 1}, out);
  for (std::size_t i = 0; i < count; ++i) out[i] = offset.at(begin + i) + factor.at(begin + i) * out[i];
}

}  // namespace

void fill_uniform(const State& state, std::uint64_t begin, std::size_t count, const Numbers& offset,
                  const Numbers& factor, double* out) {
  fill_recycled<Uniform>(state, begin, count, offset, factor, out);
}

void fill_normal(const State& state, std::uint64_t begin, std::size_t count, const Numbers& offset,
                 const Numbers& factor, double* out) {
  fill_recycled<Normal>(state, begin, count, offset, factor, out);
}

}  // namespace avenir::rng
