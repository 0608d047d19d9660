# Parallel maps in the style of purrr: future_map() and its typed variants, and what all families of furrr share.

#' Parallel versions of purrr's map(), map2(), pmap() and imap()
#'
#' These give what purrr's functions give, evaluated by the workers of the current [plan()]. The names and arguments are
#' those of package furrr. Neither purrr nor rlang is needed for them.
#'
#' @details `future_map()` calls `.f` with each element of `.x`, `future_map2()` with those of `.x` and `.y`,
#' `future_pmap()` with those of all vectors in `.l`, under their names, and `future_imap()` with each element and its
#' name, or its position when `.x` has no names. The result has the names of the first vector. Vectors must be of the
#' same length or of length one; those of length one are recycled.
#'
#' `.f` is a function; or a formula such as `~ .x + .y`, whose right side is evaluated with the arguments as `.x`, `.y`
#' (also `.` and `..1`, `..2` and so on); or names and positions, a vector or a list of them, of what is to be extracted
#' from each element one after the other: `"a"`, `2`, `list("a", 2)`. What is not there is `NULL`, or `.default` when
#' that is given in `...`. Functions in such a list are applied.
#'
#' Without a suffix the result is a list. `_lgl`, `_int`, `_dbl`, `_chr` and `_raw` give a vector of that type: each
#' value must be of length one and of that type, or of one that turns into it without loss (`2` into an integer, `TRUE`
#' into a number, not `"2"` into either). `_vec` gives a vector of the type that the values have in common, also dates
#' and factors (with package vctrs). `_dfr` and `_dfc` bind data frames by rows and by columns (with package dplyr).
#'
#' Relayed output, errors, lost workers, random numbers and chunks are as for [future_lapply()], and `.options` says
#' what `future.*` arguments say there. With `.options = furrr_options(seed = TRUE)` the numbers are those of furrr.
#'
#' @param .x,.y Vectors, lists or data frames (of which columns are the elements).
#' @param .l A list of vectors; a data frame stands for the list of its columns.
#' @param .f A function, formula, or names and positions; see the details.
#' @param ... Further arguments of `.f`.
#' @param .options What [furrr_options()] returns.
#' @param .env_globals Where global variables of the arguments in `...` are looked up.
#' @param .progress `TRUE` shows on standard error how much is done, under plans that have workers.
#' @param .ptype A vector of the type of the result, or `NULL` for the common type of the values.
#' @param .id `NULL`, or the name of a column that tells which element (its name or position) a row is from.
#' @return A list, or a vector or data frame as the suffix says.
#' @section Errors: Besides those of `.f` and those of [future_lapply()]: `avenir_invalid_argument` when lengths do not
#' match, when `.f` is nothing that stands for a function, when `.x` is not a vector, when `.options` was not made by
#' [furrr_options()], and for values of another type or length than the suffix asks for. That error's message and its
#' fields `location` and `name` tell the element.
#' @seealso [furrr_options()], [future_walk()], [future_modify()], [future_map_if()], [future_lapply()]
#' @examples
#' future_map(1:3, function(i) i^2)
#' future_map_dbl(split(mtcars, mtcars$cyl), ~ mean(.x$mpg))
#' future_map_chr(list(list(id = "a"), list(id = "b")), "id")
#'
#' future_map2_dbl(1:3, 10, ~ .x * .y)
#' future_pmap_chr(list(x = c("a", "b"), n = 2:3), function(x, n) strrep(x, n))
#' future_imap_chr(c(first = 1, second = 2), function(x, name) paste(name, x))
#'
#' future_map_dbl(1:3, function(i) rnorm(1), .options = furrr_options(seed = 42))
#' @export
future_map <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "list", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map_chr <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "character", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map_dbl <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "double", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map_int <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "integer", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map_lgl <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "logical", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map_raw <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  map_one(.x, .f, list(...), "raw", .options, .env_globals, .progress)
}

#' @rdname future_map
#' @export
future_map_vec <- function(.x, .f, ..., .ptype = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                           .progress = FALSE) {
  values <- map_one(.x, .f, list(...), "vector", .options, .env_globals, .progress)
  as_one_vector(values, .ptype)
}

#' @rdname future_map
#' @export
future_map_dfr <- function(.x, .f, ..., .id = NULL, .options = furrr_options(), .env_globals = parent.frame(),
                           .progress = FALSE) {
  check_dplyr("future_map_dfr")
  values <- map_one(.x, .f, list(...), "rows", .options, .env_globals, .progress)
  dplyr::bind_rows(values, .id = .id)
}

#' @rdname future_map
#' @export
future_map_dfc <- function(.x, .f, ..., .options = furrr_options(), .env_globals = parent.frame(), .progress = FALSE) {
  check_dplyr("future_map_dfc")
  values <- map_one(.x, .f, list(...), "columns", .options, .env_globals, .progress)
  dplyr::bind_cols(values)
}

# ---- Their common way ----

# `type`: that of the values, "list", "NULL" (none are wanted), or, of lists that are to become something else,
# "vector", "rows" or "columns".
map_one <- function(.x, .f, dots, type, options, env, progress) {
  x <- elements_of(.x)
  work <- list(form = "map", elements = x, sources = list(x), names = names(.x))
  run_furrr(work, type, .f, dots, options, env, progress)
}

map_two <- function(.x, .y, .f, dots, type, options, env, progress) {
  map_recycled("map2", list(.x, .y), .f, dots, type, options, env, progress)
}

map_many <- function(.l, .f, dots, type, options, env, progress) {
  map_recycled("pmap", check_input_list(.l), .f, dots, type, options, env, progress)
}

map_recycled <- function(form, inputs, .f, dots, type, options, env, progress) {
  inputs <- recycle_inputs(inputs)
  vectors <- Map(elements_of, inputs, ".l")
  plain <- all(vapply(vectors, is.atomic, NA))
  work <- list(form = form, elements = if (plain) positions_in(vectors) else argument_lists(vectors),
               vectors = if (plain) vectors, sources = vectors, names = if (length(inputs)) names(inputs[[1L]]))
  run_furrr(work, type, .f, dots, options, env, progress)
}

# `work`: list(form = "map", "map2" or "pmap", elements = what a job has as its `x`, vectors = those that they are
# positions in, or NULL, sources = the vectors that they are from, names = of the result).
run_furrr <- function(work, type, .f, dots, options, env, progress) {
  check_furrr_options(options)
  check_progress(progress)
  name <- furrr_name(work$form, type)
  if (type != "list") refuse_kept_errors(options, name)
  fun <- as_map_function(.f, dots)
  value_type <- if (type %in% c("vector", "rows", "columns")) "list" else type
  if (length(work$elements)) {
    kernel <- list(form = work$form, type = value_type, vectors = work$vectors, labels = labels_of(work$sources))
    values <- map_furrr(work, fun, dots, kernel, name, options, env, progress)
  } else {
    values <- list()
    advance_for_none(options$seed)
  }
  as_vector_of(values, value_type, work$names)
}

map_furrr <- function(work, fun, dots, kernel, name, options, env, progress) {
  map_options <- furrr_map_options(name, options, env)
  if (progress) {
    bar <- new_progress_bar(length(work$elements))
    map_options$progress <- bar$show
    on.exit(bar$end())
  }
  chunking <- list(scheduling = options$scheduling, size = options$chunk_size,
                   given = !options$adaptive || identical(getOption("avenir.scheduling"), "static"))
  policy <- list(retries = options$retries, timeout = options$timeout, keep_going = options$on_error == "keep")
  map_elements(work$elements, fun, dots, kernel, map_options, chunking, policy, work$names, work$sources)
}

# What new_map_options() makes of `future.*` arguments. Names that are not there are no globals, and no error.
furrr_map_options <- function(name, options, env) {
  globals <- options$globals
  if (is.character(globals)) globals <- unique(globals[vapply(globals, exists, NA, envir = env)])
  list(fun_name = name, seed_name = "seed", announces = FALSE, envir = env, stdout = options$stdout,
       conditions = options$conditions, globals = globals, seed = options$seed, packages = unique(options$packages),
       label = if (!is.null(options$prefix)) paste0(options$prefix, "-1"))
}

# "future_map2_dbl" for messages.
furrr_name <- function(form, type) {
  suffixes <- c(list = "", double = "_dbl", integer = "_int", character = "_chr", logical = "_lgl", raw = "_raw",
                vector = "_vec", rows = "_dfr", columns = "_dfc")
  if (type == "NULL") form <- sub("map", "walk", form, fixed = TRUE)
  paste0("future_", form, if (type == "NULL") "" else suffixes[[type]])
}

refuse_kept_errors <- function(options, name) {
  if (options$on_error == "stop") return(invisible())
  problem <- "`on_error` of furrr_options() must be \"stop\" for %s(): an error has no place in its result"
  invalid_argument(sprintf(problem, name), "keep", "future_map() returns a list, which can hold a condition.")
}

# As furrr does, other than future.apply, when there is nothing to map over.
advance_for_none <- function(seed) {
  if (is.list(seed)) check_listed_seeds(seed, 0L, "seed")
  if (!is.null(seed) && !isFALSE(seed)) {
    as_lecuyer_seed(seed)
    forward_rng(2L)
  }
}
