#include "rng/lanes.h"

#include <atomic>

namespace avenir::rng {

namespace {

bool has(LaneWidth width) {
#ifdef __x86_64__
  if (width == LaneWidth::kAvx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  if (width == LaneWidth::kAvx2) return __builtin_cpu_supports("avx2");
#endif
  return width == LaneWidth::kScalar || width == LaneWidth::kNarrow;
}

std::atomic<LaneWidth>& chosen_width() {
  static std::atomic<LaneWidth> width{best_lane_width()};
  return width;
}

}  // namespace

LaneWidth lane_width() { return chosen_width().load(std::memory_order_relaxed); }

bool choose_lane_width(LaneWidth width) {
  if (!has(width)) return false;
  chosen_width().store(width, std::memory_order_relaxed);
  return true;
}

LaneWidth best_lane_width() {
  for (const LaneWidth width : {LaneWidth::kAvx512, LaneWidth::kAvx2})
    if (has(width)) return width;
  return LaneWidth::kNarrow;
}

const LaneKernels& lane_kernels() {
  const LaneWidth width = lane_width();
  if (width == LaneWidth::kAvx512) return avx512_kernels();
  return width == LaneWidth::kAvx2 ? avx2_kernels() : narrow_kernels();
}

}  // namespace avenir::rng
