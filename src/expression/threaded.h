#pragma once

#include <cstdint>

#include "compute/api.h"
#include "rbridge/r.h"

namespace avenir::expression {

// The value of `code` in `env`, where a top-level `name <- ...` is carried out, in place when nobody else has the
// vector. Of few elements base R evaluates the expression: it is as fast.
//
// Options: `avenir.threads`, the number of threads; `avenir.threads.math`, the mathematical library. Functions of the
// package's namespace: default_threads(), method_of(x, names).
//
// Throws base::Error and RJump. The caller protects the value at once; warnings have been raised.
SEXP threaded(SEXP code, SEXP env);

// The second shared object, loaded if need be, with the number of threads and the mathematical library that the
// session's options ask for. May throw as threaded() does.
const compute::Api& prepared_library();

// From how many elements on base R does not; the number before (for tests).
uint64_t exchange_minimum(uint64_t elements);

}  // namespace avenir::expression
