# gpu_array: arrays on a GPU or the CPU, as R's own. An S4 object around a pointer to the elements (src/array); S4 since
# `%*%` needs it, with S3 methods where base R has S3 generics.

#' Arrays on a GPU
#'
#' `gpu_array()`, `gpu_matrix()` and `gpu_vector()` put the elements of an R array, matrix or vector on a GPU or, where
#' there is none, in the CPU's memory. What R's functions make of them stays there; `as.array()`, `as.matrix()` and
#' `as.vector()` bring it back. The same script runs with and without a GPU.
#'
#' @details
#' R's functions have methods for this class:
#' * arithmetic, comparisons, logic, and the mathematical functions of one argument; `ifelse()`, `pmin()`, `pmax()`,
#'   `is.na()` and its relatives; they are computed when their elements are needed, in one pass: see
#'   [gpu_eval()];
#' * `sum()`, `mean()`, `prod()`, `min()`, `max()`, `range()`, `any()`, `all()`, whose results are ordinary numbers;
#'   `rowSums()`, `colSums()`, `rowMeans()`, `colMeans()`, `cumsum()`;
#' * `x[i]`, `x[i, j]`, their assignments, `cbind()`, `rbind()`, `rep()`, `rev()`, `head()`, `tail()`, `sort()`,
#'   `order()`, `dim<-()`, names and dimnames;
#' * linear algebra: see [gpu_algebra].
#'
#' An ordinary number or vector that meets an array in such a function counts as one on its device. A vector that is
#' shorter is recycled when it has one element, or divides the length, as one with an element for each row does; all
#' else is an error. Two arrays on different devices are an error; `gpu_copy()` copies one. Results have R's dim,
#' dimnames and names.
#'
#' Doubles stay doubles: nothing is computed with fewer digits unless an array was made with `type = "float"`, which
#' takes half the memory and on most GPUs a small part of the time, with about 7 digits. Floats beside R's numbers stay
#' floats; beside an array of doubles they become doubles. Integers and logicals keep their NA; floats keep `NA` as
#' `NaN`.
#'
#' Differences from R's own arrays: warnings (`NaNs produced`) come when elements are computed, once, and without a
#' call; `ifelse()` gives the type that holds both answers; sums may differ in the last digits; of mathematical
#' functions see the section Accuracy of [threaded()]. Functions that have no method bring the elements to R:
#' `gamma(x)`, for instance, is computed by base R and put back.
#'
#' Elements of an array lie in this process. In a future, and in a map, a `gpu_array` among the globals or arguments is
#' sent as its elements, and is an array on the worker's device there. An array that was saved to a file has lost its
#' elements, and says so when it is used: save `as.array(x)`.
#'
#' Taking one element after the other (`x[i]` in a loop) is slow: each is a question to the device. The first time in a
#' session that it looks like that, a warning says so.
#'
#' @param x A numeric, integer or logical vector, matrix or array; for the functions that bring back, a `gpu_array`.
#' @param nrow,ncol,byrow As for [matrix()]; by default those of `x`, or one column.
#' @param dim The extents; by default those of `x`.
#' @param type `"double"`, `"float"`, `"integer"` or `"logical"`; NULL takes that of `x`.
#' @param device `"auto"`, `"cpu"` or a GPU (`"gpu:0"`, or 0): see [gpu_status()].
#' @return A `gpu_array`. `as.array()` and the like: ordinary R objects. `gpu_type()`: the type. `gpu_device()`: the
#'   name of the device.
#' @section Errors:
#' `avenir_invalid_argument` for what is no numeric, integer or logical vector, extents that do not fit, operands that
#' do not, and an array that was saved or sent; `avenir_overloaded_error` when memory has run out, with numbers;
#' `avenir_unsupported_error` for a GPU that cannot be used.
#' @seealso [gpu_status()], [gpu_algebra], [gpu_eval()], [gpu_runif()]
#' @examples
#' x <- gpu_matrix(runif(6), 2)
#' x
#' y <- exp(x) + 3 * sin(x)
#' sum(y)
#' as.matrix(y)
#'
#' v <- gpu_vector(c(a = 1, b = NA, c = 3), type = "float")
#' is.na(v)
#' gpu_type(v)
#' @aliases colMeans,gpu_array-method colSums,gpu_array-method rowMeans,gpu_array-method rowSums,gpu_array-method
#'   ifelse,gpu_array-method show,gpu_array-method gpu_array-class
#' @name gpu_array
#' @export
gpu_array <- function(x, dim = NULL, type = NULL, device = "auto") {
  if (is_gpu_array(x)) return(changed_array(x, dim, type, device))
  check_elements(x)
  extents <- if (is.null(dim)) base::dim(x) else check_extents(dim, "dim")
  if (is.null(extents)) return(make_array(x, type, device, names = names(x)))
  names <- if (identical(extents, base::dim(x))) dimnames(x)
  if (is.null(dim)) return(make_array(x, type, device, extents, names))
  make_array(fitted_elements(x, prod(extents)), type, device, extents, names)
}

#' @rdname gpu_array
#' @export
gpu_matrix <- function(x, nrow = NULL, ncol = NULL, byrow = FALSE, type = NULL, device = "auto") {
  if (is_gpu_array(x)) {
    extents <- if (is.null(nrow) && is.null(ncol) && length(dim(x)) == 2L) dim(x) else matrix_extents(x, nrow, ncol)
    return(changed_array(x, extents, type, device))
  }
  check_elements(x)
  if (is.matrix(x) && is.null(nrow) && is.null(ncol)) return(make_array(x, type, device, dim(x), dimnames(x)))
  extents <- matrix_extents(x, nrow, ncol)
  elements <- fitted_elements(x, prod(extents))
  if (check_flag(byrow, "byrow")) elements <- t(matrix(elements, extents[2L], extents[1L]))
  make_array(elements, type, device, extents)
}

#' @rdname gpu_array
#' @export
gpu_vector <- function(x, type = NULL, device = "auto") {
  if (is_gpu_array(x)) return(shaped(changed_array(x, NULL, type, device)))
  check_elements(x)
  make_array(x, type, device, names = if (is.null(dim(x))) names(x))
}

#' @rdname gpu_array
#' @export
gpu_copy <- function(x, device = "auto") {
  check_gpu_array(x)
  cpp_gpu_copy(x, check_device(device))
}

#' @rdname gpu_array
#' @export
gpu_type <- function(x) cpp_gpu_type(check_gpu_array(x))

#' @rdname gpu_array
#' @export
gpu_device <- function(x) cpp_gpu_device(check_gpu_array(x))

# ---- Making ----

array_types <- c("double", "float", "integer", "logical")

is_gpu_array <- function(x) isS4(x) && inherits(x, "gpu_array")

check_gpu_array <- function(x, name = "x") {
  if (!is_gpu_array(x)) invalid_argument(sprintf("`%s` must be a gpu_array", name), x, "gpu_array() makes one.")
  x
}

check_elements <- function(x) {
  if ((is.numeric(x) || is.logical(x)) && !is.object(x)) return(invisible(x))
  if (is.object(x)) stop_no_elements(sprintf("an object of class %s", quote_names(class(x)[1L])))
  invalid_argument("`x` must be a numeric, integer or logical vector, matrix or array", x)
}

stop_no_elements <- function(what) {
  text <- paste0("a gpu_array is made of ordinary numeric, integer and logical vectors and arrays; `x` is %s.",
                 "\ni Convert it, for instance with as.numeric() or as.matrix().")
  stop_avenir(sprintf(text, what), "avenir_invalid_argument")
}

check_array_type <- function(type, x) {
  if (is.null(type)) return(if (is.integer(x)) "integer" else if (is.logical(x)) "logical" else "double")
  if (is.character(type) && length(type) == 1L && type %in% array_types) return(type)
  invalid_argument("`type` must be \"double\", \"float\", \"integer\" or \"logical\"", type)
}

make_array <- function(x, type, device, dim = NULL, dimnames = NULL, names = NULL) {
  install_methods()
  cpp_gpu_make(x, check_array_type(type, x), check_device(device), dim, dimnames, names)
}

check_extents <- function(x, name) {
  whole <- is.numeric(x) && length(x) && !anyNA(x) && all(x >= 0 & x == floor(x) & x <= .Machine$integer.max)
  if (whole) return(as.integer(x))
  invalid_argument(sprintf("`%s` must be whole numbers from 0", name), x)
}

matrix_extents <- function(x, nrow, ncol) {
  rows <- if (!is.null(nrow)) check_extents(nrow, "nrow")[1L]
  columns <- if (!is.null(ncol)) check_extents(ncol, "ncol")[1L]
  count <- length(x)
  if (is.null(rows) && is.null(columns)) return(c(as.integer(count), 1L))
  if (is.null(columns)) columns <- if (rows == 0L) 0L else as.integer(ceiling(count / rows))
  if (is.null(rows)) rows <- if (columns == 0L) 0L else as.integer(ceiling(count / columns))
  c(rows, columns)
}

# The elements of an array with `count` of them: x, recycled as a whole.
fitted_elements <- function(x, count) {
  if (length(x) == count) return(x)
  if (length(x) && count %% length(x) == 0) return(rep_len(x, count))
  stop_avenir(sprintf("the extents have room for %s elements, and `x` has %s.", format(count), format(length(x))),
              "avenir_invalid_argument")
}

# The same elements with other extents.
shaped <- function(x, dim = NULL, dimnames = NULL, names = NULL) {
  attr(x, "Dim") <- slot_value(dim)
  attr(x, "Dimnames") <- slot_value(dimnames)
  attr(x, "Names") <- slot_value(names)
  x
}

# As methods stores NULL in a slot.
slot_value <- function(x) if (is.null(x)) as.name("\001NULL\001") else x

changed_array <- function(x, dim, type, device) {
  if (!is.null(type)) x <- cpp_gpu_as_type(x, check_array_type(type, x))
  if (!identical(device, "auto")) x <- gpu_copy(x, device)
  if (is.null(dim) || identical(dim, base::dim(x))) return(x)
  dim(x) <- dim
  x
}

# What base R's function makes of the elements, as an array on the same device.
by_base <- function(x, f) {
  result <- f(as_base(x))
  if (is.numeric(result) || is.logical(result)) gpu_array(result, device = gpu_device(x)) else result
}

# The ordinary R object that x stands for.
as_base <- function(x) {
  if (!is_gpu_array(x)) return(x)
  elements <- cpp_gpu_fetch(x)
  if (!is.null(x@Dim)) {
    dim(elements) <- x@Dim
    if (!is.null(x@Dimnames)) dimnames(elements) <- x@Dimnames
  }
  if (!is.null(x@Names)) names(elements) <- x@Names
  elements
}

# ---- Back to R ----

#' @export
as.array.gpu_array <- function(x, ...) {
  if (is.null(x@Dim)) as.array(as_base(x)) else as_base(x)
}

#' @export
as.matrix.gpu_array <- function(x, ...) if (length(x@Dim) == 2L) as_base(x) else as.matrix(as_base(x))

#' @export
as.vector.gpu_array <- function(x, mode = "any") {
  elements <- cpp_gpu_fetch(x)
  if (mode == "any") elements else as.vector(elements, mode)
}

#' @export
as.double.gpu_array <- function(x, ...) as.double(cpp_gpu_fetch(x))

#' @export
as.integer.gpu_array <- function(x, ...) as.integer(cpp_gpu_fetch(x))

#' @export
as.logical.gpu_array <- function(x, ...) as.logical(cpp_gpu_fetch(x))

#' @export
as.character.gpu_array <- function(x, ...) as.character(cpp_gpu_fetch(x))

#' @export
as.list.gpu_array <- function(x, ...) as.list(as_base(x))

#' @export
as.data.frame.gpu_array <- function(x, ...) as.data.frame(as_base(x), ...)

# ---- Extents and names ----

#' @export
dim.gpu_array <- function(x) x@Dim

# Also of an array whose elements are gone: who shows a traceback or the variables of a session asks, and must get an
# answer.
#' @export
length.gpu_array <- function(x) {
  length <- cpp_gpu_length(x)
  if (is.null(length)) kept_length(x) else length
}

kept_length <- function(x) if (is.null(x@Dim)) length(x@Names) else prod(x@Dim)

#' @export
dimnames.gpu_array <- function(x) x@Dimnames

#' @export
names.gpu_array <- function(x) if (length(x@Dim) == 1L) x@Dimnames[[1L]] else x@Names

#' @export
`dim<-.gpu_array` <- function(x, value) {
  if (is.null(value)) return(shaped(x))
  value <- check_extents(value, "dim")
  if (prod(value) == length(x)) return(shaped(x, value))
  stop_avenir(sprintf("dims [product %s] do not match the length of object [%s]", format(prod(value)),
                      format(length(x))), "avenir_invalid_argument")
}

# R's own checks, of an array without elements of these extents.
#' @export
`dimnames<-.gpu_array` <- function(x, value) {
  if (is.null(x@Dim)) stop_avenir("'dimnames' applied to non-array", "avenir_invalid_argument")
  model <- x@Dim
  lengths <- if (is.list(value)) lengths(value) else 0L
  wrong <- !is.null(value) && (!is.list(value) || length(value) > length(model) ||
                                 any(lengths > 0L & lengths != model[seq_along(value)]))
  if (wrong) {
    stop_avenir("length of 'dimnames' must match the extents of the array", "avenir_invalid_argument")
  }
  value <- lapply(c(value, vector("list", length(model) - length(value))), function(n) if (length(n)) as.character(n))
  shaped(x, model, if (any(lengths(value) > 0L)) value)
}

#' @export
`names<-.gpu_array` <- function(x, value) {
  if (!is.null(value)) value <- rep_len(c(as.character(value), rep(NA_character_, length(x))), length(x))
  shaped(x, x@Dim, x@Dimnames, value)
}

#' @export
is.matrix.gpu_array <- function(x) length(x@Dim) == 2L

#' @export
is.array.gpu_array <- function(x) !is.null(x@Dim)

#' @export
is.numeric.gpu_array <- function(x) cpp_gpu_type(x) != "logical"

# ---- Printing ----

#' @export
format.gpu_array <- function(x, ...) format(as_base(x), ...)

#' @export
print.gpu_array <- function(x, ...) {
  cat(describe_array(x), "\n", sep = "")
  if (length(x) && !is_gone(x)) print(as_base(head_of(x)), ...)
  invisible(x)
}

describe_array <- function(x) {
  extents <- if (is.null(dim(x))) "vector" else paste(dim(x), collapse = " x ")
  if (is_gone(x)) return(sprintf("<gpu_array: %s, saved or sent elsewhere: its memory is gone>", extents))
  if (is.null(dim(x))) extents <- sprintf("vector of %s", format(length(x), big.mark = ""))
  sprintf("<gpu_array: %s, %s, on %s>", extents, gpu_type(x), gpu_device(x))
}

is_gone <- function(x) is.null(cpp_gpu_length(x))

# The first few rows and columns, or elements.
head_of <- function(x) {
  if (length(x) <= 100L) return(x)
  extents <- dim(x)
  if (length(extents) == 2L) return(x[seq_len(min(extents[1L], 6L)), seq_len(min(extents[2L], 6L)), drop = FALSE])
  shaped(x)[seq_len(10L)]
}

#' @importFrom utils str
#' @export
str.gpu_array <- function(object, ...) cat(" ", describe_array(object), "\n", sep = "")

#' @export
summary.gpu_array <- function(object, ...) summary(as_base(object), ...)
