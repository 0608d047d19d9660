# Parallel maps over some of the elements, in the style of purrr.

#' Parallel versions of purrr's map_if() and map_at()
#'
#' `.f` is called with those elements that a predicate accepts, or with those of given names or positions; the others
#' are returned as they are, or what `.else` makes of them.
#'
#' @param .x A vector, list or data frame (of which columns are the elements).
#' @inheritParams future_map
#' @param .p A predicate in the forms of `.f`, which is evaluated in this session and must return `TRUE` or `FALSE`; or
#'   a logical vector as long as `.x`.
#' @param .at Names or positions; negative positions stand for all others. Also a function or formula that gives these
#'   from the names of `.x`, and what `dplyr::vars()` returns (with package tidyselect).
#' @param .else `NULL`, or what is called with the other elements.
#' @return A list with the names of `.x`.
#' @section Errors:
#' As for [future_map()]; also `avenir_invalid_argument` when `.p` or `.at` do not fit.
#' @seealso [future_map()], [future_modify_if()]
#' @examples
#' future_map_if(iris[1:2, ], is.factor, as.character)
#' future_map_at(list(a = 1, b = 2, c = 3), c("a", "c"), ~ .x * 10)
#' @export
future_map_if <- function(.x, .p, .f, ..., .else = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                          .progress = FALSE) {
  force(.env_globals)
  map_part <- function(x, f, progress) {
    future_map(x, f, ..., .options = .options, .env_globals = .env_globals, .progress = progress)
  }
  chosen <- elements_where(.x, .p)
  values <- vector("list", length(.x))
  values[chosen] <- map_part(.x[chosen], .f, .progress)
  values[!chosen] <- if (is.null(.else)) .x[!chosen] else map_part(.x[!chosen], .else, FALSE)
  stats::setNames(values, names(.x))
}

#' @rdname future_map_if
#' @export
future_map_at <- function(.x, .at, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                          .progress = FALSE) {
  force(.env_globals)
  future_map_if(.x, elements_at(.x, .at), .f, ..., .options = .options, .env_globals = .env_globals,
                .progress = .progress)
}

# ---- Which elements ----

# TRUE for each element that `p` accepts.
elements_where <- function(x, p) {
  if (is.logical(p)) {
    if (length(p) == length(x) && !anyNA(p)) return(as.vector(p))
    invalid_argument(sprintf("`.p` must be a predicate, or TRUE or FALSE for each of %d elements", length(x)), p)
  }
  accepts <- as_map_function(p, name = ".p")
  vapply(elements_of(x), function(element) is_accepted(accepts(element)), NA, USE.NAMES = FALSE)
}

is_accepted <- function(answer) {
  if (is.numeric(answer) && length(answer) == 1L && answer %in% 0:1) answer <- as.logical(answer)
  if (is_flag(answer)) return(as.vector(answer))
  invalid_argument("`.p` must return a single TRUE or FALSE", answer)
}

# TRUE for each element that `at` names.
elements_at <- function(x, at) {
  if (inherits(at, "quosures")) at <- selected_names(names(x), at)
  if (is.function(at) || inherits(at, "formula")) at <- as_map_function(at, name = ".at")(names(x))
  if (is.character(at)) {
    if (is.null(names(x))) invalid_argument("`.at` must be positions: character indexing requires a named object", at)
    return(names(x) %in% at)
  }
  if (!is.numeric(at) || anyNA(at)) invalid_argument("`.at` must be names, positions or a function that gives them", at)
  if (any(at < 0)) !seq_along(x) %in% abs(at) else seq_along(x) %in% at
}

selected_names <- function(names, quosures) {
  check_installed("tidyselect", "vars() in `.at`")
  do.call(tidyselect::vars_select, c(list(names), quosures))
}
