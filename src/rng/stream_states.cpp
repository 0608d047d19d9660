#include "rng/stream_states.h"

namespace avenir::rng {

namespace {

constexpr unsigned kShift = 4;
static_assert(kLanes == std::size_t{1} << kShift);

}  // namespace

StreamStates::StreamStates(const State& first, bool substreams)
    : step_(substreams ? substream_step(kShift) : stream_step(kShift)) {
  State state = first;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    for (std::size_t i = 0; i < 6; ++i) lanes_.words[i][lane] = state.words[i];
    state = substreams ? jump_substreams(state, 1) : jump_streams(state, 1);
  }
}

State StreamStates::next() {
  if (lane_ == kLanes) {
    lane_kernels().jump(step_, lanes_);
    lane_ = 0;
  }
  State state;
  for (std::size_t i = 0; i < 6; ++i) state.words[i] = static_cast<std::uint32_t>(lanes_.words[i][lane_]);
  ++lane_;
  return state;
}

}  // namespace avenir::rng
