#include <cstddef>
#include <cstdint>
#include <cstring>

#include "rng/exact_rounding.h"
#include "rng/inversion.h"
#include "rng/lanes.h"
#include "rng/mrg32k3a.h"
#include "rng/recurrence.h"

#ifdef __x86_64__

#include <immintrin.h>

// Without the instructions that fuse: invert() may not use them, and draw() has no need of them.
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#define AVENIR_WIDTH avx2
#define AVENIR_VECTOR_BYTES 32
#include "rng/lane_draws.h"
#include "rng/lane_inversion.h"
#include "rng/lane_jumps.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif

namespace avenir::rng {

const LaneKernels& avx2_kernels() {
#ifdef __x86_64__
  static constexpr LaneKernels kKernels = {avx2::draw, avx2::invert, avx2::jump};
  return kKernels;
#else
  return narrow_kernels();
#endif
}

}  // namespace avenir::rng
