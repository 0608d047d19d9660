# Linear algebra of gpu_array: src/array/algebra.cpp. Here are R's extents and names.

#' Linear algebra of arrays on a GPU
#'
#' Methods of base R's functions for matrices that are a [gpu_array()]. Results are arrays on the same device; what
#' these functions give as single numbers is ordinary numbers.
#'
#' @details
#' On a GPU they are cuBLAS's and cuSOLVER's, on the CPU those of R's own BLAS and LAPACK. Ordinary vectors and matrices
#' beside an array count as such; integers and logicals as doubles; floats stay floats beside floats.
#'
#' Results are base R's up to rounding, with these differences:
#' * `chol()` has no pivoting, and reads the upper triangle only, as base R does;
#' * `qr()` has no pivoting: of columns that depend on each other, all are kept, and `qr.coef()` of such a
#'   decomposition is an error. It has class `gpu_qr`; `qr.Q()`, `qr.R()`, `qr.coef()`, `qr.solve()`
#'   and `solve()` take it;
#' * vectors of `svd()` and `eigen()` may have another sign. `eigen()` of a matrix that is not symmetric gives, where
#'   values are complex, ordinary vectors, since arrays have no complex numbers;
#' * `svd()` gives at most as many vectors as there are values;
#' * transposing costs nothing: products read the matrix as it lies.
#'
#' `t(x) %*% x` is computed as `crossprod(x)`, with half the operations.
#'
#' @section Errors:
#' Of class `avenir_invalid_argument`, in base R's words: `non-conformable arguments`; `the leading minor of order k is
#' not positive definite` (`chol()`); `singular` (`solve()`, `backsolve()`, `qr.coef()`).
#' @examples
#' a <- gpu_matrix(crossprod(matrix(rnorm(50), 10)))
#' r <- chol(a)
#' b <- solve(a, 1:5)
#' all.equal(as.vector(a %*% b), c(1, 2, 3, 4, 5))
#' determinant(a)$modulus
#' qr.R(qr(a))
#' svd(a)$d
#' @aliases backsolve,ANY,gpu_array-method backsolve,gpu_array,ANY-method backsolve,gpu_array,gpu_array-method
#'   forwardsolve,ANY,gpu_array-method forwardsolve,gpu_array,ANY-method forwardsolve,gpu_array,gpu_array-method
#'   crossprod,ANY,gpu_array-method crossprod,gpu_array,ANY-method crossprod,gpu_array,gpu_array-method
#'   tcrossprod,ANY,gpu_array-method tcrossprod,gpu_array,ANY-method tcrossprod,gpu_array,gpu_array-method
#'   outer,ANY,gpu_array-method outer,gpu_array,ANY-method outer,gpu_array,gpu_array-method chol2inv,gpu_array-method
#'   diag,gpu_array-method eigen,gpu_array-method svd,gpu_array-method norm,gpu_array,character-method
#'   norm,gpu_array,missing-method qr.coef,gpu_qr-method qr.Q,gpu_qr-method qr.R,gpu_qr-method show,gpu_qr-method
#'   qr.solve,gpu_array,ANY-method qr.solve,gpu_array,missing-method qr.solve,gpu_qr,ANY-method gpu_qr-class
#' @name gpu_algebra
NULL

# ---- Products ----

# Both as arrays of one device.
on_one_device <- function(x, y) {
  if (!is_gpu_array(x)) return(list(same_place(x, y), y))
  list(x, if (is.null(y)) x else same_place(y, x))
}

product_of <- function(x, y) {
  both <- on_one_device(x, y)
  both <- vectors_as_factors(both[[1L]], both[[2L]])
  named_product(both[[1L]], both[[2L]], FALSE, FALSE)
}

# R's rule: a vector is the row or column that fits.
vectors_as_factors <- function(x, y) {
  if (is.null(dim(x)) && is.null(dim(y))) {
    if (length(x) == length(y)) return(list(as_row(x), as_column(y)))
    return(if (length(x) == 1L) list(as_column(x), as_row(y)) else list(as_column(x), as_row(y)))
  }
  if (is.null(dim(x))) x <- if (length(x) == dim(y)[1L]) as_row(x) else as_column(x)
  if (is.null(dim(y))) y <- if (length(y) == dim(x)[2L]) as_column(y) else as_row(y)
  list(x, y)
}

as_row <- function(x) shaped(x, c(1L, length(x)))

as_column <- function(x) shaped(x, c(length(x), 1L))

cross_product <- function(x, y, first) {
  both <- on_one_device(x, y)
  x <- both[[1L]]
  y <- both[[2L]]
  if (is.null(dim(x))) x <- if (!first && !is.null(dim(y)) && length(x) == dim(y)[2L]) as_row(x) else
    if (first && !is.null(dim(y)) && length(x) != dim(y)[1L]) as_row(x) else as_column(x)
  if (is.null(dim(y))) y <- if (first && length(y) != dim(x)[1L]) as_row(y) else
    if (!first && length(y) == dim(x)[2L]) as_row(y) else as_column(y)
  named_product(x, y, first, !first)
}

named_product <- function(x, y, transpose_x, transpose_y) {
  result <- cpp_gpu_product(check_matrix(x, "x"), check_matrix(y, "y"), transpose_x, transpose_y)
  rows <- dimnames(x)[[if (transpose_x) 2L else 1L]]
  columns <- dimnames(y)[[if (transpose_y) 1L else 2L]]
  if (is.null(rows) && is.null(columns)) result else shaped(result, dim(result), list(rows, columns))
}

check_matrix <- function(x, name) {
  if (length(dim(x)) == 2L) return(x)
  stop_avenir(sprintf("'%s' must be a matrix; it has %s", name,
                      if (is.null(dim(x))) "no extents" else sprintf("%d extents", length(dim(x)))),
              "avenir_invalid_argument")
}

#' @export
t.gpu_array <- function(x) {
  if (is.null(dim(x))) return(shaped(as_row(x), c(1L, length(x)), if (!is.null(names(x))) list(NULL, names(x))))
  result <- cpp_gpu_transpose(check_matrix(x, "x"))
  shaped(result, dim(result), rev(dimnames(x)))
}

outer_of <- function(X, Y, FUN, ...) {
  both <- on_one_device(X, Y)
  rows <- length(both[[1L]])
  columns <- length(both[[2L]])
  FUN <- match.fun(FUN)
  first <- shaped(rep(shaped(both[[1L]]), times = columns))
  second <- shaped(rep(shaped(both[[2L]]), each = rows))
  extents <- function(x) if (is.null(dim(x))) length(x) else dim(x)
  names <- c(names_along(X), names_along(Y))
  shaped(FUN(first, second, ...), c(extents(X), extents(Y)), if (!all(vapply(names, is.null, NA))) names)
}

names_along <- function(x) {
  if (is.null(dim(x))) return(list(names(x)))
  if (is.null(dimnames(x))) vector("list", length(dim(x))) else dimnames(x)
}

kronecker_of <- function(X, Y, FUN, ...) {
  both <- lapply(on_one_device(X, Y), function(x) if (is.null(dim(x))) as_column(x) else check_matrix(x, "X"))
  x <- both[[1L]]
  y <- both[[2L]]
  rows <- seq_len(dim(x)[1L] * dim(y)[1L]) - 1L
  columns <- seq_len(dim(x)[2L] * dim(y)[2L]) - 1L
  large <- x[rows %/% dim(y)[1L] + 1L, columns %/% dim(y)[2L] + 1L, drop = FALSE]
  small <- y[rows %% dim(y)[1L] + 1L, columns %% dim(y)[2L] + 1L, drop = FALSE]
  result <- match.fun(FUN)(shaped(large, dim(large)), shaped(small, dim(small)), ...)
  shaped(result, dim(result))
}

# ---- Factors and solutions ----

#' @export
chol.gpu_array <- function(x, ...) {
  result <- cpp_gpu_chol(matrix_or_number(x))
  if (is.null(dimnames(x))) result else shaped(result, dim(result), dimnames(x))
}

# R takes a vector of one for a matrix in some of its functions.
matrix_or_number <- function(x) if (is.null(dim(x))) as_column(x) else check_matrix(x, "x")

inverse_of_factor <- function(x, size) {
  leading <- seq_len(size)
  x <- matrix_or_number(x)
  if (any(dim(x) != size)) x <- x[leading, leading, drop = FALSE]
  cpp_gpu_chol2inv(shaped(x, dim(x)))
}

triangular <- function(r, x, k, upper, transpose) {
  both <- on_one_device(r, x)
  r <- matrix_or_number(both[[1L]])
  vector <- is.null(dim(both[[2L]]))
  x <- if (vector) as_column(both[[2L]]) else check_matrix(both[[2L]], "x")
  leading <- seq_len(k)
  if (k > min(dim(r)) || k > dim(x)[1L]) {
    stop_avenir(sprintf("invalid 'k': it is %s, and the arrays have %s", show_value(k),
                        paste(c(dim(r), dim(x)[1L]), collapse = ", ")), "avenir_invalid_argument")
  }
  if (any(dim(r) != k)) r <- r[leading, leading, drop = FALSE]
  if (dim(x)[1L] != k) x <- x[leading, , drop = FALSE]
  result <- cpp_gpu_backsolve(r, x, check_flag(upper, "upper.tri"), check_flag(transpose, "transpose"))
  if (vector) shaped(result) else result
}

#' @export
solve.gpu_array <- function(a, b, tol = .Machine$double.eps, ...) {
  a <- matrix_or_number(a)
  if (missing(b)) {
    result <- cpp_gpu_solve(a, NULL, tolerance_of(a, tol))
    return(shaped(result, dim(result), rev(dimnames(a))))
  }
  b <- same_place(b, a)
  vector <- is.null(dim(b))
  right <- if (vector) as_column(b) else check_matrix(b, "b")
  result <- cpp_gpu_solve(a, right, tolerance_of(a, tol))
  if (vector) return(shaped(result, names = dimnames(a)[[2L]]))
  names <- list(dimnames(a)[[2L]], dimnames(b)[[2L]])
  shaped(result, dim(result), if (!is.null(names[[1L]]) || !is.null(names[[2L]])) names)
}

# Of floats fewer digits can be asked.
tolerance_of <- function(a, tol) if (gpu_type(a) == "float") max(tol, 2^-24) else tol

#' @export
determinant.gpu_array <- function(x, logarithm = TRUE, ...) {
  found <- cpp_gpu_determinant(check_matrix(x, "x"))
  modulus <- structure(if (logarithm) found[1L] else exp(found[1L]), logarithm = logarithm)
  structure(list(modulus = modulus, sign = as.integer(found[2L])), class = "det")
}

# ---- QR ----

#' @export
qr.gpu_array <- function(x, tol = NULL, ...) {
  x <- matrix_or_number(x)
  factors <- cpp_gpu_qr(x)
  factors[[1L]] <- shaped(factors[[1L]], dim(x), dimnames(x))
  methods::new("gpu_qr", qr = factors[[1L]], rank = rank_of(factors[[1L]], tol), qraux = factors[[2L]],
               pivot = seq_len(dim(x)[2L]))
}

# The diagonal's elements that are not small beside the largest.
rank_of <- function(qr, tol) {
  diagonal <- abs(as.vector(diagonal_of(qr, FALSE)))
  if (is.null(tol)) tol <- if (gpu_type(qr) == "float") 1e-4 else 1e-7
  if (length(diagonal)) sum(diagonal > tol * max(diagonal)) else 0L
}

#' @export
print.gpu_qr <- function(x, ...) {
  cat(sprintf("<QR decomposition of %s, rank %d>\n", describe_array(x$qr), x$rank))
  invisible(x)
}

# As of the list that base R's is.
#' @export
`$.gpu_qr` <- function(x, name) methods::slot(x, name)

q_of <- function(qr, complete, Dvec) {
  rows <- dim(qr$qr)[1L]
  columns <- if (complete) rows else min(dim(qr$qr))
  identity <- gpu_array(diag(1, rows, columns), type = gpu_type(qr$qr), device = gpu_device(qr$qr))
  if (!is.null(Dvec)) identity <- sweep_columns(identity, Dvec)
  cpp_gpu_qr_apply(qr$qr, qr$qraux, identity, FALSE)
}

sweep_columns <- function(x, by) x * rep(by, each = dim(x)[1L], length.out = length(x))

r_of <- function(qr, complete) {
  rows <- if (complete) dim(qr$qr)[1L] else min(dim(qr$qr))
  top <- qr$qr[seq_len(rows), , drop = FALSE]
  columns <- dimnames(top)[[2L]]
  shaped(upper_triangle(top), dim(top), if (!is.null(columns)) list(NULL, columns))
}

upper_triangle <- function(x) {
  extents <- dim(x)
  row <- rep_len(seq_len(extents[1L]), length(x))
  column <- rep(seq_len(extents[2L]), each = extents[1L])
  gpu_ifelse(same_place(array(row <= column, extents), x), x, 0)
}

coefficients_of <- function(qr, y) {
  columns <- dim(qr$qr)[2L]
  if (qr$rank < columns) {
    stop_avenir(sprintf("singular matrix: its rank is %d, and it has %d columns", qr$rank, columns),
                "avenir_invalid_argument")
  }
  y <- same_place(y, qr$qr)
  vector <- is.null(dim(y))
  rotated <- turned(qr, if (vector) as_column(y) else y, TRUE)
  leading <- seq_len(columns)
  result <- cpp_gpu_backsolve(qr$qr[leading, leading, drop = FALSE], rotated[leading, , drop = FALSE], TRUE, FALSE)
  if (vector) return(shaped(result, names = dimnames(qr$qr)[[2L]]))
  names <- list(dimnames(qr$qr)[[2L]], dimnames(y)[[2L]])
  shaped(result, dim(result), if (!is.null(names[[1L]]) || !is.null(names[[2L]])) names)
}

turned <- function(qr, y, transpose) {
  y <- same_place(y, qr$qr)
  if (!is.null(dim(y))) return(cpp_gpu_qr_apply(qr$qr, qr$qraux, y, transpose))
  shaped(cpp_gpu_qr_apply(qr$qr, qr$qraux, as_column(y), transpose))
}

#' @export
solve.gpu_qr <- function(a, b, ...) coefficients_of(a, if (missing(b)) diag(1, dim(a$qr)[1L]) else b)

# ---- Singular values and eigenvalues ----

singular_values <- function(x, nu, nv) {
  x <- matrix_or_number(x)
  n <- dim(x)[1L]
  p <- dim(x)[2L]
  if (is.null(nu)) nu <- min(n, p)
  if (is.null(nv)) nv <- min(n, p)
  check_vector_count(nu, "nu", min(n, p))
  check_vector_count(nv, "nv", min(n, p))
  found <- cpp_gpu_svd(x, nu > 0 || nv > 0)
  result <- list(d = found[[1L]])
  if (nu > 0) result$u <- found[[2L]][, seq_len(nu), drop = FALSE]
  if (nv > 0) result$v <- t(found[[3L]][seq_len(nv), , drop = FALSE])
  result
}

check_vector_count <- function(x, name, most) {
  if (is_number(x) && x >= 0 && x <= most && x == floor(x)) return(invisible(x))
  invalid_argument(sprintf("`%s` must be a whole number from 0 to %d, the number of singular values", name, most), x)
}

eigenvalues <- function(x, symmetric, only_values) {
  x <- check_matrix(x, "x")
  if (dim(x)[1L] != dim(x)[2L]) stop_avenir("non-square matrix in 'eigen'", "avenir_invalid_argument")
  if (!all(is.finite(x))) stop_avenir("infinite or missing values in 'x'", "avenir_invalid_argument")
  if (is.null(symmetric)) symmetric <- is_symmetric(x)
  found <- cpp_gpu_eigen(x, symmetric, !only_values)
  if (symmetric) descending(found) else general_eigen(found)
}

is_symmetric <- function(x) {
  scale <- max(abs(x), 0)
  limit <- if (gpu_type(x) == "float") 1e-5 else 100 * .Machine$double.eps
  length(x) == 0L || max(abs(x - t(x))) <= limit * scale
}

descending <- function(found) {
  vectors <- found[[3L]]
  if (!is.null(vectors)) vectors <- vectors[, rev(seq_len(dim(vectors)[2L])), drop = FALSE]
  structure(list(values = rev(found[[1L]]), vectors = vectors), class = "eigen")
}

# LAPACK stores a complex pair's vectors as the real and imaginary part of the first.
general_eigen <- function(found) {
  imaginary <- as.vector(found[[2L]])
  real <- as.vector(found[[1L]])
  if (!any(imaginary != 0)) {
    at <- order(Mod(real), decreasing = TRUE)
    vectors <- if (!is.null(found[[3L]])) found[[3L]][, at, drop = FALSE]
    return(structure(list(values = found[[1L]][at], vectors = vectors), class = "eigen"))
  }
  values <- complex(real = real, imaginary = imaginary)
  at <- order(Mod(values), decreasing = TRUE)
  vectors <- if (!is.null(found[[3L]])) complex_vectors(as.matrix(found[[3L]]), imaginary)[, at, drop = FALSE]
  structure(list(values = values[at], vectors = vectors), class = "eigen")
}

complex_vectors <- function(stored, imaginary) {
  vectors <- stored + 0i
  for (k in which(imaginary > 0)) {
    vectors[, k] <- complex(real = stored[, k], imaginary = stored[, k + 1L])
    vectors[, k + 1L] <- Conj(vectors[, k])
  }
  vectors
}

# ---- Diagonals and norms ----

diagonal <- function(x, nrow, ncol, names) {
  if (length(dim(x)) == 2L) return(diagonal_of(x, names))
  count <- length(x)
  rows <- if (is.null(nrow)) count else nrow
  columns <- if (is.null(ncol)) rows else ncol
  zeros <- make_array(numeric(rows * columns), gpu_type(x), gpu_device(x), as.integer(c(rows, columns)))
  with_diagonal(zeros, if (count == min(rows, columns)) shaped(x) else rep(shaped(x), length.out = min(rows, columns)))
}

diagonal_of <- function(x, names) {
  count <- min(dim(x))
  result <- cpp_gpu_gather(x, length(x), diagonal_positions(dim(x)), NULL)
  both <- dimnames(x)
  same <- names && !is.null(both) && !is.null(both[[1L]]) &&
    identical(both[[1L]][seq_len(count)], both[[2L]][seq_len(count)])
  if (same) shaped(result, names = both[[1L]][seq_len(count)]) else result
}

diagonal_positions <- function(extents) 1 + (seq_len(min(extents)) - 1) * (extents[1L] + 1)

with_diagonal <- function(x, value) {
  count <- min(dim(check_matrix(x, "x")))
  if (length(value) != 1L && length(value) != count) {
    stop_avenir("replacement diagonal has wrong length", "avenir_invalid_argument")
  }
  cpp_gpu_scatter(x, same_place(value, x), length(x), diagonal_positions(dim(x)), NULL)
}

norm_of <- function(x, type) {
  x <- shaped(check_matrix(x, "A"), dim(x))
  if (length(x) == 0L) return(0)
  switch(EXPR = toupper(type), O = , `1` = max(margins(abs(x), FALSE, 1L, FALSE, FALSE)),
         I = max(margins(abs(x), FALSE, 1L, TRUE, FALSE)), F = , E = frobenius(x),
         M = max(abs(x)), `2` = if (anyNA(x)) NA_real_ else max(singular_values(x, 0, 0)$d),
         stop_avenir(sprintf("argument type[1]='%s' must be one of 'M','1','O','I','F', 'E' or '2'", type),
                     "avenir_invalid_argument"))
}

# Without overflow on the way.
frobenius <- function(x) {
  scale <- max(abs(x))
  if (is.na(scale) || scale == 0 || is.infinite(scale)) return(as.double(scale))
  scale * sqrt(sum((x / scale)^2))
}
