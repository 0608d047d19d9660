#pragma once

#include "linalg/program.h"
#include "rbridge/r.h"

// Compiled functions of the user's (inst/include/avenir/threaded.h): R functions of class "avenir_compiled_function"
// with the attributes `pointer` and `arguments`.
namespace avenir::expression {

// The beginning of avenir/threaded.h's avenir::block, and the tag of the external pointers to such.
struct Block {
  linalg::BlockFunction function;
  void* data;
};
inline constexpr const char* kBlockTag = "avenir::block";

bool is_compiled(SEXP function);

// What such a pointer leads to. Throws kInvalid for one that is of something else, or was saved and read again.
const Block& block_at(SEXP pointer);

// Of is_compiled().
SEXP pointer_of(SEXP function);
int arguments_of(SEXP function);

}  // namespace avenir::expression
