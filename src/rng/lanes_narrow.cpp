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
#endif

#define AVENIR_WIDTH narrow
#define AVENIR_VECTOR_BYTES 16
#include "rng/lane_draws.h"
#include "rng/lane_inversion.h"
#include "rng/lane_jumps.h"

namespace avenir::rng {

const LaneKernels& narrow_kernels() {
  static constexpr LaneKernels kKernels = {narrow::draw, narrow::invert, narrow::jump};
  return kKernels;
}

}  // namespace avenir::rng
