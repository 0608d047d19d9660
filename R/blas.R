# The BLAS library that R's own linear algebra calls, and its threads. All that knows such libraries is in
# src/sys/blas.cpp.

#' Threads of the BLAS library
#'
#' How many threads R's own linear algebra uses (`%*%`, [crossprod()], [chol()], [solve()], [lm()] and whatever else
#' calls BLAS or LAPACK), and in which library.
#'
#' @details
#' The library is the one that R's own calls reach, wherever links, alternatives or preloading lead: OpenBLAS, Intel's
#' MKL, BLIS and FlexiBLAS can be told the number while they are in use. The reference BLAS, which comes with R and with
#' Debian, has one thread and no more. A library that cannot be told, or takes fewer threads than asked for, goes on as
#' it is: that is a warning of class `avenir_unsupported_warning`.
#'
#' An OpenBLAS that is older than the processor may take it for a much older one and be several times slower than it
#' could be: `core` says which. The environment variable `OPENBLAS_CORETYPE`, set before R starts, names another, such
#' as `Haswell` (AVX2) or `SkylakeX` (AVX-512).
#'
#' In an OpenBLAS that uses OpenMP the number is that of OpenMP in this process, for other code with OpenMP, too.
#'
#' Workers of a plan have the session's cores divided by the number of workers; see [workers]. What a future changes
#' is undone after it. Results may differ in the last digits between numbers of threads, as they do between libraries.
#'
#' @param n The new number, a whole number from 1, or NULL for the number of cores that this process may use, as
#'   [availableCores()] counts them. It may be more than there are cores.
#' @param expr An expression.
#' @return `blas_threads()`: the number of threads, NA of a library that does not tell; with `n` the one before,
#'   invisibly. `with_blas_threads()`: the value of `expr`, evaluated while `n` threads are set.
#'
#'   `blas_info()`: a list of class `avenir_blas_info`; what a library does not tell is NA.
#'   * `kind`: `"OpenBLAS"`, `"MKL"`, `"BLIS"`, `"FlexiBLAS"`, `"ATLAS"`, `"Accelerate"`, `"reference"` or `"unknown"`;
#'   * `threading`: `"none"`, `"pthread"` or `"OpenMP"`;
#'   * `threads`: as `blas_threads()`;
#'   * `file`: the library that `dgemm_` is in, without links;
#'   * `setter`, `setter_file`: the function that sets the number, and the library that it is in;
#'   * `version`, `core`: what the library says of itself, and the processor (of FlexiBLAS: the backend) that its code
#'     is for;
#'   * `lapack`, `lapack_version`: as [La_library()] and [La_version()] tell.
#' @seealso [cpu_threads()] for the threads of avenir's own functions, [workers]
#' @examples
#' blas_info()
#' m <- matrix(runif(1e4), 100)
#' with_blas_threads(1, dim(crossprod(m)))
#' @export
blas_threads <- function(n) {
  current <- cpp_blas_threads()
  if (missing(n)) return(current)
  set_blas_threads(n)
  invisible(current)
}

#' @rdname blas_threads
#' @export
with_blas_threads <- function(n, expr) {
  old <- blas_threads(n)
  on.exit(cpp_blas_set_threads(old))
  expr
}

set_blas_threads <- function(n) {
  n <- if (is.null(n)) default_threads() else check_threads(n, "n", "blas_threads(NULL) sets the number of cores.")
  taken <- cpp_blas_set_threads(n)
  if (!identical(taken, n)) warn_threads_not_taken(n, taken)
}

warn_threads_not_taken <- function(n, taken) {
  library <- cpp_blas_info()
  problem <- if (is.na(library$setter)) "cannot be told a number of threads" else "takes fewer threads"
  goes_on <- if (is.na(taken)) "as it is" else sprintf("with %d", taken)
  text <- paste0("blas_threads(%d): the BLAS library of this R (%s, %s) %s; it goes on %s.",
                 if (is.na(library$setter)) "\ni R can be given another one, such as OpenBLAS: see blas_info().")
  warn_avenir(sprintf(text, n, library$kind, library$file, problem, goes_on), "avenir_unsupported_warning")
}

#' @rdname blas_threads
#' @export
blas_info <- function() {
  info <- cpp_blas_info()
  structure(c(info, lapack = La_library(), lapack_version = La_version()), class = "avenir_blas_info")
}

#' @export
print.avenir_blas_info <- function(x, ...) {
  shown <- c(
    BLAS = paste0(x$kind, if (!is.na(x$threading)) sprintf(" (%s threads)", sub("none", "no", x$threading))),
    file = x$file, version = x$version, core = x$core,
    threads = if (is.na(x$threads)) "unknown" else format(x$threads),
    `set by` = if (is.na(x$setter)) "nothing: this library has no function for it" else setter_and_file(x),
    LAPACK = paste(x$lapack_version, x$lapack, sep = ", ")
  )
  shown <- shown[!is.na(shown)]
  cat(sprintf("%-8s %s\n", names(shown), shown), sep = "")
  invisible(x)
}

setter_and_file <- function(info) {
  paste0(info$setter, "()", if (!identical(info$setter_file, info$file)) paste(" in", info$setter_file))
}
