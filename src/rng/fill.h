#pragma once

#include <cstddef>
#include <cstdint>

#include "rng/mrg32k3a.h"

// Blocks of the numbers that R draws from a state, for any thread to fill: where a block begins and how long it is
// makes no difference to its numbers, and neither does the processor.
namespace avenir::rng {

// Numbers over and over: of element i the one at i modulo `count`.
struct Numbers {
  const double* first;
  std::uint64_t count;

  double at(std::uint64_t i) const { return first[count == 1 ? 0 : i % count]; }
};

// Elements begin, begin + 1, ... of offset + factor * runif() from `state`.
void fill_uniform(const State& state, std::uint64_t begin, std::size_t count, const Numbers& offset,
                  const Numbers& factor, double* out);

// The same of rnorm(), with R's default method, inversion: each takes two draws.
void fill_normal(const State& state, std::uint64_t begin, std::size_t count, const Numbers& offset,
                 const Numbers& factor, double* out);

// A good length of a block: long against the jump to its begin, short against the nearest cache but one. Not a
// power of two, so that lanes do not write to the same places of a cache.
inline constexpr std::size_t kFillBlock = 65664;

}  // namespace avenir::rng
