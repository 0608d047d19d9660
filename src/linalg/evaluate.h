#pragma once

#include "linalg/program.h"

namespace avenir::linalg {

// Runs `program` over all tiles on par::threads() threads. `out` has room for the result's elements, and may be one of
// the inputs of that length; nullptr with a reduction. The same bits for any number of threads. `begin` and `end`
// delimit the elements to compute, `begin` a multiple of kSlice: so a caller can look for interrupts in between.
Outcome evaluate(const Program& program, void* out, uint64_t begin, uint64_t end);

// What one call with [a, c) gives is what two with [a, b) and [b, c) give together, added in this order.
void add_outcome(Outcome& total, const Outcome& next, const Program& program);

// Elements of a call of evaluate().
inline constexpr uint64_t kSlice = uint64_t{1} << 24;

// Elements that one thread computes at a time; a reduction's parts are these.
inline constexpr uint64_t kBlock = 16384;

}  // namespace avenir::linalg
