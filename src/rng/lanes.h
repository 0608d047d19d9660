#pragma once

#include <cstddef>
#include <cstdint>

#include "rng/recurrence.h"

// Several generators side by side, one a lane of the processor's registers: each draws a block of its own of one
// stream, since the recurrence itself is serial. A tile is rows of kLanes numbers, row r the r-th of each lane.
namespace avenir::rng {

inline constexpr std::size_t kLanes = 16;

// The last three values of both recurrences, by age, as whole numbers that may be negative: products stay below 2^53,
// and are exact, with residues on both sides of 0.
struct Lanes {
  alignas(64) double first[3][kLanes];
  alignas(64) double second[3][kLanes];
};

// A state in each lane, word after word.
struct WordLanes {
  alignas(64) std::uint64_t words[6][kLanes];
};

// Compiled for registers of one width; the numbers are the same bits for all.
struct LaneKernels {
  // The next `rows` uniform numbers of each lane.
  void (*draw)(Lanes& lanes, double* tile, std::size_t rows);

  // From 2 * rows rows of uniform numbers the normal ones that R's inversion makes of each two. At most
  // kInversionRows. In place.
  void (*invert)(double* tile, std::size_t rows);

  // Moves each lane's state by the step.
  void (*jump)(const Step& step, WordLanes& lanes);
};

inline constexpr std::size_t kInversionRows = 64;

// What the compiler takes for granted, and what the processor must be asked for. Elsewhere than on x86-64 all are the
// first.
const LaneKernels& narrow_kernels();
const LaneKernels& avx2_kernels();
const LaneKernels& avx512_kernels();

// How numbers are computed. The first is the reference, one number at a time; the others are the processor's registers.
enum class LaneWidth : std::uint8_t { kScalar, kNarrow, kAvx2, kAvx512 };

LaneWidth lane_width();

// That one; false when this processor lacks it (nothing changes then). Not while anything is computed. For tests.
bool choose_lane_width(LaneWidth width);
LaneWidth best_lane_width();

// Of the width that was chosen; of the narrow one for kScalar.
const LaneKernels& lane_kernels();

}  // namespace avenir::rng
