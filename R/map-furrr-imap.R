# Parallel maps over elements and their names: future_imap() and its typed variants. `?future_map` has their help.

#' @rdname future_map
#' @export
future_imap <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "list", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_imap_chr <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "character", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_imap_dbl <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "double", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_imap_int <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "integer", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_imap_lgl <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "logical", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_imap_raw <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_two(.x, index_of(.x), .f, list(...), "raw", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_imap_vec <- function(.x, .f, ..., .ptype = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  values <- map_two(.x, index_of(.x), .f, list(...), "vector", .options, .env_globals, .progress)
  as_one_vector(values, .ptype)
}

#' @rdname future_map
#' @export
future_imap_dfr <- function(.x, .f, ..., .id = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                            .progress = FALSE) {
  check_dplyr("future_imap_dfr")
  values <- map_two(.x, index_of(.x), .f, list(...), "rows", .options, .env_globals, .progress)
  dplyr::bind_rows(values, .id = .id)
}

#' @rdname future_map
#' @export
future_imap_dfc <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  check_dplyr("future_imap_dfc")
  values <- map_two(.x, index_of(.x), .f, list(...), "columns", .options, .env_globals, .progress)
  dplyr::bind_cols(values)
}
