#pragma once

#include <cstdint>
#include <optional>

#include "rbridge/r.h"
#include "rng/mrg32k3a.h"

namespace avenir::worker {

// x[[i]] (from 0) of a plain vector or list. Not protected.
SEXP vector_element(SEXP x, R_xlen_t i);

// The call function(<value>), with a value that is code or a symbol quoted. Not protected; `value` need not be.
SEXP call_on(SEXP function, SEXP value);

// The random streams of a map's elements, derived from one state.
class Streams {
 public:
  // `state`: the seven numbers of a `.Random.seed`.
  explicit Streams(const int32_t* state);

  // Puts an element's stream in place, as `.Random.seed`. Costs least when elements come in order.
  void install(uint64_t element);

 private:
  int kind_;
  rng::ElementStates states_;
  uint64_t next_ = 0;
};

}  // namespace avenir::worker
