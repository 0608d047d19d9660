#pragma once

#include <array>
#include <cstdint>
#include <string>

// MRG32k3a, the generator that R calls "L'Ecuyer-CMRG": two linear recurrences of order three, so that going
// any number of steps ahead is a product with a power of a 3 x 3 matrix modulo a prime.
//
// P. L'Ecuyer (1999), Good parameters and implementations for combined multiple recursive random number
// generators, Operations Research 47. P. L'Ecuyer et al. (2002), An object-oriented random-number package
// with many long streams and substreams, Operations Research 50.
//
// Nothing here allocates, throws or keeps state of its own, except where said: all of it may be called from
// any thread. Results agree word by word with R's own generator and with parallel::nextRNGStream().
namespace avenir::rng {

// The moduli of the two recurrences: words 0 to 2 of a state lie below the first, 3 to 5 below the other.
inline constexpr std::uint32_t kModulus1 = 4294967087U;
inline constexpr std::uint32_t kModulus2 = 4294944443U;

// The six words of `.Random.seed[2:7]`, in R's order. R holds the same bits in signed integers; its
// NA_integer_ is the word 2147483648, a state like any other.
struct State {
  std::array<std::uint32_t, 6> words;
};

inline bool operator==(const State& a, const State& b) { return a.words == b.words; }
inline bool operator!=(const State& a, const State& b) { return !(a == b); }

// The state in a `.Random.seed` of seven integers, whose first is the kind of generator; and back.
State state_of_seed(const std::int32_t* seed);
void write_seed(const State& state, std::int32_t kind, std::int32_t* seed);

// Why `state` cannot be used, as the end of a sentence that begins with "the state"; empty when it can.
// Allocates. Every function below needs a state for which this is empty: R replaces any other silently by one
// made from the clock.
std::string describe_fault(const State& state);

// Draws before a state comes again: nearly 2^191. No jump may go further.
inline constexpr unsigned kPeriodBits = 191;

// n * 2^shift streams ahead: so many times parallel::nextRNGStream(), of 2^127 draws each. One product per bit set in
// n.
State jump_streams(const State& state, std::uint64_t n, unsigned shift = 0);

// n * 2^shift substreams ahead: so many times parallel::nextRNGSubStream(), of 2^76 draws each.
State jump_substreams(const State& state, std::uint64_t n, unsigned shift = 0);

// k * 2^shift draws ahead: the state after so many calls of next().
State advance(const State& state, std::uint64_t k, unsigned shift = 0);

// The next uniform number in (0, 1), the double that R's unif_rand() gives; moves the state one draw ahead.
double next(State& state);

// The state in which element i (counted from 0) of a map starts: the first substream of stream i of `base`.
//
// This is future's rule, kept for its numbers. It has a price: in a map nested in another, element j within
// element i starts where element j - 1 within element i + 1 does.
State element_state(const State& base, std::uint64_t i);

// The same states in order: element_state(base, i), element_state(base, i + 1), ... at two products each.
class ElementStates {
 public:
  explicit ElementStates(const State& base) : base_(base), stream_(base) {}

  // The following next() gives the state of element i. Costs one product per bit set in i.
  void seek(std::uint64_t i) { stream_ = jump_streams(base_, i); }

  State next();

 private:
  State base_;
  State stream_;
};

}  // namespace avenir::rng
