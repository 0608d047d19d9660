#pragma once

#include "rbridge/r.h"

namespace avenir::expression {

// The attributes that a result of base R's functions would have: those of one or two operands. Borrowed from objects
// that somebody else protects.
struct Attributes {
  SEXP names = R_NilValue;
  SEXP dim = R_NilValue;
  SEXP dimnames = R_NilValue;
  SEXP most[2] = {R_NilValue, R_NilValue};  // objects whose other attributes go over, the second first

  bool none() const {
    return names == R_NilValue && dim == R_NilValue && dimnames == R_NilValue && most[0] == R_NilValue &&
           most[1] == R_NilValue;
  }
};

// One operand of a function, for the rules below.
struct Side {
  const Attributes* attributes;
  R_xlen_t length;
};

Attributes attributes_of(SEXP object);

// As of +, * and so on (`all`), or of comparisons and logic, which take names, dim and dimnames only. False when both
// are arrays of different extents, or one is an array and the other has more elements.
bool combine_attributes(const Side& x, const Side& y, R_xlen_t length, bool all, Attributes& result);

// Names, dim and dimnames only.
Attributes shape_of(const Attributes& attributes);

// R allocates: call it guarded. `object` has none yet.
void set_attributes(SEXP object, const Attributes& attributes);

// TRUE when `object` has just these names, dim and dimnames and nothing else, and they are the same objects.
bool has_these(SEXP object, const Attributes& attributes);

}  // namespace avenir::expression
