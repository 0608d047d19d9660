#include "array/travel.h"

#include <R_ext/Altrep.h>

#include "rbridge/entry_points.h"
#include "rbridge/raise.h"
#include "rbridge/travel.h"
#include "rbridge/unwind.h"

namespace avenir::array {

namespace {

constexpr const char* kClass = "avenir_elements";

R_altrep_class_t elements_class;

R_xlen_t no_length(SEXP) { return 0; }

// list(type, elements). Errors of a device become R's; what R itself raises goes on.
SEXP written(const NodePtr& node) {
  SEXP token = R_NilValue;
  const SEXP list = rbridge::raising([&]() -> SEXP {
    rbridge::Keeper keeper;
    try {
      const SEXP elements = elements_of(keeper, node);
      const char* const type = name_of(node->type());
      return keeper.make([elements, type] {
        const SEXP both = PROTECT(Rf_allocVector(VECSXP, 2));
        SET_VECTOR_ELT(both, 0, Rf_mkString(type));
        SET_VECTOR_ELT(both, 1, elements);
        UNPROTECT(1);
        return both;
      });
    } catch (const rbridge::RJump& jump) {
      token = jump.token;
      return R_NilValue;
    }
  });
  if (token != R_NilValue) R_ContinueUnwind(token);
  return list;
}

// R takes a null pointer for: write it as any vector. It is an empty one.
SEXP serialized_state(SEXP object) {
  const SEXP pointer = R_altrep_data1(object);
  const auto* const node = static_cast<NodePtr*>(R_ExternalPtrAddr(pointer));
  if (!rbridge::is_travelling() || node == nullptr) return nullptr;
  return written(*node);
}

// The methods for arrays, in a process that has none yet.
void prepare_process() {
  static bool prepared = false;
  if (prepared) return;
  const bool is_new = !rbridge::is_loaded("avenir");
  const SEXP name = PROTECT(Rf_mkString("avenir"));
  const SEXP space = PROTECT(R_FindNamespace(name));
  const SEXP call = PROTECT(Rf_lang2(Rf_install("receive_arrays"), PROTECT(Rf_ScalarLogical(is_new ? 1 : 0))));
  Rf_eval(call, space);
  UNPROTECT(4);
  prepared = true;
}

SEXP unserialize(SEXP, SEXP state) {
  prepare_process();
  return state;
}

}  // namespace

void register_travelling_arrays(DllInfo* dll) {
  elements_class = R_make_altreal_class(kClass, "avenir", dll);
  R_set_altrep_Length_method(elements_class, no_length);
  R_set_altrep_Serialized_state_method(elements_class, serialized_state);
  R_set_altrep_Unserialize_method(elements_class, unserialize);
}

SEXP elements_to_travel(SEXP pointer) { return R_new_altrep(elements_class, pointer, R_NilValue); }

NodePtr arrived_node(SEXP held) {
  if (TYPEOF(held) != VECSXP || Rf_xlength(held) != 2) return nullptr;
  const Type type = type_of_name(CHAR(STRING_ELT(VECTOR_ELT(held, 0), 0)));
  return upload(VECTOR_ELT(held, 1), type, device_of("auto"));
}

}  // namespace avenir::array
