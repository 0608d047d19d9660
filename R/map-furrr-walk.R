# Parallel maps for what `.f` does, not for what it returns: future_walk() and its relatives.

#' Parallel versions of purrr's walk(), walk2(), pwalk() and iwalk()
#'
#' `.f` is called as by [future_map()] and its relatives, for its side effects: nothing comes back from the workers.
#'
#' @details
#' Side effects on a worker's memory are of no use here: the worker forgets them. Files, databases, output and messages
#' are what remains.
#'
#' @inheritParams future_map
#' @return `.x` or `.l`, invisibly.
#' @section Errors: As for [future_map()]. `furrr_options(on_error = "keep")` is an `avenir_invalid_argument`: there is
#' no result in which an error could stand.
#' @seealso [future_map()], [furrr_options()]
#' @examples
#' future_walk(1:2, print)
#' future_iwalk(c(a = 1, b = 2), ~ cat(.y, "is", .x, "\n"))
#'
#' folder <- tempfile()
#' dir.create(folder)
#' parts <- split(mtcars, mtcars$cyl)
#' files <- file.path(folder, paste0(names(parts), ".csv"))
#' future_walk2(parts, files, write.csv)
#' list.files(folder)
#' unlink(folder, recursive = TRUE)
#' @export
future_walk <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "NULL", .options, .env_globals, .progress)
  invisible(.x)
}

#' @rdname future_walk
#' @export
future_walk2 <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                         .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "NULL", .options, .env_globals, .progress)
  invisible(.x)
}

#' @rdname future_walk
#' @export
future_pwalk <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "NULL", .options, .env_globals, .progress)
  invisible(.l)
}

#' @rdname future_walk
#' @export
future_iwalk <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "NULL", .options, .env_globals, .progress)
  invisible(.x)
}
