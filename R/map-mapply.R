# Parallel maps over several vectors at once: future_mapply() and what rests on it.

#' Parallel versions of mapply(), .mapply() and Map()
#'
#' These give what base R's functions give, evaluated by the workers of the current [plan()].
#'
#' @details
#' Vectors of different lengths are recycled to the longest, with a warning of class `avenir_recycling_warning`
#' when its length is not a multiple of theirs; if one is empty, so is the result. `FUN` gets from each vector
#' what `[[` gives, also where that is a method of a class. Names are those of the first vector, or the first
#' vector itself when it is a character vector without names; they are recycled with it.
#'
#' Relayed output, errors, lost workers, random numbers and chunks are as for [future_lapply()]; with
#' `future.on.error = "keep"` nothing is simplified when an element has failed.
#'
#' @inheritParams future_lapply
#' @param FUN,f A function, or its name.
#' @param ... Vectors, passed to `FUN` element by element under their names. `future_Map()` and
#'   `future_.mapply()` pass `future.*` arguments on.
#' @param dots A list of such vectors.
#' @param MoreArgs A list of further arguments, the same in all calls, or `NULL`.
#' @param SIMPLIFY,USE.NAMES As for [mapply()].
#' @return As for the function of base R.
#' @section Errors:
#' Besides those of `FUN` and those of [future_lapply()]: `avenir_invalid_argument` when something that is not
#' a vector is to be iterated over, and when `MoreArgs` is not a list.
#' @seealso [future_lapply()], [plan()]
#' @examples
#' future_mapply(rep, 1:4, 4:1)
#' future_mapply(function(x, y) x + y, c(a = 1, b = 2), c(10, 20))
#' future_mapply(rnorm, n = 1:3, mean = 100, MoreArgs = list(sd = 5), future.seed = 42)
#'
#' future_Map(paste, c(first = "a", second = "b"), c("x", "y"))
#' future_.mapply(seq, dots = list(1:2, 4:5), MoreArgs = list(by = 2))
#' @export
future_mapply <- function(FUN, ..., MoreArgs = NULL, SIMPLIFY = TRUE, USE.NAMES = TRUE, future.envir = parent.frame(),
                          future.stdout = TRUE, future.conditions = "condition", future.globals = TRUE,
                          future.packages = NULL, future.seed = FALSE, future.scheduling = 1.0,
                          future.chunk.size = NULL, future.label = "future_mapply-%d", future.retries = 0,
                          future.timeout = Inf, future.on.error = c("stop", "keep")) {
  force(future.envir)
  FUN <- match.fun(FUN)
  dots <- recycle_vectors(check_vectors(list(...)))
  check_more_args(MoreArgs)
  if (!length(dots)) return(list())
  chunking <- new_chunking(future.scheduling, future.chunk.size, given = !missing(future.scheduling))
  options <- new_map_options("future_mapply", future.envir, future.stdout, future.conditions, future.globals,
                             future.packages, future.seed, future.label)
  policy <- new_fault_policy(future.retries, future.timeout, future.on.error)
  names <- if (USE.NAMES) names_of_first(dots[[1L]])
  values <- map_argument_lists(dots, FUN, as.list(MoreArgs), options, chunking, policy, names)
  names(values) <- names
  if (isFALSE(SIMPLIFY) || !length(values) || policy$keep_going && has_error(values)) return(values)
  simplify2array(values, higher = SIMPLIFY == "array")
}

#' @rdname future_mapply
#' @export
future_.mapply <- function(FUN, dots, MoreArgs, ..., future.envir = parent.frame(),
                           future.label = "future_.mapply-%d") {
  force(future.envir)
  more <- list(MoreArgs = MoreArgs, SIMPLIFY = FALSE, USE.NAMES = FALSE, ..., future.envir = future.envir,
               future.label = future.label)
  do.call(future_mapply, c(list(FUN = FUN), check_dots(dots), more), quote = TRUE)
}

#' @rdname future_mapply
#' @export
future_Map <- function(f, ..., future.envir = parent.frame(), future.label = "future_Map-%d") {
  f <- match.fun(f)
  future_mapply(FUN = f, ..., SIMPLIFY = FALSE, future.envir = future.envir, future.label = future.label)
}

# ---- Arguments ----

check_dots <- function(dots) {
  if (!is.list(dots)) invalid_argument("`dots` must be a list of vectors", dots)
  as.list(dots)
}

# Anything that `[[` takes apart, objects by methods of their own.
check_vectors <- function(dots) {
  for (i in seq_along(dots)) {
    x <- dots[[i]]
    if (is.object(x) || !(is.function(x) || is.environment(x) || is.symbol(x))) next
    invalid_argument(sprintf("argument %s of `...` must be a vector or a list", argument_name(dots, i)), x,
                     "What is the same in all calls goes into `MoreArgs`.")
  }
  dots
}

argument_name <- function(dots, i) {
  name <- names(dots)[i]
  if (length(name) && nzchar(name)) quote_names(name) else as.character(i)
}

check_more_args <- function(args) {
  if (is.null(args) || is.list(args)) return(invisible())
  invalid_argument("`MoreArgs` must be a list or NULL", args)
}

# All as long as the longest, or empty when one is.
recycle_vectors <- function(dots) {
  sizes <- lengths(dots)
  n <- if (any(sizes == 0L)) 0L else max(0L, sizes)
  other <- which(sizes != n)
  if (any(n %% sizes[other] != 0L, na.rm = TRUE)) warn_recycling(n, sizes[other])
  dots[other] <- lapply(dots[other], rep, length.out = n)
  dots
}

warn_recycling <- function(n, sizes) {
  text <- "longer argument not a multiple of length of shorter: vectors of length %s are recycled to length %d"
  warn_avenir(sprintf(text, paste(sizes[n %% sizes != 0L], collapse = ", "), n), "avenir_recycling_warning")
}

names_of_first <- function(first) {
  if (is.null(names(first)) && is.character(first)) as.vector(first) else names(first)
}

# ---- The map ----

# `[[` is applied here, once for each argument of each call, by base R's own loop.
map_argument_lists <- function(dots, fun, more_args, options, chunking, policy, names) {
  if (!length(dots[[1L]])) return(list())
  map_elements(.mapply(list, dots, NULL), fun, more_args, "mapply", options, chunking, policy, names, dots)
}
