#include "expression/attributes.h"

#include <initializer_list>

#include "rbridge/entry_points.h"

namespace avenir::expression {

namespace {

SEXP find(SEXP object, SEXP name) {
  SEXP found = R_NilValue;
  rbridge::any_attribute(object, [name, &found](SEXP tag, SEXP value) {
    if (tag == name) found = value;
    return tag == name;
  });
  return found;
}

bool is_shape(SEXP name) { return name == R_NamesSymbol || name == R_DimSymbol || name == R_DimNamesSymbol; }

bool has_others(SEXP object) {
  return rbridge::any_attribute(object, [](SEXP name, SEXP) { return !is_shape(name); });
}

bool same_extents(SEXP a, SEXP b) {
  if (Rf_xlength(a) != Rf_xlength(b)) return false;
  for (R_xlen_t i = 0; i < Rf_xlength(a); ++i)
    if (INTEGER(a)[i] != INTEGER(b)[i]) return false;
  return true;
}

}  // namespace

Attributes attributes_of(SEXP object) {
  Attributes attributes;
  if (!rbridge::has_attributes(object)) return attributes;
  attributes.names = find(object, R_NamesSymbol);
  attributes.dim = find(object, R_DimSymbol);
  attributes.dimnames = find(object, R_DimNamesSymbol);
  if (has_others(object)) attributes.most[0] = object;
  return attributes;
}

Attributes shape_of(const Attributes& attributes) {
  Attributes shape = attributes;
  shape.most[0] = shape.most[1] = R_NilValue;
  return shape;
}

// R_binary() and relop() in src/main/arithmetic.c and relop.c.
bool combine_attributes(const Side& x, const Side& y, R_xlen_t length, bool all, Attributes& result) {
  // An array of one element is a vector beside a longer one.
  const auto is_array = [](const Side& one, const Side& other) {
    return one.attributes->dim != R_NilValue && (one.length != 1 || other.length == 1);
  };
  const bool x_array = is_array(x, y), y_array = is_array(y, x);
  if (x_array && y_array && !same_extents(x.attributes->dim, y.attributes->dim)) return false;
  if (x_array || y_array) {
    if ((x_array ? x : y).length < length) return false;
    result.dim = (x_array ? x : y).attributes->dim;
    result.dimnames = x_array && x.attributes->dimnames != R_NilValue ? x.attributes->dimnames
                      : y_array                                       ? y.attributes->dimnames
                                                                      : R_NilValue;
  } else if (x.attributes->names != R_NilValue && x.length == length) {
    result.names = x.attributes->names;
  } else if (y.length == length) {
    result.names = y.attributes->names;
  }
  if (!all) return true;
  SEXP* next = result.most;
  for (const Side& operand : {x, y}) {
    const SEXP most = operand.attributes->most[0];
    if (operand.length == length && most != R_NilValue && most != result.most[0]) *next++ = most;
  }
  return true;
}

void set_attributes(SEXP object, const Attributes& attributes) {
  for (int i = 1; i >= 0; --i)
    if (attributes.most[i] != R_NilValue) Rf_copyMostAttrib(attributes.most[i], object);
  if (attributes.dim != R_NilValue) Rf_setAttrib(object, R_DimSymbol, attributes.dim);
  if (attributes.dimnames != R_NilValue) Rf_setAttrib(object, R_DimNamesSymbol, attributes.dimnames);
  if (attributes.names != R_NilValue) Rf_setAttrib(object, R_NamesSymbol, attributes.names);
}

bool has_these(SEXP object, const Attributes& attributes) {
  if (attributes.most[0] != R_NilValue || attributes.most[1] != R_NilValue) return false;
  const Attributes own = attributes_of(object);
  return own.most[0] == R_NilValue && own.names == attributes.names && own.dim == attributes.dim &&
         own.dimnames == attributes.dimnames;
}

}  // namespace avenir::expression
