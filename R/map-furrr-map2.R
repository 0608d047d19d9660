# Parallel maps over two vectors at once: future_map2() and its typed variants. `?future_map` has their help.

#' @rdname future_map
#' @export
future_map2 <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "list", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map2_chr <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "character", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map2_dbl <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "double", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map2_int <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "integer", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map2_lgl <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "logical", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map2_raw <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  map_two(.x, .y, .f, list(...), "raw", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map2_vec <- function(.x, .y, .f, ..., .ptype = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  values <- map_two(.x, .y, .f, list(...), "vector", .options, .env_globals, .progress)
  as_one_vector(values, .ptype)
}

#' @rdname future_map
#' @export
future_map2_dfr <- function(.x, .y, .f, ..., .id = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  check_dplyr("future_map2_dfr")
  values <- map_two(.x, .y, .f, list(...), "rows", .options, .env_globals, .progress)
  dplyr::bind_rows(values, .id = .id)
}

#' @rdname future_map
#' @export
future_map2_dfc <- function(.x, .y, .f, ..., .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  check_dplyr("future_map2_dfc")
  values <- map_two(.x, .y, .f, list(...), "columns", .options, .env_globals, .progress)
  dplyr::bind_cols(values)
}
