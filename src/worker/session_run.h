#pragma once

#include "rbridge/output_connection.h"
#include "worker/elements.h"
#include "worker/surroundings.h"

namespace avenir::worker {

// Elements of a map that this session evaluates itself; see R/backend-sequential.R. All R objects are the caller's.
struct SessionRun {
  SEXP function;      // of one element
  SEXP x;             // a plain vector or list
  SEXP order;         // integer: the elements in the order in which they are evaluated; or NULL
  SEXP seeds;         // list: a state for each element; or NULL
  SEXP values;        // list, filled in place
  double* begun;      // how many elements were
  double* over;       // how many elements are
  SEXP capture;       // environment with the list `conditions`, and what Surroundings looks for
  SEXP watched_seed;  // a run ends when `.Random.seed` is another object; nullptr: it does not
  Streams* streams;
  const rbridge::PrintedOutput* output;
  Surroundings* surroundings;
};

// Evaluates until an element has something to relay (output, conditions, perhaps use of the generator or what it has
// left behind) or none is left.
// True when there is output or a condition. May jump: call it guarded.
bool evaluate_run(const SessionRun& run);

}  // namespace avenir::worker
