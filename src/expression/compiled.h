#pragma once

#include "linalg/program.h"
#include "rbridge/r.h"

// Compiled functions of the user's (inst/include/avenir.h): R functions of class "avenir_compiled_function" whose
// attribute `pointer` leads to a linalg::BlockFunction.
namespace avenir::expression {

// The tag of the external pointers that avenir.h makes.
inline constexpr const char* kBlockFunctionTag = "avenir::block_function";

bool is_compiled(SEXP function);

// What such a pointer leads to. Throws kInvalid for one that is of something else, or was saved and read again.
linalg::BlockFunction function_at(SEXP pointer);

// Of is_compiled().
SEXP pointer_of(SEXP function);
int arguments_of(SEXP function);

}  // namespace avenir::expression
