#include "rng/mrg32k3a.h"

#include <cstddef>

#include "rng/recurrence.h"

namespace avenir::rng {
namespace {

// Substreams and streams begin 2^76 and 2^127 draws apart.
constexpr std::size_t kSubstream = 76;
constexpr std::size_t kStream = 127;
constexpr std::size_t kPowers = kPeriodBits;

// A number congruent to x, smaller: 2^32 is congruent to 2^32 - Modulus, which has at most 15 bits.
template <std::uint32_t Modulus>
constexpr std::uint64_t fold(std::uint64_t x) {
  constexpr std::uint64_t kRest = (std::uint64_t{1} << 32) - Modulus;
  return (x >> 32) * kRest + (x & 0xffffffffU);
}

// Three products below 2^64 fold to below 2^47 each; their sum folds to below 2^33, then to below 2^32.
template <std::uint32_t Modulus>
constexpr std::uint32_t dot(const Row& row, std::uint32_t x, std::uint32_t y, std::uint32_t z) {
  const std::uint64_t sum = fold<Modulus>(std::uint64_t{row[0]} * x) + fold<Modulus>(std::uint64_t{row[1]} * y) +
                            fold<Modulus>(std::uint64_t{row[2]} * z);
  const std::uint64_t rest = fold<Modulus>(fold<Modulus>(sum));
  return static_cast<std::uint32_t>(rest >= Modulus ? rest - Modulus : rest);
}

template <std::uint32_t Modulus>
constexpr Matrix square(const Matrix& a) {
  Matrix product{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) product[i][j] = dot<Modulus>(a[i], a[0][j], a[1][j], a[2][j]);
  }
  return product;
}

// Element k is 2^k draws. Made by the compiler: read-only data, no initialization to order or to guard.
constexpr std::array<Step, kPowers> make_powers() {
  std::array<Step, kPowers> powers{};
  powers[0].first = {{{0, 1, 0}, {0, 0, 1}, {kModulus1 - kA13, kA12, 0}}};
  powers[0].second = {{{0, 1, 0}, {0, 0, 1}, {kModulus2 - kA23, 0, kA21}}};
  for (std::size_t k = 1; k < kPowers; ++k) {
    powers[k].first = square<kModulus1>(powers[k - 1].first);
    powers[k].second = square<kModulus2>(powers[k - 1].second);
  }
  return powers;
}

constexpr std::array<Step, kPowers> kPowersOfTwo = make_powers();

State apply(const Step& step, const State& state) {
  const auto& w = state.words;
  State out;
  for (std::size_t i = 0; i < 3; ++i) {
    out.words[i] = dot<kModulus1>(step.first[i], w[0], w[1], w[2]);
    out.words[i + 3] = dot<kModulus2>(step.second[i], w[3], w[4], w[5]);
  }
  return out;
}

// n * 2^unit draws ahead; less than 2^kPowers.
State jump(State state, std::size_t unit, std::uint64_t n) {
  for (; n != 0; n >>= 1, ++unit) {
    if ((n & 1) != 0) state = apply(kPowersOfTwo[unit], state);
  }
  return state;
}

std::string describe_half_fault(const State& state, std::size_t first, std::uint32_t modulus) {
  bool zero = true;
  for (std::size_t i = first; i < first + 3; ++i) {
    const std::uint32_t word = state.words[i];
    zero = zero && word == 0;
    if (word >= modulus) {
      return "has word " + std::to_string(i + 1) + " = " + std::to_string(word) + ", which must be below " +
             std::to_string(modulus);
    }
  }
  if (!zero) return {};
  return "has only zeros in words " + std::to_string(first + 1) + " to " + std::to_string(first + 3);
}

}  // namespace

const Step& stream_step(unsigned shift) { return kPowersOfTwo[kStream + shift]; }

const Step& substream_step(unsigned shift) { return kPowersOfTwo[kSubstream + shift]; }

const Step& draw_step(unsigned shift) { return kPowersOfTwo[shift]; }

State state_of_seed(const std::int32_t* seed) {
  State state;
  for (size_t i = 0; i < state.words.size(); ++i) state.words[i] = static_cast<std::uint32_t>(seed[i + 1]);
  return state;
}

void write_seed(const State& state, std::int32_t kind, std::int32_t* seed) {
  seed[0] = kind;
  for (size_t i = 0; i < state.words.size(); ++i) seed[i + 1] = static_cast<std::int32_t>(state.words[i]);
}

std::string describe_fault(const State& state) {
  std::string fault = describe_half_fault(state, 0, kModulus1);
  return fault.empty() ? describe_half_fault(state, 3, kModulus2) : fault;
}

State jump_streams(const State& state, std::uint64_t n, unsigned shift) { return jump(state, kStream + shift, n); }

State jump_substreams(const State& state, std::uint64_t n, unsigned shift) {
  return jump(state, kSubstream + shift, n);
}

State advance(const State& state, std::uint64_t k, unsigned shift) { return jump(state, shift, k); }

double next(State& state) {
  auto& w = state.words;
  const std::uint32_t x = dot<kModulus1>(kPowersOfTwo[0].first[2], w[0], w[1], w[2]);
  const std::uint32_t y = dot<kModulus2>(kPowersOfTwo[0].second[2], w[3], w[4], w[5]);
  w = {w[1], w[2], x, w[4], w[5], y};
  const std::int64_t difference = std::int64_t{x} - std::int64_t{y};
  return static_cast<double>(difference > 0 ? difference : difference + kModulus1) * kScale;
}

State element_state(const State& base, std::uint64_t i) { return jump_substreams(jump_streams(base, i), 1); }

State ElementStates::next() {
  const State element = jump_substreams(stream_, 1);
  stream_ = jump_streams(stream_, 1);
  return element;
}

}  // namespace avenir::rng
