#pragma once

#include <vector>

#include "array/algebra.h"

// Parts of nodes, and nodes of parts.
namespace avenir::array {

// R's indices from 1 on, integers or doubles, on `device`; NULL stands for all of `extent`.
device::Positions positions_of(SEXP index, uint64_t extent, Device& device);

NodePtr gathered(const NodePtr& from, uint64_t rows, const device::Positions& row, const device::Positions& column);
// A copy of `to` with these elements replaced.
NodePtr scattered(const NodePtr& to, const NodePtr& values, uint64_t rows, const device::Positions& row,
                  const device::Positions& column);

// Matrices beside each other, or one below the other, of the larger type.
NodePtr bound(const std::vector<Matrix>& parts, bool columns);

// Without the missing elements, or with them at the end.
NodePtr sorted(const NodePtr& x, bool decreasing, bool keep_missing);
NodePtr order(const std::vector<NodePtr>& keys, const std::vector<bool>& decreasing);

}  // namespace avenir::array
