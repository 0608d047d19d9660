#include "expression/totals.h"

#include <climits>
#include <cstdlib>

namespace avenir::expression {

namespace {

using linalg::Reduction;
using linalg::Totals;
using linalg::Type;
using rbridge::Keeper;

SEXP number(Keeper& keeper, double x) {
  return keeper.make([x] { return Rf_ScalarReal(x); });
}

SEXP integer(Keeper& keeper, int x) {
  return keeper.make([x] { return Rf_ScalarInteger(x); });
}

SEXP logical(Keeper& keeper, bool any, const Totals& totals, bool na_rm) {
  const bool decided = any ? totals.has_true : totals.has_false;
  const int value = decided ? any : totals.has_na && !na_rm ? NA_LOGICAL : !any;
  return keeper.make([value] { return Rf_ScalarLogical(value); });
}

SEXP pair(Keeper& keeper, double a, double b) {
  return keeper.make([a, b] {
    const SEXP both = Rf_allocVector(REALSXP, 2);
    REAL(both)[0] = a;
    REAL(both)[1] = b;
    return both;
  });
}

SEXP integer_pair(Keeper& keeper, int a, int b) {
  return keeper.make([a, b] {
    const SEXP both = Rf_allocVector(INTSXP, 2);
    INTEGER(both)[0] = a;
    INTEGER(both)[1] = b;
    return both;
  });
}

SEXP missing(Keeper& keeper, Reduction reduction, double value) {
  return reduction == Reduction::kRange ? pair(keeper, value, value) : number(keeper, value);
}

SEXP of_doubles(Keeper& keeper, Reduction reduction, const Totals& totals) {
  if (totals.has_na) return missing(keeper, reduction, NA_REAL);
  if (totals.has_nan) return missing(keeper, reduction, R_NaN);
  switch (reduction) {
    case Reduction::kSum:
      return number(keeper, static_cast<double>(totals.sum));
    case Reduction::kMean:
      return number(keeper, static_cast<double>(totals.sum / static_cast<long double>(totals.counted)));
    case Reduction::kProd:
      return number(keeper, static_cast<double>(totals.product));
    case Reduction::kMin:
      return number(keeper, totals.least);
    case Reduction::kMax:
      return number(keeper, totals.greatest);
    default:
      return pair(keeper, totals.least, totals.greatest);
  }
}

double integer_mean(const Totals& totals) {
  return static_cast<double>(static_cast<long double>(totals.integer_sum) / static_cast<long double>(totals.counted));
}

SEXP of_integers(Keeper& keeper, Reduction reduction, const Totals& totals, bool na) {
  const int least = na ? NA_INTEGER : totals.least_integer, greatest = na ? NA_INTEGER : totals.greatest_integer;
  switch (reduction) {
    case Reduction::kSum:
      if (!na && std::abs(totals.integer_sum) > INT_MAX) return R_NilValue;
      return integer(keeper, na ? NA_INTEGER : static_cast<int>(totals.integer_sum));
    case Reduction::kMean:
      return number(keeper, na ? NA_REAL : integer_mean(totals));
    case Reduction::kProd:
      return number(keeper, na ? NA_REAL : static_cast<double>(totals.product));
    case Reduction::kMin:
      return integer(keeper, least);
    case Reduction::kMax:
      return integer(keeper, greatest);
    default:
      return integer_pair(keeper, least, greatest);
  }
}

}  // namespace

SEXP value_of(Keeper& keeper, const linalg::Program& program, const Totals& totals) {
  const Reduction reduction = program.reduction;
  if (reduction == Reduction::kAny || reduction == Reduction::kAll)
    return logical(keeper, reduction == Reduction::kAny, totals, program.na_rm);
  if (linalg::is_real(program.type)) return of_doubles(keeper, reduction, totals);
  return of_integers(keeper, reduction, totals, totals.has_na && !program.na_rm);
}

}  // namespace avenir::expression
