# Elementwise functions of gpu_array: src/array/elementwise.cpp makes a node of each, which is computed when its
# elements are needed.

# What has no kernel, and what gives integers of integers, is base R's.
mapped_functions <- c("exp", "expm1", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
                      "cosh", "tanh", "asinh", "acosh", "atanh", "sinpi", "cospi", "tanpi", "sqrt", "abs")
rounding_functions <- c("floor", "ceiling", "trunc", "sign", "round")

#' @export
Math.gpu_array <- function(x, ...) {
  if (.Generic %in% mapped_functions) return(cpp_gpu_map(.Generic, x))
  if (.Generic == "log") return(logarithm_of(x, ...))
  if (.Generic == "cumsum") return(cumulated(x))
  whole <- .Generic != "round" || is_whole_rounding(...)
  if (.Generic %in% rounding_functions && whole && !is_integral(x)) return(cpp_gpu_map(.Generic, x))
  f <- get(.Generic, baseenv())
  by_base(x, function(x) f(x, ...))
}

is_integral <- function(x) cpp_gpu_type(x) %in% c("integer", "logical")

is_whole_rounding <- function(digits = 0) identical(as.numeric(digits), 0)

logarithm_of <- function(x, base = exp(1)) {
  if (!is_number(base)) invalid_argument("`base` of log() must be one number", base)
  if (base > 0 && base != 1) return(if (base == exp(1)) cpp_gpu_map("log", x) else cpp_gpu_log(x, as.double(base)))
  by_base(x, function(x) log(x, base))
}

cumulated <- function(x) shaped(cpp_gpu_cumsum(x), names = x@Names)

#' @export
is.na.gpu_array <- function(x) cpp_gpu_map("is.na", x)

#' @export
is.nan.gpu_array <- function(x) cpp_gpu_map("is.nan", x)

#' @export
is.finite.gpu_array <- function(x) cpp_gpu_map("is.finite", x)

#' @export
is.infinite.gpu_array <- function(x) cpp_gpu_map("is.infinite", x)

#' @export
anyNA.gpu_array <- function(x, recursive = FALSE) any(is.na(x))

# ---- Of several arguments ----

#' Elementwise choices and extremes of gpu_array
#'
#' `gpu_ifelse()`, `gpu_pmin()`, `gpu_pmax()` and `gpu_atan2()` are `ifelse()`, `pmin()`, `pmax()` and `atan2()` of
#' which some argument is a [gpu_array()], computed with the rest of an expression in one pass. Base R's `pmin()` and
#' `pmax()` take such arrays, too, in several steps; in [fused()] and [gpu_eval()] all these names mean those of arrays.
#'
#' @param test,yes,no As for [ifelse()]; `yes` and `no` have one element or as many as `test`. The result has the type
#'   that holds both.
#' @param y,x Ordinates and abscissas, as for [atan2()].
#' @param ... Arrays and vectors, each with one element or a length that divides the others'.
#' @param na.rm As for [pmin()].
#' @return A `gpu_array`.
#' @examples
#' x <- gpu_vector(c(-2, NA, 3))
#' gpu_ifelse(x > 0, x, 0)
#' gpu_pmax(x, 0, na.rm = TRUE)
#' @export
gpu_ifelse <- function(test, yes, no) {
  if (!some_array(list(test, yes, no))) return(base::ifelse(test, yes, no))
  cpp_gpu_choose(test, yes, no)
}

#' @rdname gpu_ifelse
#' @export
gpu_pmin <- function(..., na.rm = FALSE) extremes_of(TRUE, list(...), na.rm, base::pmin)

#' @rdname gpu_ifelse
#' @export
gpu_pmax <- function(..., na.rm = FALSE) extremes_of(FALSE, list(...), na.rm, base::pmax)

#' @rdname gpu_ifelse
#' @export
gpu_atan2 <- function(y, x) if (some_array(list(y, x))) cpp_gpu_atan2(y, x) else base::atan2(y, x)

extremes_of <- function(least, given, na.rm, base) {
  names(given) <- NULL
  if (!some_array(given)) return(do.call(base, c(given, na.rm = na.rm)))
  cpp_gpu_extremes(least, check_flag(na.rm, "na.rm"), given)
}

some_array <- function(objects) any(vapply(objects, is_gpu_array, NA))

# ---- Whole expressions ----

#' Expressions on a device, in one pass
#'
#' Elementwise functions of a [gpu_array()] are not computed one by one: they are noted, and computed together, in one
#' pass over the elements, when these are needed. `gpu_eval()` evaluates an expression of ordinary vectors on the
#' device, or computes what has been noted. `fused()` makes such a function of an R function.
#'
#' @details
#' A reduction around an expression (`sum(exp(x) * y)`) is computed in the same pass, so that no intermediate array is
#' needed. What several expressions have in common is computed once when it is more than a few functions; an expression
#' of more than 64 functions, or 16 arrays, is computed in parts.
#'
#' On a GPU each new form of an expression is compiled first, which takes some tenths of a second; expressions that
#' differ in their numbers only are the same form. On the CPU there is no such cost.
#'
#' `gpu_eval()` moves the expression's numeric, integer and logical variables of at least 1000 elements to the
#' device. When none of the variables was a `gpu_array` before, the value is an ordinary vector or array: the way back
#' and forth takes longer than most expressions, so keep what is used several times on the device. Below 1000 elements R
#' evaluates the expression itself.
#'
#' A function that `fused()` made treats its arguments in the same way. Within it, and in `gpu_eval()`, `pmin()`,
#' `pmax()`, `order()`, `atan2()`, `which.max()` and `which.min()` are those of arrays.
#'
#' @param expr An expression.
#' @param f A function.
#' @param device As for [gpu_array()].
#' @return `gpu_eval()`: the value of `expr`, computed. `fused()`: a function with the arguments of `f`.
#' @seealso [threaded()], for ordinary vectors on the CPU's threads
#' @examples
#' x <- gpu_vector(runif(1e4))
#' y <- exp(x) + 3 * sin(x)     # noted
#' gpu_eval(y)                  # computed
#'
#' z <- runif(1e4)
#' all.equal(gpu_eval(exp(z) + 3 * sin(z)), exp(z) + 3 * sin(z))
#'
#' f <- fused(function(x, y) pmin(exp(x), 3 * y))
#' f(z, 2)[1:3]
#' @export
gpu_eval <- function(expr, device = "auto") {
  code <- substitute(expr)
  env <- parent.frame()
  names <- all.vars(code)
  values <- mget(names, envir = env, ifnotfound = list(NULL), inherits = TRUE)
  evaluate_on_device(values, device, function(moved) eval(code, list2env(moved, parent = array_functions(env))))
}

#' @rdname gpu_eval
#' @export
fused <- function(f, device = "auto") {
  if (!is.function(f)) invalid_argument("`f` must be a function", f)
  inner <- f
  if (typeof(f) == "closure") environment(inner) <- array_functions(environment(f))
  function(...) evaluate_on_device(list(...), device, function(moved) do.call(inner, moved, quote = TRUE))
}

# From here on vectors are worth the way to a device.
fewest_elements <- 1000

evaluate_on_device <- function(values, device, evaluate) {
  movable <- vapply(values, is_movable, NA)
  had_arrays <- some_array(values)
  if (!had_arrays) device <- check_device(device)
  else device <- gpu_device(values[[which(vapply(values, is_gpu_array, NA))[1L]]])
  if (any(movable)) values[movable] <- lapply(values[movable], gpu_array, device = device)
  result <- evaluate(values)
  if (!is_gpu_array(result)) return(result)
  if (had_arrays) cpp_gpu_compute(result) else as_base(result)
}

is_movable <- function(x) (is.numeric(x) || is.logical(x)) && !is.object(x) && length(x) >= fewest_elements

# An environment between `parent` and the evaluation, in which names mean the functions for arrays.
array_functions <- function(parent) {
  list2env(list(pmin = gpu_pmin, pmax = gpu_pmax, ifelse = gpu_ifelse, order = gpu_order, atan2 = gpu_atan2,
                which.max = gpu_which_max, which.min = gpu_which_min), parent = parent)
}
