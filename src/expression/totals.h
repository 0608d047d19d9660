#pragma once

#include "linalg/program.h"
#include "rbridge/keeper.h"

namespace avenir::expression {

// What base R gives for the program's reduction of at least one element, protected by the keeper; R_NilValue for a sum
// of integers that is none, where versions of R differ.
SEXP value_of(rbridge::Keeper& keeper, const linalg::Program& program, const linalg::Totals& totals);

}  // namespace avenir::expression
