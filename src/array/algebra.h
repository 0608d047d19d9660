#pragma once

#include "array/gpu_array.h"

// Linear algebra of nodes, eager, on the device that they are on. Integers and logicals count as doubles, and floats
// beside doubles.
namespace avenir::array {

struct Matrix {
  NodePtr node;
  uint64_t rows = 0, columns = 0;
};

// A gpu_array with two extents.
Matrix matrix_of(SEXP array);

// One number over and over.
NodePtr filled(Device& device, Type type, uint64_t length, double value);

// op(a) op(b); one matrix with itself, transposed, takes half the operations.
Matrix product(const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b);
Matrix transposed(const Matrix& a);

// These throw kInvalid, in base R's words, for what has no such factor or solution.
Matrix cholesky(const Matrix& a);
Matrix inverse_from_cholesky(const Matrix& a);
Matrix triangular_solution(const Matrix& a, const Matrix& b, bool upper, bool transpose);
// `b` without a node: the inverse.
Matrix solution(const Matrix& a, const Matrix& b, double tolerance);

struct Determinant {
  double log_modulus = 0;
  int sign = 1;
};
Determinant determinant(const Matrix& a);

struct Factors {
  NodePtr qr, tau;
};
Factors qr(const Matrix& a);
// q c or q' c.
NodePtr apply_q(const Factors& factors, uint64_t rows, uint64_t reflectors, const Matrix& c, bool transpose);

struct Singular {
  NodePtr d, u, vt;
};
Singular singular_values(const Matrix& a, bool vectors);

struct Eigen {
  NodePtr values, imaginary, vectors;  // imaginary: none of symmetric matrices, whose values ascend
};
Eigen eigen(const Matrix& a, bool symmetric, bool vectors);

}  // namespace avenir::array
