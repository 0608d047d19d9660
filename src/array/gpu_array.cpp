#include "array/gpu_array.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>

#include "array/travel.h"
#include "base/error.h"
#include "compute/library.h"
#include "expression/threaded.h"
#include "rbridge/entry_points.h"
#include "rbridge/unwind.h"
#include "sys/huge_pages.h"

namespace avenir::array {

namespace {

using base::Error;
using base::ErrorKind;

struct Symbols {
  SEXP node = Rf_install("node");
  SEXP dim = Rf_install("Dim");
  SEXP dimnames = Rf_install("Dimnames");
  SEXP names = Rf_install("Names");
  SEXP tag = Rf_install("avenir::node");
  SEXP class_name = PRINTNAME(Rf_install("gpu_array"));
};

const Symbols& symbols() {
  static const Symbols instance;
  return instance;
}

void finalize(SEXP pointer) {
  delete static_cast<NodePtr*>(R_ExternalPtrAddr(pointer));
  R_ClearExternalPtr(pointer);
}

// An object to copy, which takes a fifth of the time that new() takes. Guarded.
SEXP empty_array() {
  static SEXP empty = R_NilValue;
  if (empty == R_NilValue) {
    const SEXP definition = PROTECT(R_getClassDef("gpu_array"));
    empty = R_do_new_object(definition);
    R_PreserveObject(empty);
    UNPROTECT(1);
  }
  return empty;
}

void set_slot(SEXP object, SEXP name, SEXP value) {
  if (value != R_NilValue) R_do_slot_assign(object, name, value);
}

SEXPTYPE r_type(Type type) { return linalg::is_real(type) ? REALSXP : type == Type::kInteger ? INTSXP : LGLSXP; }

// Guarded.
void fill_pointer(SEXP pointer, std::unique_ptr<NodePtr>& owner) {
  R_RegisterCFinalizerEx(pointer, finalize, FALSE);
  R_SetExternalPtrAddr(pointer, owner.release());
  R_SetExternalPtrProtected(pointer, elements_to_travel(pointer));
}

// Of an array that has come from another process, with its elements; nullptr without.
const NodePtr* revive(SEXP pointer) {
  NodePtr node = arrived_node(R_ExternalPtrProtected(pointer));
  if (node == nullptr) return nullptr;
  auto owner = std::make_unique<NodePtr>(std::move(node));
  auto* const owned = &owner;
  rbridge::guarded([owned, pointer] { fill_pointer(pointer, *owned); });
  return static_cast<const NodePtr*>(R_ExternalPtrAddr(pointer));
}

}  // namespace

// By the class's name alone first: to ask what a class extends takes longer than an operation.
bool is_gpu_array(SEXP object) {
  if (Rf_isS4(object) == FALSE) return false;
  const SEXP classes = Rf_getAttrib(object, R_ClassSymbol);
  if (TYPEOF(classes) == STRSXP && Rf_xlength(classes) == 1 && STRING_ELT(classes, 0) == symbols().class_name)
    return true;
  return Rf_inherits(object, "gpu_array") == TRUE;
}

const NodePtr* found_node(SEXP array) {
  const SEXP pointer = R_do_slot(array, symbols().node);
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != symbols().tag)
    throw Error(ErrorKind::kInvalid, "this gpu_array has no elements: make one with gpu_array(), not with new().");
  const auto* const node = static_cast<NodePtr*>(R_ExternalPtrAddr(pointer));
  return node == nullptr ? revive(pointer) : node;
}

const NodePtr& node_of(SEXP array) {
  const NodePtr* const node = found_node(array);
  if (node == nullptr)
    throw Error(ErrorKind::kInvalid,
                "this gpu_array's memory is gone: it was saved to a file or sent to another process.\ni Save or send "
                "as.array(x) instead, and make a gpu_array of it there.");
  return *node;
}

Attributes attributes_of_array(SEXP array) {
  Attributes attributes;
  attributes.dim = R_do_slot(array, symbols().dim);
  attributes.dimnames = R_do_slot(array, symbols().dimnames);
  attributes.names = R_do_slot(array, symbols().names);
  return attributes;
}

SEXP new_array(rbridge::Keeper& keeper, NodePtr node, const Attributes& attributes) {
  auto owner = std::make_unique<NodePtr>(std::move(node));
  auto* const owned = &owner;
  const Attributes* const with = &attributes;
  return keeper.make([owned, with] {
    const SEXP pointer = PROTECT(R_MakeExternalPtr(nullptr, symbols().tag, R_NilValue));
    fill_pointer(pointer, *owned);
    const SEXP object = PROTECT(Rf_shallow_duplicate(empty_array()));
    R_do_slot_assign(object, symbols().node, pointer);
    set_slot(object, symbols().dim, with->dim);
    set_slot(object, symbols().dimnames, with->dimnames);
    set_slot(object, symbols().names, with->names);
    UNPROTECT(2);
    return object;
  });
}

// ---- Devices and types ----

namespace {

// A worker takes no more than its share of a GPU's memory (inst/worker/worker.R).
Device& shared_out(Device& gpu) {
  static std::set<const Device*> known;
  if (!known.insert(&gpu).second) return gpu;
  const char* const text = std::getenv("AVENIR_GPU_SHARE");
  const double share = text == nullptr ? 1 : std::atof(text);
  const device::Memory memory = gpu.memory();
  if (share > 0 && share < 1)
    gpu.set_limit(std::min(memory.limit, static_cast<uint64_t>(share * 0.9 * static_cast<double>(memory.total))));
  return gpu;
}

}  // namespace

Device& device_of(const std::string& name) {
  const compute::Api& library = expression::prepared_library();
  static const bool collects = [&library] {
    library.set_collector([] { rbridge::guarded([] { R_gc(); }); });
    return true;
  }();
  (void)collects;
  if (name == "cpu") return library.cpu_device();
  const bool is_auto = name == "auto";
  if (is_auto && (library.is_forked_from_gpu_user() || library.gpus().empty())) return library.cpu_device();
  const int index = is_auto ? 0 : std::stoi(name.substr(std::strlen("gpu:")));
  return shared_out(library.gpu_device(index));
}

Type type_of_name(const std::string& name) {
  for (const Type type : {Type::kDouble, Type::kFloat, Type::kInteger, Type::kLogical})
    if (name == name_of(type)) return type;
  throw Error(ErrorKind::kInternal, "internal: a type of array is \"" + name + "\"");
}

const char* name_of(Type type) {
  switch (type) {
    case Type::kDouble:
      return "double";
    case Type::kFloat:
      return "float";
    case Type::kInteger:
      return "integer";
    default:
      return "logical";
  }
}

Type type_of_vector(SEXP vector) {
  if (Rf_isObject(vector) == FALSE) {
    if (TYPEOF(vector) == REALSXP) return Type::kDouble;
    if (TYPEOF(vector) == INTSXP) return Type::kInteger;
    if (TYPEOF(vector) == LGLSXP) return Type::kLogical;
  }
  SEXP found = R_NilValue;
  SEXP* const target = &found;
  rbridge::guarded([vector, target] {
    const SEXP call = PROTECT(Rf_lang2(Rf_install("class"), vector));
    *target = Rf_eval(call, R_BaseEnv);
    UNPROTECT(1);
  });
  throw Error(ErrorKind::kInvalid,
              std::string("a gpu_array is made of, and computes with, ordinary numeric, integer and "
                          "logical vectors, arrays and matrices; this is of class \"") +
                  CHAR(STRING_ELT(found, 0)) + "\".\ni Convert it, for instance with as.numeric().");
}

// ---- Elements ----

NodePtr upload(SEXP vector, Type type, Device& device) {
  type_of_vector(vector);
  rbridge::Keeper keeper;
  const SEXPTYPE wanted = r_type(type);
  const SEXP elements = static_cast<SEXPTYPE>(TYPEOF(vector)) == wanted
                            ? vector
                            : keeper.make([vector, wanted] { return Rf_coerceVector(vector, wanted); });
  const void* data = nullptr;
  const void** const target = &data;
  rbridge::guarded([elements, target] { *target = DATAPTR_RO(elements); });
  const auto length = static_cast<uint64_t>(Rf_xlength(elements));
  device::Buffer buffer = device.allocate(type, length);
  if (length > 0) device.put(data, buffer, 0, length);
  return std::make_shared<lazy::Node>(std::move(buffer));
}

SEXP elements_of(rbridge::Keeper& keeper, const NodePtr& node) {
  expression::prepared_library();
  const device::Buffer& buffer = node->buffer();
  const SEXPTYPE type = r_type(buffer.type());
  const auto length = static_cast<R_xlen_t>(buffer.length());
  const SEXP vector = keeper.make([type, length] { return Rf_allocVector(type, length); });
  sys::prefer_huge_pages(rbridge::own_elements(vector),
                         buffer.length() * (type == REALSXP ? sizeof(double) : sizeof(int32_t)));
  if (length > 0) buffer.device().get(buffer, 0, buffer.length(), rbridge::own_elements(vector));
  return vector;
}

SEXP fetch(rbridge::Keeper& keeper, const NodePtr& node) {
  const SEXP vector = elements_of(keeper, node);
  raise_warnings(node->device());
  return vector;
}

void raise_warnings(Device& device) {
  const uint8_t events = device.take_events();
  for (const auto& [event, text] : {std::pair{linalg::kNanProduced, "NaNs produced"},
                                    {linalg::kOverflow, "NAs produced by integer overflow"},
                                    {linalg::kPrecisionLost, "probable complete loss of accuracy in modulus"}}) {
    if ((events & event) == 0) continue;
    const char* const message = text;
    rbridge::guarded([message] { Rf_warningcall(R_NilValue, "%s", message); });
  }
}

}  // namespace avenir::array
