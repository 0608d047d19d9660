#include <Rcpp.h>

#include "array/algebra.h"
#include "expression/threaded.h"
#include "rbridge/door.h"

// Doors of R/gpu-algebra.R. Arrays are matrices there; results have their extents, and no dimnames.

using namespace avenir;

namespace {

using array::Matrix;
using rbridge::Keeper;

SEXP array_of(Keeper& keeper, const Matrix& matrix) {
  const int rows = static_cast<int>(matrix.rows), columns = static_cast<int>(matrix.columns);
  const SEXP dim = keeper.make([rows, columns] {
    const SEXP both = Rf_allocVector(INTSXP, 2);
    INTEGER(both)[0] = rows;
    INTEGER(both)[1] = columns;
    return both;
  });
  array::Attributes attributes;
  attributes.dim = dim;
  return array::new_array(keeper, matrix.node, attributes);
}

SEXP vector_of(Keeper& keeper, const array::NodePtr& node) {
  return node == nullptr ? R_NilValue : array::new_array(keeper, node);
}

SEXP list_of(Keeper& keeper, const std::vector<SEXP>& elements) {
  const auto* const from = &elements;
  return keeper.make([from] {
    const SEXP list = PROTECT(Rf_allocVector(VECSXP, static_cast<R_xlen_t>(from->size())));
    for (size_t i = 0; i < from->size(); ++i) SET_VECTOR_ELT(list, static_cast<R_xlen_t>(i), (*from)[i]);
    UNPROTECT(1);
    return list;
  });
}

// The body of a door to linear algebra.
template <typename Body>
SEXP with_matrices(Body body) {
  return rbridge::door([&]() -> SEXP {
    Keeper keeper;
    expression::prepared_library();
    return body(keeper);
  });
}

}  // namespace

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_product(SEXP a, SEXP b, bool transpose_a, bool transpose_b) {
  return with_matrices([&](Keeper& keeper) {
    return array_of(keeper, array::product(array::matrix_of(a), transpose_a, array::matrix_of(b), transpose_b));
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_transpose(SEXP a) {
  return with_matrices([&](Keeper& keeper) { return array_of(keeper, array::transposed(array::matrix_of(a))); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_chol(SEXP a) {
  return with_matrices([&](Keeper& keeper) { return array_of(keeper, array::cholesky(array::matrix_of(a))); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_chol2inv(SEXP a) {
  return with_matrices(
      [&](Keeper& keeper) { return array_of(keeper, array::inverse_from_cholesky(array::matrix_of(a))); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_backsolve(SEXP r, SEXP x, bool upper, bool transpose) {
  return with_matrices([&](Keeper& keeper) {
    return array_of(keeper, array::triangular_solution(array::matrix_of(r), array::matrix_of(x), upper, transpose));
  });
}

// `b` NULL: the inverse.
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_solve(SEXP a, SEXP b, double tolerance) {
  return with_matrices([&](Keeper& keeper) {
    const Matrix right = b == R_NilValue ? Matrix() : array::matrix_of(b);
    return array_of(keeper, array::solution(array::matrix_of(a), right, tolerance));
  });
}

// c(logarithm of the modulus, sign)
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_determinant(SEXP a) {
  return with_matrices([&](Keeper&) -> SEXP {
    const array::Determinant found = array::determinant(array::matrix_of(a));
    return Rcpp::NumericVector::create(found.log_modulus, found.sign);
  });
}

// list(qr, tau)
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_qr(SEXP a) {
  return with_matrices([&](Keeper& keeper) {
    const Matrix matrix = array::matrix_of(a);
    const array::Factors factors = array::qr(matrix);
    return list_of(keeper,
                   {array_of(keeper, {factors.qr, matrix.rows, matrix.columns}), vector_of(keeper, factors.tau)});
  });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_qr_apply(SEXP qr, SEXP tau, SEXP c, bool transpose) {
  return with_matrices([&](Keeper& keeper) {
    const Matrix factors = array::matrix_of(qr), of = array::matrix_of(c);
    const array::NodePtr& reflections = array::node_of(tau);
    return array_of(keeper,
                    {array::apply_q({factors.node, reflections}, factors.rows, reflections->length(), of, transpose),
                     of.rows, of.columns});
  });
}

// list(d, u, t(v)); the latter NULL without `vectors`
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_svd(SEXP a, bool vectors) {
  return with_matrices([&](Keeper& keeper) {
    const Matrix matrix = array::matrix_of(a);
    const array::Singular found = array::singular_values(matrix, vectors);
    const uint64_t least = found.d->length();
    const SEXP d = vector_of(keeper, found.d);
    if (!vectors) return list_of(keeper, {d, R_NilValue, R_NilValue});
    return list_of(keeper, {d, array_of(keeper, {found.u, matrix.rows, least}),
                            array_of(keeper, {found.vt, least, matrix.columns})});
  });
}

// list(values, imaginary parts or NULL, vectors or NULL)
// [[Rcpp::export(rng = false)]]
SEXP cpp_gpu_eigen(SEXP a, bool symmetric, bool vectors) {
  return with_matrices([&](Keeper& keeper) {
    const Matrix matrix = array::matrix_of(a);
    const array::Eigen found = array::eigen(matrix, symmetric, vectors);
    const SEXP right = vectors ? array_of(keeper, {found.vectors, matrix.rows, matrix.rows}) : R_NilValue;
    return list_of(keeper, {vector_of(keeper, found.values), vector_of(keeper, found.imaginary), right});
  });
}
