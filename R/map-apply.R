# Parallel maps over the parts of an array, of a data frame or of an environment. The parts are cut and the values
# put together in this session; between the two stands a map over a list.

#' Parallel versions of apply() and kernapply()
#'
#' `future_apply()` gives what [apply()] gives, evaluated by the workers of the current [plan()];
#' `future_kernapply()` smooths the columns of a matrix or time series as [stats::kernapply()] does.
#'
#' @details
#' Relayed output, errors, lost workers, random numbers and chunks are as for [future_lapply()]. When the margins hold
#' nothing, `FUN` is called once in this session, as [apply()] does, to learn the type of the result.
#'
#' With `future.on.error = "keep"` nothing is simplified when a part has failed. `future_kernapply()` knows `"stop"`
#' only.
#'
#' @inheritParams future_lapply
#' @param X An array, a matrix or a data frame.
#' @param MARGIN The dimensions that remain: numbers, or names where the dimnames of `X` have names.
#' @param ... Further arguments of `FUN`; for `future_kernapply()`, `future.*` arguments.
#' @param simplify As for [apply()].
#' @param x A vector, matrix or time series.
#' @param k A smoothing kernel, see [stats::kernel()].
#' @param circular As for [stats::kernapply()].
#' @return As for the function of base R.
#' @section Errors:
#' Besides those of `FUN` and those of [future_lapply()]: `avenir_invalid_argument` when `X` has no dimensions,
#' when it has not those that `MARGIN` names, when `x` is nothing that can be smoothed, and for
#' `future_kernapply(future.on.error = "keep")`: its value is one array of numbers.
#' @seealso [future_lapply()], [plan()]
#' @examples
#' X <- matrix(1:6, nrow = 2, dimnames = list(row = c("a", "b"), NULL))
#' future_apply(X, 1, sum)
#' future_apply(X, "row", range)
#'
#' future_kernapply(EuStockMarkets[, 1:2], stats::kernel("daniell", 50))[1, ]
#' @export
future_apply <- function(X, MARGIN, FUN, ..., simplify = TRUE, future.envir = parent.frame(), future.stdout = TRUE,
                         future.conditions = "condition", future.globals = TRUE, future.packages = NULL,
                         future.seed = FALSE, future.scheduling = 1.0, future.chunk.size = NULL,
                         future.label = "future_apply-%d", future.retries = 0, future.timeout = Inf,
                         future.on.error = c("stop", "keep")) {
  force(future.envir)
  FUN <- match.fun(FUN)
  check_margin(X, MARGIN)
  slices <- apply(X, MARGIN, identity, simplify = FALSE)
  if (!length(slices)) return(apply(X, MARGIN, FUN, ..., simplify = simplify))
  names <- names(slices)
  attributes(slices) <- NULL
  chunking <- new_chunking(future.scheduling, future.chunk.size, given = !missing(future.scheduling))
  options <- new_map_options("future_apply", future.envir, future.stdout, future.conditions, future.globals,
                             future.packages, future.seed, future.label)
  policy <- new_fault_policy(future.retries, future.timeout, future.on.error)
  values <- map_elements(slices, FUN, list(...), "lapply", options, chunking, policy, names)
  if (policy$keep_going && has_error(values)) simplify <- FALSE
  apply(X, MARGIN, one_by_one(values), simplify = simplify)
}

# A function that gives the values one after the other, whatever it is called with: base R, calling it in place of the
# map's function, gives them their shape.
one_by_one <- function(values) {
  i <- 0L
  function(...) values[[i <<- i + 1L]]
}

check_margin <- function(X, MARGIN) {
  if (!length(dim(X))) invalid_argument("`X` must be an array: dim(X) must have a positive length", X)
  dims <- seq_along(dim(X))
  if (is.character(MARGIN)) {
    if (is.null(names(dimnames(X)))) invalid_argument("`X` must have named dimnames when `MARGIN` gives names", MARGIN)
    names(dims) <- names(dimnames(X))
  }
  picked <- tryCatch(unname(dims[MARGIN]), error = function(e) NA)
  if (length(picked) && !anyNA(picked) && !anyDuplicated(picked)) return(invisible())
  problem <- "`MARGIN` must be different dimensions of `X`, which are %s"
  invalid_argument(sprintf(problem, paste(names(dims) %||% dims, collapse = ", ")), MARGIN)
}

#' @rdname future_apply
#' @export
future_kernapply <- function(x, ...) UseMethod("future_kernapply")

#' @rdname future_apply
#' @export
future_kernapply.default <- function(x, k, circular = FALSE, ...) {
  refuse_keep("future_kernapply", "its value is one array of numbers",
              "Call future_apply() with stats::kernapply() instead.", ...)
  if (is.vector(x)) return(stats::kernapply(x, k, circular = circular))
  if (is.matrix(x)) return(future_apply(x, 2L, stats::kernapply, k, circular = circular, ...))
  invalid_argument("`x` must be a vector, a matrix or a time series", x)
}

#' @rdname future_apply
#' @export
future_kernapply.ts <- function(x, k, circular = FALSE, ...) {
  columns <- if (is.matrix(x)) x else as.vector(x)
  smooth <- future_kernapply.default(columns, k, circular = circular, ...)
  stats::ts(smooth, end = stats::end(x), frequency = stats::frequency(x))
}
