#pragma once

#include <vector>

#include "array/gpu_array.h"
#include "expression/functions.h"

// Base R's elementwise functions of which some argument is a gpu_array: new nodes, with R's attributes. Nothing is
// computed yet. Each result is protected by the keeper.
namespace avenir::array {

// An argument: a node or one element, and its attributes.
struct Operand {
  lazy::Term term;
  Attributes attributes;
};

// Of arrays and ordinary vectors, of which longer ones go to the arrays' device; doubles as floats where the arrays'
// are.
std::vector<Operand> operands_of(const std::vector<SEXP>& objects);

// + - * / ^ %% %/%, comparisons, & and |, also of one argument.
SEXP operation(rbridge::Keeper& keeper, const expression::Function& function, const std::vector<SEXP>& objects);
// Of one array: mathematics, questions (is.na() and the like), abs(), round() to whole numbers, !.
SEXP mapped(rbridge::Keeper& keeper, const expression::Function& function, SEXP array);
SEXP logarithm(rbridge::Keeper& keeper, SEXP array, double base);
SEXP angle(rbridge::Keeper& keeper, SEXP y, SEXP x);
SEXP choice(rbridge::Keeper& keeper, SEXP test, SEXP yes, SEXP no);
SEXP extremes(rbridge::Keeper& keeper, bool least, bool na_rm, const std::vector<SEXP>& objects);

}  // namespace avenir::array
