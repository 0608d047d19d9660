# Parallel maps over groups: of the elements of a vector, of the rows of a data frame.

#' Parallel versions of tapply() and by()
#'
#' These give what base R's functions give, evaluated by the workers of the current [plan()].
#'
#' @details
#' Relayed output, errors, lost workers, random numbers and chunks are as for [future_lapply()]; `future.*` arguments go
#' there. With `future.on.error = "keep"` nothing is simplified when a group has failed.
#'
#' @inheritParams future_lapply
#' @param X A vector, or a data frame whose rows are grouped.
#' @param INDEX,INDICES A factor, or a list of factors whose combinations are the groups; anything else is turned into
#'   factors. Under R 4.3 and later, for data frames, also a formula.
#' @param FUN A function of one group's part; for `future_tapply()` also its name, or `NULL` for the groups themselves.
#' @param ... Further arguments of `FUN`, and `future.*` arguments.
#' @param data A data frame, or what [as.data.frame()] turns into one.
#' @param default,simplify As for [tapply()].
#' @return As for the function of base R: an array with a cell for each group, for `future_by()` of class `by`.
#' @section Errors:
#' Besides those of `FUN` and those of [future_lapply()]: `avenir_invalid_argument` when a factor is not as long as the
#' data, when there is none, when there are more than 2^31 - 1 groups, and when `default` is not one value.
#' @seealso [future_lapply()], [plan()]
#' @examples
#' future_tapply(warpbreaks$breaks, warpbreaks[, -1], sum)
#' future_tapply(1:4, factor(c("a", "a", "b", "b"), levels = c("a", "b", "c")), sum, default = 0)
#'
#' future_by(warpbreaks[, 1:2], warpbreaks[, "tension"], summary)
#' @export
future_tapply <- function(X, INDEX, FUN = NULL, ..., default = NA, simplify = TRUE, future.envir = parent.frame(),
                          future.label = "future_tapply-%d") {
  force(future.envir)
  if (!is.null(FUN)) FUN <- match.fun(FUN)
  groups <- new_groups(INDEX, X, "INDEX", "X")
  if (is.null(FUN)) return(groups$group)
  parts <- unname(split(X, as_cells(groups)))
  filled <- lengths(parts) > 0L
  parts <- stats::setNames(parts[filled], cell_names(groups, filled))
  values <- future_lapply(parts, FUN, ..., future.envir = future.envir, future.label = future.label)
  fill_cells(groups, values, filled, default, simplify && !(keeps_errors(...) && has_error(values)))
}

#' @rdname future_tapply
#' @export
future_by <- function(data, INDICES, FUN, ..., simplify = TRUE, future.envir = parent.frame()) {
  UseMethod("future_by")
}

#' @rdname future_tapply
#' @export
future_by.default <- function(data, INDICES, FUN, ..., simplify = TRUE, future.envir = parent.frame()) {
  drop <- !length(dim(data))
  name <- deparse(substitute(INDICES))[1L]
  values <- map_rows(as.data.frame(data), INDICES, FUN, ..., simplify = simplify, future.envir = future.envir,
                     group_name = name, drop = drop)
  structure(values, call = match.call(), class = "by")
}

#' @rdname future_tapply
#' @export
future_by.data.frame <- function(data, INDICES, FUN, ..., simplify = TRUE, future.envir = parent.frame()) {
  name <- deparse(substitute(INDICES))[1L]
  values <- map_rows(data, INDICES, FUN, ..., simplify = simplify, future.envir = future.envir, group_name = name,
                     drop = FALSE)
  structure(values, call = match.call(), class = "by")
}

map_rows <- function(data, INDICES, FUN, ..., simplify, future.envir, future.label = "future_by-%d", group_name, drop) {
  if (!is.function(FUN)) invalid_argument("`FUN` must be a function", FUN, "by() takes no name of one.", "defunctError")
  if (!is.list(INDICES) && !inherits(INDICES, "formula")) INDICES <- stats::setNames(list(INDICES), group_name)
  groups <- new_groups(INDICES, data, "INDICES", "data")
  rows <- unname(split(seq_len(nrow(data)), as_cells(groups)))
  filled <- lengths(rows) > 0L
  parts <- lapply(rows[filled], function(row) data[row, , drop = drop])
  names(parts) <- cell_names(groups, filled)
  values <- future_lapply(parts, FUN, ..., future.envir = future.envir, future.label = future.label)
  fill_cells(groups, values, filled, NA, simplify && !(keeps_errors(...) && has_error(values)))
}

# ---- Groups ----

# list(group = the cell of each element or row, NA for none, levels = the names along each dimension of the cells)
new_groups <- function(index, data, index_name, data_name) {
  factors <- as_factors(index, data, index_name, data_name)
  if (!length(factors)) invalid_argument(sprintf("`%s` must be at least one factor", index_name), index)
  check_group_lengths(factors, data, index_name, data_name)
  levels <- lapply(factors, levels)
  cells <- prod(lengths(levels))
  if (cells > .Machine$integer.max) {
    invalid_argument(sprintf("`%s` must have less than 2^31 combinations of levels", index_name), cells)
  }
  list(group = tapply(seq_along(factors[[1L]]), factors), levels = levels)
}

as_factors <- function(index, data, index_name, data_name) {
  if (inherits(index, "formula")) index <- formula_variables(index, data, index_name, data_name)
  lapply(if (is.list(index)) index else list(index), as.factor)
}

# As base R reads such formulas: it can from 4.3 on.
formula_variables <- function(formula, data, index_name, data_name) {
  if (!is.data.frame(data)) {
    problem <- sprintf("`%s` must be a data frame when `%s` is a formula", data_name, index_name)
    invalid_argument(problem, data)
  }
  read <- get0(".formula2varlist", baseenv())
  if (!is.null(read)) return(read(formula, data))
  problem <- sprintf("`%s` must not be a formula under R before 4.3.0", index_name)
  invalid_argument(problem, formula, "Give a list of factors.", "NotSupportedByThisRVersionError")
}

# Objects other than data frames have as many elements as length() or NROW() tells.
check_group_lengths <- function(factors, data, index_name, data_name) {
  sizes <- if (is.data.frame(data)) nrow(data) else unique(c(length(data), if (is.object(data)) NROW(data)))
  lengths <- lengths(factors, use.names = FALSE)
  if (all(lengths == lengths[1L]) && lengths[1L] %in% sizes) return(invisible())
  problem <- "`%s` must have same length as `%s`, which is %s; the lengths of its factors are not"
  invalid_argument(sprintf(problem, index_name, data_name, paste(sizes, collapse = " or ")), lengths)
}

as_cells <- function(groups) {
  cells <- prod(lengths(groups$levels))
  structure(as.integer(groups$group), levels = as.character(seq_len(cells)), class = "factor")
}

# "low.yes" for the cell of levels "low" and "yes": names of partial results.
cell_names <- function(groups, filled) {
  at <- arrayInd(which(filled), lengths(groups$levels))
  levels <- lapply(seq_along(groups$levels), function(k) groups$levels[[k]][at[, k]])
  do.call(paste, c(levels, sep = "."))
}

# The array of all cells with the values in those that are `filled`. With simplification, when each value is one: a
# vector of their type whose other cells are `default`, or NA of that type.
fill_cells <- function(groups, values, filled, default, simplify) {
  content <- vector("list", length(filled))
  if (simplify && all(lengths(values) == 1L)) {
    values <- unlist(values, recursive = FALSE, use.names = FALSE)
    content <- empty_cells(values, default)
  }
  cells <- array(content, dim = lengths(groups$levels, use.names = FALSE), dimnames = groups$levels)
  if (length(values)) cells[filled] <- values
  cells
}

empty_cells <- function(values, default) {
  if (length(default) != 1L) invalid_argument("`default` must be one value", default)
  if (!is.null(values) && is.atomic(values) && is.na(default)) vector(typeof(values)) else default
}
