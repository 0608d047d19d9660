# Parallel maps over any number of vectors at once: future_pmap() and its typed variants. `?future_map` has their help.

#' @rdname future_map
#' @export
future_pmap <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "list", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_pmap_chr <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "character", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_pmap_dbl <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "double", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_pmap_int <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "integer", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_pmap_lgl <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "logical", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_pmap_raw <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_many(.l, .f, list(...), "raw", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_pmap_vec <- function(.l, .f, ..., .ptype = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  values <- map_many(.l, .f, list(...), "vector", .options, .env_globals, .progress)
  as_one_vector(values, .ptype)
}

#' @rdname future_map
#' @export
future_pmap_dfr <- function(.l, .f, ..., .id = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  check_dplyr("future_pmap_dfr")
  values <- map_many(.l, .f, list(...), "rows", .options, .env_globals, .progress)
  dplyr::bind_rows(values, .id = .id)
}

#' @rdname future_map
#' @export
future_pmap_dfc <- function(.l, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  check_dplyr("future_pmap_dfc")
  values <- map_many(.l, .f, list(...), "columns", .options, .env_globals, .progress)
  dplyr::bind_cols(values)
}
