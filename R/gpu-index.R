# Parts of gpu_array, and arrays of parts. What an index means is found out by base R, of positions.

#' @export
`[.gpu_array` <- function(x, i, j, ..., drop = TRUE) {
  indices <- nargs() - (if (missing(drop)) 1L else 2L)
  extents <- dim(x)
  if (indices <= 1L) return(if (missing(i)) x else subvector(x, as_index(i)))
  if (indices != length(extents)) stop_avenir("incorrect number of dimensions", "avenir_invalid_argument")
  if (indices > 2L) return(subarray(x, substitute(list(i, j, ...)), parent.frame(), drop))
  rows <- if (missing(i)) NULL else matrix_index(as_index(i), extents[1L], dimnames(x)[[1L]])
  columns <- if (missing(j)) NULL else matrix_index(as_index(j), extents[2L], dimnames(x)[[2L]])
  if (length(rows) == 1L && length(columns) == 1L) note_single_elements()
  part <- cpp_gpu_gather(x, extents[1L], rows, columns)
  shape_of_part(part, c(if (is.null(rows)) extents[1L] else length(rows),
                        if (is.null(columns)) extents[2L] else length(columns)),
                part_names(dimnames(x), list(rows, columns)), drop)
}

subvector <- function(x, i) {
  if (is.matrix(i) && is.numeric(i) && length(dim(x)) == ncol(i)) i <- array_positions(x)[i]
  at <- vector_index(i, length(x), names(x))
  if (length(at) == 1L) note_single_elements()
  part <- cpp_gpu_gather(x, length(x), at, NULL)
  if (is.null(names(x))) part else shaped(part, names = names(x)[at])
}

# By the positions that base R's own subsetting takes out of an array of them.
subarray <- function(x, indices, frame, drop) {
  positions <- array_positions(x)
  code <- as.call(c(quote(`[`), quote(positions), as.list(indices)[-1L], drop = drop))
  found <- eval(code, list(positions = positions), frame)
  part <- cpp_gpu_gather(x, length(x), as.vector(found), NULL)
  if (is.null(dim(found))) shaped(part, names = names(found)) else shaped(part, dim(found), dimnames(found))
}

array_positions <- function(x) array(seq_len(length(x)), dim(x), dimnames(x))

as_index <- function(i) if (is_gpu_array(i)) as_base(i) else i

# Positions from 1 on; NA for what is no element.
vector_index <- function(i, extent, names) {
  if (is.numeric(i) && !is.object(i) && length(i) == 1L && is.null(names) && isTRUE(i >= 1)) {
    return(if (i < extent + 1) as.double(floor(i)) else NA_real_)
  }
  positions <- seq_len(extent)
  if (is.character(i)) return(match(i, names, nomatch = NA_integer_))
  positions[i]
}

matrix_index <- function(i, extent, names) {
  at <- if (is.character(i) && is.null(names)) NA else vector_index(i, extent, names)
  outside <- if (is.character(i)) anyNA(at) else if (is.logical(i)) length(i) > extent else
    anyNA(at) && anyNA(at[!is.na(i[i != 0])])
  if (isTRUE(outside)) stop_avenir("subscript out of bounds", "avenir_invalid_argument")
  at
}

part_names <- function(names, indices) {
  if (is.null(names)) return(NULL)
  parts <- Map(function(n, at) if (is.null(n) || is.null(at)) n else n[at], names, indices)
  if (all(vapply(parts, is.null, NA))) NULL else parts
}

shape_of_part <- function(part, extents, names, drop) {
  if (!drop || all(extents != 1L)) return(shaped(part, extents, names))
  # Of a single element R keeps a name that only one of the extents has.
  kept <- if (all(extents == 1L)) which(lengths(names) > 0L) else which(extents != 1L)
  shaped(part, names = if (!is.null(names) && length(kept) == 1L) names[[kept]])
}

# One element after the other costs a question to the device each.
note_single_elements <- function() {
  gpu_state$singles <- c(gpu_state$singles, 0)[1L] + 1
  if (gpu_state$singles != 100) return(invisible())
  warn_avenir(paste0(
    "single elements of a gpu_array were taken 100 times: each is a question to the device, which takes far longer ",
    "than the element.\ni Take as.vector(x) once before such a loop, or write the loop as an expression of whole ",
    "arrays. This is said once in a session."), "avenir_gpu_warning")
}

#' @export
`[[.gpu_array` <- function(x, i, j, ...) {
  if (nargs() <= 2L) {
    at <- single_position(as_index(i), length(x), names(x))  # the dispatch of `[` would make its own error of ours
    return(shaped(x[at]))
  }
  part <- x[i, j, ...]
  if (length(part) != 1L) stop_avenir("subscript out of bounds", "avenir_invalid_argument")
  shaped(part)
}

single_position <- function(i, extent, names) {
  positions <- seq_len(extent)
  names(positions) <- names
  tryCatch(positions[[i]], error = function(e) stop_avenir(conditionMessage(e), "avenir_invalid_argument"))
}

# ---- Assignment ----

#' @export
`[<-.gpu_array` <- function(x, i, j, ..., value) {
  indices <- nargs() - 2L
  if (!is_gpu_array(x)) return(as_base_assignment(x, match.call(), parent.frame()))
  value <- same_place(value, x)
  if (indices <= 1L) return(assigned_vector(x, if (missing(i)) NULL else as_index(i), value))
  if (indices != length(dim(x))) stop_avenir("incorrect number of subscripts", "avenir_invalid_argument")
  if (indices > 2L) {
    positions <- array_positions(x)
    code <- as.call(c(quote(`[`), quote(positions), as.list(substitute(list(i, j, ...)))[-1L]))
    return(assigned_vector(x, as.vector(eval(code, list(positions = positions), parent.frame())), value))
  }
  extents <- dim(x)
  rows <- if (missing(i)) NULL else matrix_index(as_index(i), extents[1L], dimnames(x)[[1L]])
  columns <- if (missing(j)) NULL else matrix_index(as_index(j), extents[2L], dimnames(x)[[2L]])
  count <- (if (is.null(rows)) extents[1L] else length(rows)) * (if (is.null(columns)) extents[2L] else length(columns))
  check_replacement(value, count, rows, columns)
  cpp_gpu_scatter(x, value, extents[1L], rows, columns)
}

# An ordinary vector into which elements of an array are put.
as_base_assignment <- function(x, call, frame) {
  value <- as_base(call$value)
  x[call$i] <- value
  x
}

assigned_vector <- function(x, i, value) {
  if (is.matrix(i) && is.numeric(i) && length(dim(x)) == ncol(i)) i <- array_positions(x)[i]
  at <- if (is.null(i)) NULL else vector_index(i, length(x), names(x))
  check_replacement(value, if (is.null(at)) length(x) else length(at), at, NULL)
  if (!is.null(i) && anyNA(at) && !is.logical(i)) {
    stop_avenir(paste0("an assignment beyond the end of a gpu_array: it cannot grow.\ni c() of as.vector(x) and more ",
                       "makes a longer one."), "avenir_invalid_argument")
  }
  if (length(at) == 1L) note_single_elements()
  cpp_gpu_scatter(x, value, length(x), at, NULL)
}

check_replacement <- function(value, count, rows, columns) {
  if (count == 0) return(invisible())
  if (length(value) == 0L) stop_avenir("replacement has length zero", "avenir_invalid_argument")
  if (count %% length(value) != 0) {
    stop_avenir("number of items to replace is not a multiple of replacement length", "avenir_invalid_argument")
  }
  if (length(value) > 1L && (anyNA(rows) || anyNA(columns))) {
    stop_avenir("NAs are not allowed in subscripted assignments", "avenir_invalid_argument")
  }
}

# As an array on the device of `x`; doubles as floats beside floats.
same_place <- function(value, x) {
  if (is_gpu_array(value)) {
    check_same_device(x, value)
    return(value)
  }
  check_elements(value)
  type <- if (is.double(value) && gpu_type(x) == "float") "float"
  gpu_array(value, type = type, device = gpu_device(x))
}

check_same_device <- function(x, y) {
  places <- c(gpu_device(x), gpu_device(y))
  if (places[1L] == places[2L]) return(invisible())
  text <- "the operands are on two devices, %s and %s.\ni gpu_copy(x, device) makes a copy of one on the other's."
  stop_avenir(sprintf(text, places[1L], places[2L]), "avenir_invalid_argument")
}

# ---- Repetition and order ----

#' @export
rep.gpu_array <- function(x, ...) {
  at <- rep(seq_len(length(x)), ...)
  part <- cpp_gpu_gather(x, length(x), at, NULL)
  if (is.null(names(x))) part else shaped(part, names = names(x)[at])
}

#' @export
rev.gpu_array <- function(x) {
  at <- rev(seq_len(length(x)))
  part <- cpp_gpu_gather(x, length(x), at, NULL)
  if (is.null(names(x))) part else shaped(part, names = rev(names(x)))
}

#' @export
c.gpu_array <- function(...) {
  parts <- list(...)
  place <- parts[[which(vapply(parts, is_gpu_array, NA))[1L]]]
  columns <- lapply(parts, function(part) {
    part <- same_place(if (is_gpu_array(part)) part else as.vector(part), place)
    shaped(part, c(length(part), 1L))
  })
  names <- unlist(lapply(parts, function(part) if (is.null(names(part))) character(length(part)) else names(part)))
  shaped(cpp_gpu_bind(columns, FALSE), names = if (any(nzchar(names))) names)
}

#' @export
sort.gpu_array <- function(x, decreasing = FALSE, na.last = NA, ...) {
  check_flag(decreasing, "decreasing")
  if (!is.null(names(x))) return(x[gpu_order(x, decreasing = decreasing, na.last = na.last)])
  if (identical(na.last, FALSE)) return(x[gpu_order(x, decreasing = decreasing, na.last = FALSE)])
  shaped(cpp_gpu_sort(x, decreasing, !is.na(na.last)))
}

# Base R's order() asks for this.
#' @export
xtfrm.gpu_array <- function(x) as.vector(x)

#' Order of elements of gpu_array
#'
#' What [order()] gives, computed and kept on the device. Base R's `order()` takes arrays, too, and gives an ordinary
#' vector, which R computes.
#'
#' @param ... Arrays of one length, on one device.
#' @param na.last TRUE, FALSE or NA, as for [order()].
#' @param decreasing TRUE or FALSE, one for all or one for each.
#' @return A `gpu_array` of integers.
#' @examples
#' x <- gpu_vector(c(3, NA, 1))
#' gpu_order(x)
#' x[gpu_order(x, decreasing = TRUE)]
#' @export
gpu_order <- function(..., na.last = TRUE, decreasing = FALSE) {
  keys <- unname(list(...))
  if (!some_array(keys)) return(do.call(base::order, c(keys, list(na.last = na.last, decreasing = decreasing))))
  place <- keys[[which(vapply(keys, is_gpu_array, NA))[1L]]]
  keys <- lapply(keys, same_place, place)
  at <- cpp_gpu_order(keys, rep_len(as.logical(decreasing), length(keys)))
  if (isTRUE(na.last)) return(at)
  missing <- Reduce(`+`, lapply(keys, function(key) sum(is.na(key))))
  if (length(keys) > 1L && missing) missing <- sum(as.vector(Reduce(`|`, lapply(keys, is.na))))
  complete <- length(at) - missing
  if (is.na(na.last)) return(at[seq_len(complete)])
  at[c(seq_len(missing) + complete, seq_len(complete))]
}

# ---- Beside and below each other ----

#' @export
cbind.gpu_array <- function(..., deparse.level = 1) bound_arrays(list(...), names_of_arguments(substitute(list(...)),
                                                                                               deparse.level), TRUE)

#' @export
rbind.gpu_array <- function(..., deparse.level = 1) bound_arrays(list(...), names_of_arguments(substitute(list(...)),
                                                                                               deparse.level), FALSE)

# The names that vectors have as columns.
names_of_arguments <- function(code, deparse.level) {
  given <- as.list(code)[-1L]
  symbols <- vapply(given, function(e) if (deparse.level >= 1 && is.symbol(e)) as.character(e) else "", "")
  names <- names(given)
  if (is.null(names)) symbols else ifelse(nzchar(names), names, symbols)
}

bound_arrays <- function(parts, names, columns) {
  kept <- lengths_of(parts) > 0L | vapply(parts, function(part) length(dim(part)) == 2L, NA)
  kept <- kept & !vapply(parts, is.null, NA)
  parts <- parts[kept]
  names <- rep_len(names, length(kept))[kept]
  along <- if (columns) 1L else 2L
  is_matrix <- vapply(parts, function(part) length(dim(part)) == 2L, NA)
  extent <- bound_extent(parts, is_matrix, along)
  place <- parts[[which(vapply(parts, is_gpu_array, NA))[1L]]]
  matrices <- Map(function(part, matrix) as_bound(same_place(part, place), matrix, extent, columns), parts, is_matrix)
  result <- cpp_gpu_bind(unname(matrices), columns)
  counts <- vapply(matrices, function(m) dim(m)[3L - along], 0L)
  extents <- if (columns) c(extent, sum(counts)) else c(sum(counts), extent)
  shaped(result, extents, bound_names(parts, is_matrix, names, counts, along))
}

lengths_of <- function(parts) vapply(parts, length, 0)

bound_extent <- function(parts, is_matrix, along) {
  extents <- vapply(parts[is_matrix], function(part) dim(part)[along], 0L)
  if (length(unique(extents)) > 1L) {
    stop_avenir(sprintf("number of %s of matrices must match: they have %s", c("rows", "columns")[along],
                        paste(extents, collapse = ", ")), "avenir_invalid_argument")
  }
  if (length(extents)) extents[[1L]] else as.integer(max(lengths_of(parts)))
}

as_bound <- function(part, is_matrix, extent, columns) {
  if (is_matrix) return(part)
  if (length(part) != extent) {
    if (extent %% length(part) != 0) {
      stop_avenir(sprintf("a vector of %d elements does not fill %d", length(part), extent), "avenir_invalid_argument")
    }
    part <- rep(shaped(part), length.out = extent)
  }
  shaped(part, if (columns) c(extent, 1L) else c(1L, extent))
}

bound_names <- function(parts, is_matrix, names, counts, along) {
  other <- 3L - along
  of_part <- function(part, matrix, name, count) {
    if (!matrix) return(name)
    own <- dimnames(part)[[other]]
    if (is.null(own)) character(count) else own
  }
  across <- unlist(Map(of_part, parts, is_matrix, names, counts), use.names = FALSE)
  lengthwise <- NULL
  for (k in seq_along(parts)) {
    if (is.null(lengthwise)) lengthwise <- if (is_matrix[k]) dimnames(parts[[k]])[[along]] else names(parts[[k]])
  }
  result <- list(NULL, NULL)
  if (!is.null(lengthwise)) result[[along]] <- lengthwise
  if (any(nzchar(across))) result[[other]] <- across
  if (is.null(result[[1L]]) && is.null(result[[2L]])) NULL else result
}
