#pragma once

#include <string>

#include "expression/attributes.h"
#include "lazy/node.h"
#include "rbridge/keeper.h"
#include "rbridge/r.h"

// R's side of gpu_array (R/gpu-array.R): S4 objects whose slot `node` is an external pointer to a node; `Dim`,
// `Dimnames` and `Names` are R's attributes of an array or vector.
namespace avenir::array {

using device::Device;
using expression::Attributes;
using lazy::NodePtr;
using linalg::Type;

bool is_gpu_array(SEXP object);

// nullptr when the object was saved, or sent to another process: its elements are gone.
const NodePtr* found_node(SEXP array);
// Throws kInvalid instead.
const NodePtr& node_of(SEXP array);
// Borrowed from the object's slots.
Attributes attributes_of_array(SEXP array);

// A new object; protected by the keeper. The attributes' `most` is left out.
SEXP new_array(rbridge::Keeper& keeper, NodePtr node, const Attributes& attributes = {});

// "auto", "cpu", "gpu:0", ...: the session's device, the CPU or a GPU. Loads what is needed.
Device& device_of(const std::string& name);

// "double", "float", "integer", "logical".
Type type_of_name(const std::string& name);
const char* name_of(Type type);

// The elements of an R vector (double, integer or logical; converted if need be) on a device.
NodePtr upload(SEXP vector, Type type, Device& device);
// An R vector of the elements, without attributes, protected by the keeper; and the same with the warnings that have
// gathered.
SEXP elements_of(rbridge::Keeper& keeper, const NodePtr& node);
SEXP fetch(rbridge::Keeper& keeper, const NodePtr& node);

// R's warnings for what happened on a device since the last call.
void raise_warnings(Device& device);

// The type of an R vector; throws kInvalid, naming the class, for what is no ordinary numeric, integer or logical one.
Type type_of_vector(SEXP vector);

}  // namespace avenir::array
