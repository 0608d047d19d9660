#include "expression/analysis.h"

#include <algorithm>
#include <cstring>

#include "expression/compiled.h"
#include "rbridge/entry_points.h"

namespace avenir::expression {

namespace {

uint64_t fail(Analysis& analysis, Fault fault, SEXP what) {
  if (analysis.fault == Fault::kNone) {
    analysis.fault = fault;
    analysis.what = what;
  }
  return 0;
}

bool is_number(SEXP value) { return TYPEOF(value) == REALSXP || TYPEOF(value) == INTSXP || TYPEOF(value) == LGLSXP; }

uint64_t add_leaf(SEXP code, SEXP value, Analysis& analysis) {
  if (analysis.leaves == Analysis::kMostLeaves) return fail(analysis, Fault::kTooLarge, code);
  analysis.code[analysis.leaves] = code;
  analysis.value[analysis.leaves++] = PROTECT(value);
  const uint64_t length = static_cast<uint64_t>(Rf_xlength(value));
  analysis.longest = std::max(analysis.longest, length);
  analysis.has_empty |= length == 0;
  analysis.has_objects |= Rf_isObject(value) != 0;
  analysis.has_others |= !is_number(value);
  return length;
}

SEXP base_function(SEXP symbol) { return rbridge::variable(symbol, R_BaseEnv); }

uint64_t walk(SEXP code, SEXP env, Analysis& analysis);

// The longest argument's length; the first one's for `first_only`.
uint64_t walk_arguments(SEXP code, SEXP env, bool first_only, Analysis& analysis) {
  uint64_t longest = 0;
  bool first = true;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) {
    const uint64_t length = walk(CAR(at), env, analysis);
    if (first || !first_only) longest = std::max(longest, length);
    first = false;
  }
  return longest;
}

// Or an S4 generic made of it, whose default method it is.
bool is_base_function(SEXP function, SEXP symbol) {
  if (function == base_function(symbol)) return true;
  if (Rf_isS4(function) == FALSE) return false;
  const SEXP package = Rf_getAttrib(function, Rf_install("package"));
  return TYPEOF(package) == STRSXP && Rf_xlength(package) == 1 &&
         std::strcmp(CHAR(STRING_ELT(package, 0)), "base") == 0;
}

uint64_t walk_call(SEXP code, SEXP env, Analysis& analysis) {
  const SEXP head = CAR(code);
  if (TYPEOF(head) != SYMSXP) return fail(analysis, Fault::kNoSymbol, code);
  const SEXP actual = Rf_findFun(head, env);
  const Function* const function = find_function(head);
  if (function == nullptr) {
    if (!is_compiled(actual)) return fail(analysis, Fault::kUnknown, head);
    analysis.has_compiled = true;
  } else if (!is_base_function(actual, head)) {
    return fail(analysis, Fault::kRedefined, head);
  } else if (function->kind == Kind::kLeaf) {
    return add_leaf(code, Rf_eval(code, env), analysis);
  }
  if (analysis.calls == Analysis::kMostCalls) return fail(analysis, Fault::kTooLarge, code);
  const int call = analysis.calls++;
  const uint64_t before = analysis.longest;
  analysis.longest = 0;
  const bool first_only = function != nullptr && function->kind == Kind::kIfElse;
  uint64_t length = walk_arguments(code, env, first_only, analysis);
  const bool converts = function != nullptr && function->kind == Kind::kConversion;
  analysis.has_empty |= converts && CDR(code) == R_NilValue;  // as.integer() is integer(0)
  if (function != nullptr && function->kind == Kind::kReduction)
    length = function->reduction == linalg::Reduction::kRange ? 2 : 1;
  analysis.inside[call] = analysis.longest;
  analysis.longest = std::max(before, analysis.longest);
  return analysis.length[call] = length;
}

uint64_t walk(SEXP code, SEXP env, Analysis& analysis) {
  if (analysis.fault != Fault::kNone) return 0;
  switch (TYPEOF(code)) {
    case LANGSXP:
      return walk_call(code, env, analysis);
    case SYMSXP:
      if (code == R_DotsSymbol) return fail(analysis, Fault::kDots, code);
      if (code == R_MissingArg) return fail(analysis, Fault::kMissing, code);
      return add_leaf(code, Rf_eval(code, env), analysis);
    default:
      return add_leaf(code, code, analysis);
  }
}

}  // namespace

void analyse(SEXP code, SEXP env, Analysis& analysis) { walk(code, env, analysis); }

SEXP find_compiled(SEXP symbol, SEXP env) {
  const SEXP actual = Rf_findFun(symbol, env);
  return is_compiled(actual) ? actual : R_NilValue;
}

}  // namespace avenir::expression
