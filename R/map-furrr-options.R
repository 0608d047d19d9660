# furrr_options(): how the maps in the style of furrr are evaluated.

#' Options of future_map() and its relatives
#'
#' What the `future.*` arguments are for [future_lapply()] these are for [future_map()] and the others, under the names
#' of furrr.
#'
#' @details By default workers take elements as they get free; a value given to `scheduling` or `chunk_size` is kept to.
#' Results do not depend on it.
#'
#' @param ... Nothing.
#' @param stdout,conditions What happens to output and conditions; see [future()].
#' @param globals `TRUE` or `NULL`: global variables of `.f`, of `...` and of functions that are mapped over are found
#'   by themselves, those of `.f` from its own environment on. `FALSE`: none. Names: these, looked up from
#'   `.env_globals` on, as far as they are there. A named list: these values.
#' @param packages Packages to be attached where `.f` is evaluated, beside those that are found.
#' @param seed `TRUE`, a whole number or an L'Ecuyer-CMRG state: each element has a stream of random numbers of its own
#'   that derives from it. A list of one state for each element: these. `FALSE`: none, and a warning when numbers are
#'   drawn. `NULL`: none and no warning.
#' @param scheduling The average number of chunks for each worker, a whole number; `FALSE` or `Inf` for one element a
#'   chunk, 0 for one chunk in all. Attribute `ordering` (whole numbers, a function of the number of elements, or
#'   `"random"`) is the order in which the elements are processed.
#' @param chunk_size The average number of elements in a chunk, a whole number or `Inf`; overrides `scheduling`. Takes
#'   the same attribute.
#' @param prefix A string that labels in messages begin with, or `NULL`.
#' @param retries,timeout,on_error As `future.retries`, `future.timeout` and `future.on.error` of [future_lapply()].
#'   Maps whose values are of one type know `on_error = "stop"` only.
#' @return An object of class `furrr_options`.
#' @section Errors:
#' `avenir_invalid_argument` for values that make no sense, when there is something in `...`, and, where the map begins,
#' for a list of states that is not as long as what is mapped over.
#' @seealso [future_map()]
#' @examples
#' draw <- function(i) runif(1)
#' future_map_dbl(1:3, draw, .options = furrr_options(seed = 42))
#' future_map_dbl(1:3, draw, .options = furrr_options(seed = 42, chunk_size = 1)) # the same
#' @export
furrr_options <- function(..., stdout = TRUE, conditions = "condition", globals = TRUE, packages = NULL, seed = FALSE,
                          scheduling = 1, chunk_size = NULL, prefix = NULL, retries = 0, timeout = Inf,
                          on_error = c("stop", "keep")) {
  check_no_more(...)
  adaptive <- missing(scheduling)
  options <- list(
    stdout = check_stdout(stdout), conditions = check_conditions(conditions), globals = check_furrr_globals(globals),
    packages = check_packages(packages), seed = check_furrr_seed(seed),
    scheduling = check_scheduling(scheduling), chunk_size = check_furrr_chunk_size(chunk_size),
    prefix = check_label(prefix, "prefix"), retries = check_retries(retries, "retries"),
    timeout = check_timeout(timeout, "timeout"), on_error = check_on_error(on_error, "on_error"), adaptive = adaptive
  )
  structure(options, class = c("AvenirFurrrOptions", "furrr_options"))
}

#' @export
print.AvenirFurrrOptions <- function(x, ...) {
  cat("<furrr_options>\n")
  invisible(x)
}

# ---- Checks ----

check_furrr_options <- function(x) {
  if (inherits(x, "AvenirFurrrOptions")) return(x)
  invalid_argument("`.options` must be created from `furrr_options()`", x)
}

check_no_more <- function(...) {
  if (!...length()) return(invisible())
  invalid_argument("furrr_options() takes nothing in `...`", list(...), "Is the name of an argument misspelt?")
}

check_furrr_globals <- function(x) {
  if (is.null(x)) return(TRUE)
  named <- is.list(x) && length(x) && !is.null(names(x)) && !anyNA(names(x)) && all(nzchar(names(x)))
  if (is_flag(x) || is.character(x) || named) return(x)
  invalid_argument("`globals` must be TRUE, FALSE, NULL, names or a named list", x)
}

check_scheduling <- function(x) {
  if (is_flag(x)) return(x)
  if (!is_number(x) || x < 0) {
    invalid_argument("`scheduling` must be TRUE, FALSE or one number greater than or equal to zero", x)
  }
  as_whole(x, "scheduling")
}

check_furrr_chunk_size <- function(x) {
  if (is.null(x)) return(NULL)
  if (!is_number(x) || x <= 0) {
    invalid_argument("`chunk_size` must be one number greater than zero, or NULL", x, "Inf stands for one chunk.")
  }
  as_whole(x, "chunk_size")
}

# As an integer where it is finite; attribute "ordering" stays.
as_whole <- function(x, name) {
  if (is.infinite(x)) return(x)
  if (!is_whole(x)) invalid_argument(sprintf("`%s` must be a whole number", name), x)
  structure(as.integer(x), ordering = attr(x, "ordering", exact = TRUE))
}

is_whole <- function(x) is.numeric(x) && all(is.finite(x)) && all(abs(x) <= .Machine$integer.max) && all(x == trunc(x))

# The length of a list of states is looked at when there is something to map over.
check_furrr_seed <- function(x) {
  if (is.null(x) || is_flag(x)) return(x)
  if (is.list(x)) return(check_listed_states(x))
  if (is.numeric(x) && !is.object(x) && length(x) %in% c(1L, 7L) && is_whole(x)) return(as.integer(x))
  invalid_argument("`seed` must be TRUE, FALSE, NULL, a list of states, or an integer of length 1 or 7 without NA", x)
}

check_listed_states <- function(x) {
  if (!length(x)) invalid_argument("`seed` must hold one state for each element when it is a list", x)
  check_seed_shapes(x, "seed")
  if (!is_accepted_by_r(x[[1L]])) stop_listed_seed(x, 1L, "seed", "is not a state that R accepts")
  x
}
