#include "expression/functions.h"

#include <string>
#include <unordered_map>

namespace avenir::expression {

namespace {

using linalg::Op;
using linalg::Reduction;

const Function kFunctions[] = {
    {"+", Kind::kArithmetic, Op::kAddD, Op::kAddI},
    {"-", Kind::kArithmetic, Op::kSubD, Op::kSubI},
    {"*", Kind::kArithmetic, Op::kMulD, Op::kMulI},
    {"/", Kind::kArithmetic, Op::kDivD},
    {"^", Kind::kArithmetic, Op::kPow},
    {"%%", Kind::kArithmetic, Op::kModD, Op::kModI},
    {"%/%", Kind::kArithmetic, Op::kIdivD, Op::kIdivI},
    {"==", Kind::kComparison, Op::kEqD, Op::kEqI},
    {"!=", Kind::kComparison, Op::kNeD, Op::kNeI},
    {"<", Kind::kComparison, Op::kLtD, Op::kLtI},
    {"<=", Kind::kComparison, Op::kLeD, Op::kLeI},
    {">", Kind::kComparison, Op::kLtD, Op::kLtI},
    {">=", Kind::kComparison, Op::kLeD, Op::kLeI},
    {"&", Kind::kLogic, Op::kAnd, Op::kAnd},
    {"|", Kind::kLogic, Op::kOr, Op::kOr},
    {"!", Kind::kNot, Op::kNot, Op::kNot},
    {"xor", Kind::kXor},
    {"(", Kind::kParenthesis},
    {"exp", Kind::kMath, Op::kExp},
    {"expm1", Kind::kMath, Op::kExpm1},
    {"log", Kind::kLog, Op::kLog},
    {"log1p", Kind::kMath, Op::kLog1p},
    {"log2", Kind::kMath, Op::kLog2},
    {"log10", Kind::kMath, Op::kLog10},
    {"sin", Kind::kMath, Op::kSin},
    {"cos", Kind::kMath, Op::kCos},
    {"tan", Kind::kMath, Op::kTan},
    {"asin", Kind::kMath, Op::kAsin},
    {"acos", Kind::kMath, Op::kAcos},
    {"atan", Kind::kMath, Op::kAtan},
    {"sinh", Kind::kMath, Op::kSinh},
    {"cosh", Kind::kMath, Op::kCosh},
    {"tanh", Kind::kMath, Op::kTanh},
    {"asinh", Kind::kMath, Op::kAsinh},
    {"acosh", Kind::kMath, Op::kAcosh},
    {"atanh", Kind::kMath, Op::kAtanh},
    {"sinpi", Kind::kMath, Op::kSinpi},
    {"cospi", Kind::kMath, Op::kCospi},
    {"tanpi", Kind::kMath, Op::kTanpi},
    {"sqrt", Kind::kMath, Op::kSqrtD},
    {"floor", Kind::kMath, Op::kFloorD},
    {"ceiling", Kind::kMath, Op::kCeilingD},
    {"trunc", Kind::kMath, Op::kTruncD},
    {"sign", Kind::kMath, Op::kSignD},
    {"round", Kind::kRound, Op::kRoundD},
    {"abs", Kind::kAbs, Op::kAbsD, Op::kAbsI},
    {"atan2", Kind::kAtan2, Op::kAtan2},
    {"ifelse", Kind::kIfElse, Op::kIfElseD, Op::kIfElseI},
    {"pmin", Kind::kExtremes, Op::kMinD, Op::kMinI},
    {"pmax", Kind::kExtremes, Op::kMaxD, Op::kMaxI},
    {"is.na", Kind::kQuestion, Op::kIsNaD, Op::kIsNaI},
    {"is.nan", Kind::kQuestion, Op::kIsNanD},
    {"is.finite", Kind::kQuestion, Op::kIsFiniteD, Op::kIsFiniteI},
    {"is.infinite", Kind::kQuestion, Op::kIsInfiniteD},
    {"as.numeric", Kind::kConversion},
    {"as.double", Kind::kConversion},
    {"as.integer", Kind::kConversion, Op::kIntegerOfD},
    {"as.logical", Kind::kConversion, Op::kLogicalOfD, Op::kLogicalOfI},
    {"sum", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kSum},
    {"mean", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kMean},
    {"prod", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kProd},
    {"min", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kMin},
    {"max", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kMax},
    {"range", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kRange},
    {"any", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kAny},
    {"all", Kind::kReduction, Op::kCopyD, Op::kCopyI, Reduction::kAll},
    {"[", Kind::kLeaf},
    {"[[", Kind::kLeaf},
    {"$", Kind::kLeaf},
    {"@", Kind::kLeaf},
    {":", Kind::kLeaf},
    {"c", Kind::kLeaf},
    {"seq_len", Kind::kLeaf},
    {"seq_along", Kind::kLeaf},
    {"length", Kind::kLeaf},
    {"nrow", Kind::kLeaf},
    {"ncol", Kind::kLeaf},
};

}  // namespace

// By the symbol itself: R has one of each name, for ever.
const Function* find_function(SEXP symbol) {
  static const auto* const table = [] {
    auto* const made = new std::unordered_map<SEXP, const Function*>;
    for (const Function& function : kFunctions) made->emplace(Rf_install(function.name), &function);
    return made;
  }();
  const auto found = table->find(symbol);
  return found == table->end() ? nullptr : found->second;
}

}  // namespace avenir::expression
