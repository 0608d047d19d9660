# Sums, sorts and tables of vectors on several threads. Sums and ranges are threaded()'s; what sorts and counts is in
# src/sort.

#' Sums, extremes and cumulative sums on several threads
#'
#' As [sum()], [mean()], [min()], [max()], [range()] and [cumsum()] of one numeric, integer or logical vector, on
#' [cpu_threads()] threads.
#'
#' @details
#' `NA`, `NaN`, empty vectors, integer overflow, types and warnings are as in R; `thread_cumsum()` keeps names, as
#' `cumsum()` does. Results are the same bits for any number of threads. Sums and means lose nothing on the way and are
#' rounded once, so that R's own may differ in the last digits; cumulative sums are in extended precision as R's are, in
#' blocks of 65,536 elements of which each begins with the rounded sum before it.
#'
#' An object with a class (a date, a difference of times) goes to the function of base R, which finds its method; so do
#' vectors of fewer than 10,000 elements, where threads gain nothing, and compact sequences such as `1:1e9`.
#'
#' @param x A numeric, integer or logical vector or array.
#' @param na.rm Whether missing elements are left out.
#' @return What the function of base R returns.
#' @section Errors:
#' Of class `avenir_invalid_argument`: a factor, a list, a vector of strings or of another type.
#' @seealso [thread_sort()], [threaded()] for sums of expressions
#' @examples
#' x <- runif(1e5)
#' thread_sum(x)
#' thread_range(x)
#' identical(thread_max(x), max(x))
#' @name thread_sum
NULL

#' @rdname thread_sum
#' @export
thread_sum <- function(x, na.rm = FALSE) reduce_on_threads(x, na.rm, quote(sum(x, na.rm = na.rm)))

#' @rdname thread_sum
#' @export
thread_mean <- function(x, na.rm = FALSE) reduce_on_threads(x, na.rm, quote(mean(x, na.rm = na.rm)))

#' @rdname thread_sum
#' @export
thread_min <- function(x, na.rm = FALSE) reduce_on_threads(x, na.rm, quote(min(x, na.rm = na.rm)))

#' @rdname thread_sum
#' @export
thread_max <- function(x, na.rm = FALSE) reduce_on_threads(x, na.rm, quote(max(x, na.rm = na.rm)))

#' @rdname thread_sum
#' @export
thread_range <- function(x, na.rm = FALSE) reduce_on_threads(x, na.rm, quote(range(x, na.rm = na.rm)))

#' @rdname thread_sum
#' @export
thread_cumsum <- function(x) {
  check_thread_vector(x)
  if (is_for_base(x)) return(cumsum(x))
  sums <- on_threads(cpp_thread_cumsum, x)
  if (!is.null(attr(sums, "overflow"))) {
    attr(sums, "overflow") <- NULL
    warning(gettext("integer overflow in 'cumsum'; use 'cumsum(as.numeric(.))'", domain = "R"))
  }
  if (!is.null(names(x))) names(sums) <- names(x)
  sums
}

# `call` is of `x` and `na.rm`.
reduce_on_threads <- function(x, na.rm, call) {
  check_thread_vector(x)
  check_flag(na.rm, "na.rm")
  if (is_for_base(x)) eval(call) else cpp_threaded(call, environment())
}

# Below so many elements threads gain nothing.
fewest_for_threads <- 10000L

is_for_base <- function(x) is.object(x) || length(x) < fewest_for_threads || cpp_is_compact(x)

check_thread_vector <- function(x, name = "x", factors = FALSE, remedy = NULL) {
  plain <- is.numeric(unclass(x)) || is.logical(x)
  if (is.factor(x) && !factors) {
    invalid_argument(sprintf("`%s` must be a numeric, integer or logical vector, no factor", name), x,
                     "as.integer() gives a factor's codes.")
  }
  if (plain || isS4(x)) return(invisible(x))
  what <- if (factors) "numeric, integer or logical vector or a factor" else "numeric, integer or logical vector"
  invalid_argument(sprintf("`%s` must be a %s, no object of type %s", name, what, typeof(x)), x, remedy)
}

# Those of `caller`, which has them as `...`.
check_thread_vectors <- function(vectors, caller, remedy) {
  if (!length(vectors)) invalid_argument(paste(caller, "needs at least one vector"), vectors)
  for (i in seq_along(vectors)) check_thread_vector(vectors[[i]], paste0("..", i), factors = TRUE, remedy = remedy)
}

check_one_length <- function(vectors, caller) {
  if (length(unique(lengths(vectors))) == 1L) return(vectors)
  invalid_argument(sprintf("the vectors of %s must have one length", caller), lengths(vectors))
}

# ---- Sorting ----

#' Sorting on several threads
#'
#' As [sort()] and [order()], on [cpu_threads()] threads.
#'
#' @details
#' Sorts are stable: equal elements keep their order, as do missing ones among each other, which lie at the end, at the
#' beginning (`na.last = FALSE`) or are left out (`NA`). Results are R's own, whatever the number of threads, with names
#' where R keeps them. Factors are sorted by their codes; of other objects with a class [xtfrm()] gives what they are
#' sorted by, as in R. Vectors of fewer than 10,000 elements are left to R.
#'
#' Each thread sorts a chunk with SIMD instructions, by the VQSort of the Highway library; then all threads merge the
#' chunks, two by two. An order sorts 64-bit numbers made of as many leading bits of the keys as there is room for
#' beside the row's number; rows that these do not tell apart are ordered by the keys themselves afterwards. Where
#' avenir was built without Highway (Debian and Ubuntu: `libhwy-dev`), splitters out of a sample cut the elements into
#' buckets that fit into a core's cache, and each of these is sorted by its digits (samplesort over radix sort), which
#' takes about twice as long. A sort needs memory for the vector once more, an order for twice as many doubles as there
#' are rows.
#'
#' @param x A numeric, integer or logical vector, a factor or an object with a class that [xtfrm()] knows.
#' @param ... Such vectors of one length: rows are ordered by the first of them, equal ones by the second, and so on.
#' @param decreasing Whether to sort from the largest to the smallest; for `thread_order()` one value, or one for each
#'   vector.
#' @param na.last Where missing elements go: `TRUE`, `FALSE`, or `NA` to leave them out.
#' @return `thread_sort()`: the sorted vector. `thread_order()`: the rows' numbers in their order.
#' @section Errors:
#' Of class `avenir_invalid_argument`: lists and vectors of strings; vectors of several lengths.
#' @seealso [thread_sum()], [thread_table()]
#' @references
#' Blacher, M., Giesen, J., Sanders, P. and Wassenberg, J. (2022) Vectorized and performance-portable Quicksort.
#' *arXiv* 2205.05982.
#'
#' Sanders, P. and Winkel, S. (2004) Super Scalar Sample Sort. *Algorithms - ESA 2004*, 784-796.
#' @examples
#' x <- runif(1e5)
#' identical(thread_sort(x), sort(x))
#' group <- sample(10, 1e5, replace = TRUE)
#' identical(thread_order(group, x, decreasing = c(FALSE, TRUE)),
#'           order(group, x, decreasing = c(FALSE, TRUE), method = "radix"))
#' @export
thread_sort <- function(x, decreasing = FALSE, na.last = NA) {
  check_thread_vector(x, factors = TRUE, remedy = "sort() sorts strings.")
  check_flag(decreasing, "decreasing")
  check_na_last(na.last)
  if (is.object(x) || (!is.null(names(x)) && length(x) >= fewest_for_threads)) {
    return(x[thread_order(x, na.last = na.last, decreasing = decreasing)])
  }
  if (is_for_base(x) || is_sorted(x, decreasing)) return(sort(x, decreasing = decreasing, na.last = na.last))
  on_threads(cpp_thread_sort, x, decreasing, na.last)
}

# R finds that again and returns the vector as it is. A look at the beginning tells of nearly all that they are not.
is_sorted <- function(x, decreasing) !decreasing && isFALSE(is.unsorted(x[1:16])) && isFALSE(is.unsorted(x))

#' @rdname thread_sort
#' @export
thread_order <- function(..., na.last = TRUE, decreasing = FALSE) {
  keys <- order_keys(list(...))
  check_na_last(na.last)
  decreasing <- check_decreasing(decreasing, length(keys))
  if (length(keys[[1L]]) < fewest_for_threads) {
    return(do.call(order, c(unname(keys), list(na.last = na.last, decreasing = decreasing, method = "radix"))))
  }
  on_threads(cpp_thread_order, keys, decreasing, na.last)
}

order_keys <- function(keys) {
  check_thread_vectors(keys, "thread_order()", "order() orders strings.")
  keys <- lapply(keys, function(key) if (is.object(key)) as.vector(xtfrm(key)) else key)
  check_one_length(keys, "thread_order()")
}

check_na_last <- function(x) {
  if (is.logical(x) && length(x) == 1L) return(invisible(x))
  invalid_argument("`na.last` must be TRUE, FALSE or NA", x)
}

check_decreasing <- function(x, keys) {
  if (is.logical(x) && length(x) %in% c(1L, keys) && !anyNA(x)) return(rep_len(x, keys))
  invalid_argument(sprintf("`decreasing` must be TRUE or FALSE, or %d of these", keys), x)
}

# ---- Tables ----

#' Tables of counts on several threads
#'
#' As [table()] of factors and of numeric, integer or logical vectors, on [cpu_threads()] threads.
#'
#' @details
#' The table is R's own, with its dimension names. Numbers that print alike with 15 significant digits are one value, as
#' in `table()`. Strings are best made factors once, whose tables are then fast. Vectors of fewer than 10,000 elements,
#' and factors of which `NA` is a level, are left to R.
#'
#' @param ... Vectors of one length.
#' @param useNA Whether missing elements are counted: never, where there are any, or always.
#' @param dnn The names of the dimensions; without them those of the arguments, or the variables that they are.
#' @return An integer array of class `"table"`.
#' @section Errors:
#' Of class `avenir_invalid_argument`: lists and vectors of strings; vectors of several lengths.
#' @seealso [thread_sort()]
#' @examples
#' x <- sample(5L, 1e5, replace = TRUE)
#' thread_table(x)
#' identical(thread_table(x, even = x %% 2 == 0), table(x, even = x %% 2 == 0))
#' @export
thread_table <- function(..., useNA = c("no", "ifany", "always"), dnn = NULL) {
  useNA <- match.arg(useNA)
  vectors <- list(...)
  check_thread_vectors(vectors, "thread_table()", "table() counts strings; a factor of them is counted fast.")
  check_one_length(vectors, "thread_table()")
  if (is.null(dnn)) dnn <- argument_names(substitute(list(...)))
  if (any(vapply(vectors, is_for_base_table, NA, useNA))) {
    return(do.call(table, c(unname(vectors), list(useNA = useNA, dnn = dnn))))
  }
  make <- if (length(vectors) == 1L) counted_table else crossed_table
  counted <- make(vectors, useNA)
  counts <- counted$counts
  if (all(counts <= .Machine$integer.max)) counts <- as.integer(counts)
  structure(array(counts, lengths(counted$levels), stats::setNames(counted$levels, dnn)), class = "table")
}

# Of other classes as.character() says what is one value. NaN and NA are two.
is_for_base_table <- function(x, useNA) {
  if (is.factor(x)) return(length(x) < fewest_for_threads || anyNA(levels(x)))
  is_for_base(x) || (useNA != "no" && is.double(x) && any(is.nan(x)))
}

# As table() names its dimensions.
argument_names <- function(call) {
  arguments <- as.list(call)[-1L]
  given <- if (is.null(names(arguments))) rep("", length(arguments)) else names(arguments)
  symbols <- vapply(arguments, function(code) if (is.symbol(code)) as.character(code) else "", "")
  unname(ifelse(nzchar(given), given, symbols))
}

# Of one vector: list(levels, counts).
counted_table <- function(vectors, useNA) {
  x <- vectors[[1L]]
  found <- if (is.factor(x)) {
    list(levels = levels(x), counts = count_codes(list(as.integer(x)), nlevels(x)))
  } else {
    counted_values(x)
  }
  missing <- length(x) - sum(found$counts)
  if (useNA == "always" || (useNA == "ifany" && missing > 0)) {
    found <- list(levels = c(found$levels, NA), counts = c(found$counts, missing))
  }
  list(levels = list(found$levels), counts = found$counts)
}

counted_values <- function(x) {
  found <- on_threads(cpp_thread_distinct, x)
  labels <- as.character(found[[1L]])
  if (anyDuplicated(labels)) {
    group <- cumsum(!duplicated(labels))
    list(levels = unique(labels), counts = as.vector(rowsum(found[[2L]], group)))
  } else {
    list(levels = labels, counts = found[[2L]])
  }
}

crossed_table <- function(vectors, useNA) {
  coded <- lapply(vectors, coded_vector, useNA)
  levels <- lapply(unname(coded), `[[`, "levels")
  list(levels = levels, counts = count_codes(lapply(coded, `[[`, "codes"), lengths(levels)))
}

# list(levels, codes) of a vector.
coded_vector <- function(x, useNA) {
  coded <- if (is.factor(x)) list(levels = levels(x), codes = as.integer(x)) else coded_values(x)
  if (useNA == "always" || (useNA == "ifany" && anyNA(coded$codes))) {
    coded$levels <- c(coded$levels, NA)
    coded$codes[is.na(coded$codes)] <- length(coded$levels)
  }
  coded
}

coded_values <- function(x) {
  values <- on_threads(cpp_thread_distinct, x)[[1L]]
  codes <- on_threads(cpp_thread_codes, x, values)
  labels <- as.character(values)
  if (anyDuplicated(labels)) codes <- cumsum(!duplicated(labels))[codes]
  list(levels = unique(labels), codes = codes)
}

count_codes <- function(codes, extents) {
  if (prod(extents) > .Machine$integer.max) {
    invalid_argument("a table must have fewer than 2^31 cells", prod(extents), "factor() and cut() make fewer levels.")
  }
  if (any(extents == 0L)) return(numeric())
  counts <- on_threads(cpp_thread_cells, codes, extents)
  if (is.null(counts)) invalid_argument("a factor's codes must lie between 1 and its number of levels", extents)
  counts
}
