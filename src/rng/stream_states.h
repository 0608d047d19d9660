#pragma once

#include <cstddef>

#include "rng/lanes.h"
#include "rng/mrg32k3a.h"

namespace avenir::rng {

// A state and the states one, two, ... streams (or substreams) after it, computed many at a time.
class StreamStates {
 public:
  StreamStates(const State& first, bool substreams);

  State next();

 private:
  const Step& step_;  // as many streams as there are lanes
  WordLanes lanes_;
  std::size_t lane_ = 0;
};

}  // namespace avenir::rng
