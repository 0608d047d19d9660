#pragma once

#include "linalg/program.h"
#include "rbridge/r.h"

// The functions of base R that threaded() computes.
namespace avenir::expression {

enum class Kind : uint8_t {
  kArithmetic,  // + - * / ^ %% %/%, of one or two arguments
  kComparison,
  kLogic,  // & |
  kNot,
  kXor,
  kParenthesis,
  kMath,  // of one number, elementwise
  kLog,   // log() with a base
  kAtan2,
  kAbs,
  kRound,  // without digits
  kIfElse,
  kExtremes,    // pmin() and pmax()
  kQuestion,    // is.na() and the like
  kConversion,  // as.numeric() and the like
  kReduction,
  kLeaf,  // evaluated by R itself: x[1], x$y, length(x)
};

struct Function {
  const char* name;
  Kind kind;
  linalg::Op op = linalg::Op::kCopyD;          // of doubles, where it is one step
  linalg::Op integer_op = linalg::Op::kCopyI;  // of integers
  linalg::Reduction reduction = linalg::Reduction::kNone;
};

// nullptr: none of them.
const Function* find_function(SEXP symbol);

}  // namespace avenir::expression
