# The elements of what is mapped over in the style of purrr, and recycling.

# As a plain vector or list whose elements are those that purrr's `.x[[i]]` gives: classes that are vectors take
# themselves apart, other lists and data frames are taken for the lists that they are.
elements_of <- function(x, name = ".x") {
  if (is.null(x)) return(list())
  if (is.pairlist(x) || is.call(x) || is.expression(x)) return(as.list(x))
  if (!isS4(x) && !is.atomic(x) && !is.list(x)) {
    invalid_argument(sprintf("`%s` must be a vector, a list or a data frame", name), x)
  }
  if (!is.object(x)) return(x)
  if (is.list(x) && !isS4(x) && (is.data.frame(x) || !takes_itself_apart(x))) return(unclass(x))
  lapply(seq_along(x), function(i) x[[i]])
}

# TRUE for lists that are vectors by their class, such as POSIXlt and records of vctrs. Methods of classes that vctrs
# knows of are there only where it is loaded.
takes_itself_apart <- function(x) {
  if (inherits(x, c("list", "POSIXlt", "numeric_version", "AsIs"))) return(TRUE)
  isNamespaceLoaded("vctrs") && getExportedValue("vctrs", "vec_is")(x)
}

# The names of the elements, or their positions.
index_of <- function(x) {
  names <- names(x)
  if (is.null(names)) seq_along(x) else names
}

# ---- Several vectors ----

check_input_list <- function(l) {
  if (is.data.frame(l) || is.atomic(l) && !is.null(l)) return(as.list(l))
  if (is.list(l)) return(l)
  invalid_argument("`.l` must be a list of vectors", l)
}

recycle_inputs <- function(inputs) {
  n <- common_length(inputs)
  short <- lengths(inputs) == 1L & n != 1L
  inputs[short] <- lapply(inputs[short], function(x) x[rep_len(1L, n)])
  inputs
}

# 1 goes with any length, also with 0. The message names the vector that does not fit those before it.
common_length <- function(inputs) {
  sizes <- lengths(inputs)
  n <- if (length(sizes)) 1L else 0L
  for (i in seq_along(sizes)) {
    if (n != 1L && sizes[i] != 1L && sizes[i] != n) {
      problem <- "Can't recycle length %d and length %d at location %d: lengths must be the same, or 1"
      invalid_argument(sprintf(problem, n, sizes[i], i), sizes)
    }
    if (n == 1L) n <- sizes[[i]]
  }
  n
}

# Vectors that are no lists travel whole; a call's arguments are told by their position.
positions_in <- function(vectors) if (length(vectors)) seq_along(vectors[[1L]]) else integer()

labels_of <- function(vectors) if (is.null(names(vectors))) character(length(vectors)) else names(vectors)

# One list of arguments for each call, under the names of the vectors.
argument_lists <- function(vectors) if (length(vectors)) .mapply(list, vectors, NULL) else list()
