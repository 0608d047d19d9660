# Parallel maps that keep the type of what they map over, in the style of purrr.

#' Parallel versions of purrr's modify(), modify_if() and modify_at()
#'
#' These return `.x` itself with other elements: of its type, with its class and attributes.
#'
#' @details Logical, integer, double and character vectors without a class take values of their own type only, as
#' [future_map_lgl()] and the others do. Into everything else the values are put with `[[<-`, also where that is a
#' method of a class, as it is for data frames and dates.
#'
#' These are generic functions.
#'
#' @param .x A vector, list or data frame (of which columns are the elements).
#' @inheritParams future_map
#' @inheritParams future_map_if
#' @return An object like `.x`.
#' @section Errors:
#' As for [future_map()] and [future_map_if()].
#' @seealso [future_map()], [future_map_if()]
#' @examples
#' future_modify(mtcars[1:3, 1:2], ~ .x * 2)
#' future_modify_if(iris[1:3, ], is.factor, as.character)
#' future_modify_at(c(a = 1, b = 2), "b", ~ .x + 10)
#' @export
future_modify <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  UseMethod("future_modify")
}

#' @export
future_modify.default <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                                  .progress = FALSE) {
  all <- rep(TRUE, length(.x))
  modify_where(.x, all, .f, list(...), .options, .env_globals, .progress)
}

#' @rdname future_modify
#' @export
future_modify_at <- function(.x, .at, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                             .progress = FALSE) {
  UseMethod("future_modify_at")
}

#' @export
future_modify_at.default <- function(.x, .at, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                                     .progress = FALSE) {
  modify_where(.x, elements_at(.x, .at), .f, list(...), .options, .env_globals, .progress)
}

#' @rdname future_modify
#' @export
future_modify_if <- function(.x, .p, .f, ..., .else = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                             .progress = FALSE) {
  UseMethod("future_modify_if")
}

#' @export
future_modify_if.default <- function(.x, .p, .f, ..., .else = NULL, .options = furrr_options(),
                                     .env_globals = parent.frame(), .progress = FALSE) {
  chosen <- elements_where(.x, .p)
  .x <- modify_where(.x, chosen, .f, list(...), .options, .env_globals, .progress)
  if (is.null(.else)) .x else modify_where(.x, !chosen, .else, list(...), .options, .env_globals, FALSE)
}

# `.x` with what `.f` makes of the elements that are chosen.
modify_where <- function(.x, chosen, .f, dots, options, env, progress) {
  bare <- !is.object(.x) && typeof(.x) %in% c("logical", "integer", "double", "character")
  values <- map_one(.x[chosen], .f, dots, if (bare) typeof(.x) else "list", options, env, progress)
  if (is.pairlist(.x) && !is.null(.x)) return(as.pairlist(replace(as.list(.x), which(chosen), values)))
  if (bare) {
    .x[chosen] <- values
    return(.x)
  }
  places <- which(chosen)
  for (i in seq_along(places)) .x[[places[[i]]]] <- values[[i]]
  .x
}
