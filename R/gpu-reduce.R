# Reductions of gpu_array, fused with the expression that they are of.

#' @export
Summary.gpu_array <- function(..., na.rm = FALSE) {
  generic <- .Generic
  f <- get(generic, baseenv())
  parts <- lapply(list(...), function(x) if (is_gpu_array(x)) reduced(generic, x, na.rm, f) else f(x, na.rm = na.rm))
  names(parts) <- NULL
  if (length(parts) == 1L) return(parts[[1L]])
  do.call(f, c(parts, na.rm = FALSE))
}

# Where nothing counts, and for a sum that is no integer, base R's answer.
reduced <- function(generic, x, na.rm, f) {
  value <- cpp_gpu_reduce(generic, x, na.rm)
  if (!is.null(value)) return(value)
  f(if (length(x) && !na.rm) as_base(x) else elements_that_count(x), na.rm = na.rm)
}

elements_that_count <- function(x) {
  if (length(x)) as.vector(x) else vector(typeof_array(x), 0L)
}

typeof_array <- function(x) sub("float", "double", cpp_gpu_type(x), fixed = TRUE)

#' @export
mean.gpu_array <- function(x, ..., trim = 0, na.rm = FALSE) {
  if (!identical(trim, 0)) return(mean(as.vector(x), trim = trim, na.rm = na.rm))
  value <- cpp_gpu_reduce("mean", x, na.rm)
  if (is.null(value)) mean(elements_that_count(x), na.rm = na.rm) else value
}

# ---- Rows and columns ----

# `dims` extents are rows, the others columns.
margins <- function(x, na.rm, dims, by_row, means) {
  extents <- dim(x)
  count <- length(extents)
  if (count < 2L) stop_avenir("'x' must be an array of at least two dimensions", "avenir_invalid_argument")
  if (!is_number(dims) || dims < 1 || dims > count - 1L) stop_avenir("invalid 'dims'", "avenir_invalid_argument")
  first <- seq_len(dims)
  kept <- if (by_row) first else -first
  sums <- cpp_gpu_margins(x, prod(extents[first]), prod(extents[-first]), by_row, means, check_flag(na.rm, "na.rm"))
  if (length(extents[kept]) > 1L) return(shaped(sums, extents[kept], dimnames(x)[kept]))
  shaped(sums, names = dimnames(x)[[if (by_row) 1L else count]])
}

#' Place of the least or greatest element of a gpu_array
#'
#' `which.max()` and `which.min()` of a [gpu_array()].
#'
#' @param x A `gpu_array`; for others base R's functions are called.
#' @return As [which.max()]: one whole number, with a name where elements have names; `integer(0)` where all are
#'   missing.
#' @examples
#' gpu_which_max(gpu_vector(c(2, NA, 5)))
#' @export
gpu_which_max <- function(x) if (is_gpu_array(x)) first_extreme(x, TRUE) else which.max(x)

#' @rdname gpu_which_max
#' @export
gpu_which_min <- function(x) if (is_gpu_array(x)) first_extreme(x, FALSE) else which.min(x)

first_extreme <- function(x, greatest) {
  at <- if (length(x)) cpp_gpu_which(x, greatest) else 0
  if (at == 0) return(integer())
  if (at <= .Machine$integer.max) at <- as.integer(at)
  if (is.null(names(x))) at else stats::setNames(at, names(x)[at])
}
