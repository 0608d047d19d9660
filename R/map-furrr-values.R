# What maps in the style of purrr make of their values.

# A list or a vector of the type, of values of that type.
as_vector_of <- function(values, type, names) {
  vector <- if (type %in% c("list", "NULL")) values else as.vector(unlist(values, FALSE, FALSE), type)
  if (is.null(vector)) vector <- base::vector(type, 0L)
  names(vector) <- names
  vector
}

# The vector of the values' common type, or of that of `ptype`.
as_one_vector <- function(values, ptype) {
  check_installed("vctrs", "future_map_vec() and its relatives")
  for (i in seq_along(values)) check_one(values[[i]], i, names(values)[i])
  vector <- vctrs::list_unchop(unname(values), ptype = ptype)
  if (is.null(vector)) vector else vctrs::vec_set_names(vector, names(values))
}

check_one <- function(value, i, name) {
  problem <- if (!vctrs::vec_is(value)) sprintf("Result must be a vector, not %s.", described_value(value))
  else if (vctrs::vec_size(value) != 1L) sprintf("Result must be of size 1, not %d.", vctrs::vec_size(value))
  if (is.null(problem)) return(invisible())
  error <- tryCatch(wrong_value(problem), error = identity)
  stop(located_error(error, i, name))
}

check_dplyr <- function(name) check_installed("dplyr", paste0(name, "()"))

check_installed <- function(package, what) {
  if (requireNamespace(package, quietly = TRUE)) return(invisible())
  text <- "%s needs package %s, which is not installed.\ni install.packages(\"%s\")"
  stop_avenir(sprintf(text, what, package, package), "avenir_missing_package")
}
