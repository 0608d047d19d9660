#pragma once

// R's entry points, by version: what came with 4.6.0 replaces what the checks of that version refuse.
#include "rbridge/r.h"

namespace avenir::rbridge {

// The elements of a vector that nobody else has and that is no ALTREP object.
inline void* own_elements(SEXP vector) { return const_cast<void*>(DATAPTR_RO(vector)); }

#if R_VERSION < R_Version(4, 6, 0)

// The value of `symbol` in `env` itself, a promise forced; R_UnboundValue when there is none.
inline SEXP variable(SEXP symbol, SEXP env) {
  const SEXP value = Rf_findVarInFrame(env, symbol);
  return TYPEOF(value) == PROMSXP ? Rf_eval(value, env) : value;
}

// No argument, neither given nor missing, and not computed when it is asked for.
inline bool is_plain_variable(SEXP symbol, SEXP env) {
  if (R_existsVarInFrame(env, symbol) != TRUE || R_BindingIsActive(symbol, env)) return false;
  const SEXP value = Rf_findVarInFrame(env, symbol);
  return TYPEOF(value) != PROMSXP && value != R_MissingArg;
}

inline SEXP options_list() { return Rf_findVar(Rf_install(".Options"), R_BaseEnv); }

inline bool is_loaded(const char* package) {
  return Rf_findVarInFrame(R_NamespaceRegistry, Rf_install(package)) != R_UnboundValue;
}

inline bool has_attributes(SEXP object) { return ATTRIB(object) != R_NilValue; }

// Whether test(name, value) is true of an attribute; the first one ends it. Without R's own views of some attributes.
template <typename Test>
bool any_attribute(SEXP object, Test test) {
  for (SEXP at = ATTRIB(object); at != R_NilValue; at = CDR(at))
    if (test(TAG(at), CAR(at))) return true;
  return false;
}

#else

inline SEXP variable(SEXP symbol, SEXP env) { return R_getVarEx(symbol, env, FALSE, R_UnboundValue); }

inline bool is_plain_variable(SEXP symbol, SEXP env) { return R_GetBindingType(symbol, env) == R_BindingTypeValue; }

inline SEXP options_list() { return R_getVar(Rf_install(".Options"), R_BaseEnv, FALSE); }

inline bool is_loaded(const char* package) { return R_getRegisteredNamespace(package) != R_NilValue; }

inline bool has_attributes(SEXP object) { return ANY_ATTRIB(object) != 0; }

template <typename Test>
bool any_attribute(SEXP object, Test test) {
  const auto call = [](SEXP name, SEXP value, void* data) -> SEXP {
    return (*static_cast<Test*>(data))(name, value) ? R_NilValue : nullptr;
  };
  return R_mapAttrib(object, call, &test) != nullptr;
}

#endif

}  // namespace avenir::rbridge
