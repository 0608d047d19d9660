#include <Rcpp.h>

#include "array/shape.h"
#include "expression/threaded.h"
#include "rbridge/door.h"

// Doors of R/gpu-index.R and R/gpu-bind.R. `rows`: of the matrix that the array is taken for; of a vector its length.

using namespace avenir;

namespace {

using rbridge::Keeper;

uint64_t columns_of(const array::NodePtr& node, uint64_t rows) { return rows == 0 ? 0 : node->length() / rows; }

}  // namespace

// Indices from 1 on, or NULL for all.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_gather(SEXP x, double rows, SEXP i, SEXP j) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    expression::prepared_library();
    const array::NodePtr& node = array::node_of(x);
    const auto extent = static_cast<uint64_t>(rows);
    const device::Positions row = array::positions_of(i, extent, node->device());
    const device::Positions column = array::positions_of(j, columns_of(node, extent), node->device());
    return array::new_array(keeper, array::gathered(node, extent, row, column));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_scatter(SEXP x, SEXP values, double rows, SEXP i, SEXP j) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    expression::prepared_library();
    const array::NodePtr &node = array::node_of(x), &from = array::node_of(values);
    const auto extent = static_cast<uint64_t>(rows);
    const device::Positions row = array::positions_of(i, extent, node->device());
    const device::Positions column = array::positions_of(j, columns_of(node, extent), node->device());
    return array::new_array(keeper, array::scattered(node, from, extent, row, column), array::attributes_of_array(x));
  });
}

// Of matrices.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_bind(SEXP parts, bool columns) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    expression::prepared_library();
    std::vector<array::Matrix> matrices;
    for (R_xlen_t i = 0; i < Rf_xlength(parts); ++i) matrices.push_back(array::matrix_of(VECTOR_ELT(parts, i)));
    return array::new_array(keeper, array::bound(matrices, columns));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_sort(SEXP x, bool decreasing, bool keep_missing) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    expression::prepared_library();
    return array::new_array(keeper, array::sorted(array::node_of(x), decreasing, keep_missing));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_order(SEXP keys, SEXP decreasing) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    expression::prepared_library();
    std::vector<array::NodePtr> nodes;
    std::vector<bool> downwards;
    for (R_xlen_t i = 0; i < Rf_xlength(keys); ++i) {
      nodes.push_back(array::node_of(VECTOR_ELT(keys, i)));
      downwards.push_back(LOGICAL(decreasing)[i] == TRUE);
    }
    return array::new_array(keeper, array::order(nodes, downwards));
  });
}
