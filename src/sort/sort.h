#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sort/column.h"

// Sorting as R does it: stably, missing elements apart. On par::threads() threads; results do not depend on their
// number.
namespace avenir::sort {

// How many of `count` rows have no missing element.
size_t count_complete(const std::vector<Column>& columns, size_t count);

// The column's elements in order, into `out`, which is of its type and has room for all, or for the complete ones when
// missing ones are left out. `complete`: what count_complete() says.
void sort_values(const Column& column, size_t count, size_t complete, Missing missing, void* out);

// The rows' numbers from 1 in their order by the first column, of equal ones by the second, and so on. Into `integers`,
// or `doubles` where that is nullptr.
void order_rows(const std::vector<Column>& columns, size_t count, Missing missing, int32_t* integers, double* doubles);

}  // namespace avenir::sort
