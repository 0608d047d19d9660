#pragma once

#include <cstdint>

#include "expression/functions.h"
#include "rbridge/r.h"

// The first look at an expression: is it one that threaded() computes, and what is it about?
namespace avenir::expression {

enum class Fault : uint8_t {
  kNone,
  kNoSymbol,   // the function is no name
  kUnknown,    // a function that is not computed
  kRedefined,  // a name of base R's that means something else here
  kDots,
  kMissing,  // an argument that is empty
  kTooLarge,
};

// Plain data: R may jump out of what fills it.
struct Analysis {
  static constexpr int kMostLeaves = 128;
  static constexpr int kMostCalls = 256;

  SEXP code[kMostLeaves];  // in the order in which they stand in the expression
  SEXP value[kMostLeaves];
  int leaves = 0;
  uint64_t length[kMostCalls];  // of each call's value, calls in the order in which they begin
  uint64_t inside[kMostCalls];  // and of the longest leaf in it
  int calls = 0;
  uint64_t longest = 0;  // of the leaves
  bool has_empty = false;
  bool has_compiled = false;  // functions of the user's
  bool has_objects = false;
  bool has_others = false;  // leaves that are no numbers or logicals
  Fault fault = Fault::kNone;
  SEXP what = R_NilValue;  // that the fault is about
};

// Evaluates the leaves in `env` and leaves their values protected, `leaves` of them. Call it guarded.
void analyse(SEXP code, SEXP env, Analysis& analysis);

// The function of that name that `code` would call, if it is a compiled one; else R_NilValue. Call it guarded.
SEXP find_compiled(SEXP symbol, SEXP env);

}  // namespace avenir::expression
