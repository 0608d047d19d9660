#include "expression/compiled.h"

#include "base/error.h"

namespace avenir::expression {

bool is_compiled(SEXP function) { return Rf_isObject(function) && Rf_inherits(function, "avenir_compiled_function"); }

SEXP pointer_of(SEXP function) { return Rf_getAttrib(function, Rf_install("pointer")); }

int arguments_of(SEXP function) { return Rf_asInteger(Rf_getAttrib(function, Rf_install("arguments"))); }

linalg::BlockFunction function_at(SEXP pointer) {
  using base::Error;
  using base::ErrorKind;
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != Rf_install(kBlockFunctionTag))
    throw Error(ErrorKind::kInvalid,
                "the pointer of a compiled function must come from avenir::block_pointer() of "
                "avenir.h");
  const auto* const cell = static_cast<linalg::BlockFunction*>(R_ExternalPtrAddr(pointer));
  if (cell == nullptr || *cell == nullptr)
    throw Error(ErrorKind::kInvalid,
                "this compiled function is gone: it was saved to a file or sent to another "
                "process; compile it there");
  return *cell;
}

}  // namespace avenir::expression
