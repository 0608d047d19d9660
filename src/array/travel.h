#pragma once

#include <R_ext/Rdynload.h>

#include "array/gpu_array.h"

// Arrays on their way to another process: their pointer holds an object that R writes as the elements when it writes
// for another process of ours, and as nothing when a file is written. At the other end the elements go to a device when
// they are first needed.
namespace avenir::array {

// Once, when the library is loaded.
void register_travelling_arrays(DllInfo* dll);

// What the pointer `pointer` to a node holds. Allocates: call it guarded.
SEXP elements_to_travel(SEXP pointer);

// The node of elements that have arrived; null when there are none in `held`.
NodePtr arrived_node(SEXP held);

}  // namespace avenir::array
