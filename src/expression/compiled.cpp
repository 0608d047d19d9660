#include "expression/compiled.h"

#include "base/error.h"

namespace avenir::expression {

bool is_compiled(SEXP function) { return Rf_isObject(function) && Rf_inherits(function, "avenir_compiled_function"); }

SEXP pointer_of(SEXP function) { return Rf_getAttrib(function, Rf_install("pointer")); }

int arguments_of(SEXP function) { return Rf_asInteger(Rf_getAttrib(function, Rf_install("arguments"))); }

const Block& block_at(SEXP pointer) {
  using base::Error;
  using base::ErrorKind;
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != Rf_install(kBlockTag))
    throw Error(ErrorKind::kInvalid,
                "the pointer of a compiled function must come from avenir::block_pointer() of avenir/threaded.h");
  const auto* const block = static_cast<const Block*>(R_ExternalPtrAddr(pointer));
  if (block == nullptr)
    throw Error(ErrorKind::kInvalid,
                "this compiled function is gone: it was saved to a file or sent to another process; compile it there");
  return *block;
}

}  // namespace avenir::expression
