#include <cstddef>
#include <cstdint>
#include <cstring>

#include "rng/lanes.h"
#include "rng/mrg32k3a.h"
#include "rng/recurrence.h"

#ifdef __x86_64__

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl,avx2,fma")
#endif

#define AVENIR_WIDTH avx512
#define AVENIR_VECTOR_BYTES 64
#include "rng/lane_draws.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif

namespace avenir::rng {

// Registers of this width come with fused instructions, which invert() may not use; jump() has no need of them.
const LaneKernels& avx512_kernels() {
#ifdef __x86_64__
  static const LaneKernels kernels = {avx512::draw, avx2_kernels().invert, avx2_kernels().jump};
  return kernels;
#else
  return narrow_kernels();
#endif
}

}  // namespace avenir::rng
