# Threads of this process: how many there may be. What runs on them is in src/par, src/linalg and src/expression, in a
# shared object that is loaded when it is first used.

#' Number of threads
#'
#' How many threads [threaded()], [thread_runif()] and their relatives use in this R process.
#'
#' @details
#' Unless it is set, the number is that of the cores which this process may use, as [availableCores()] counts them:
#' limits of control groups and schedulers are respected. A worker has the session's cores divided by the number of
#' workers, a fork has one. It is the option `avenir.threads`; what a future changes is undone after it.
#'
#' Results never depend on the number of threads. In a fork of a process that has used threads everything runs on one,
#' since the others are not there.
#'
#' @param n The new number, a whole number from 1, or NULL for the number that holds where none is set. It may be more
#'   than there are cores.
#' @param expr An expression.
#' @return `cpu_threads()`: the number of threads; with `n` the one before, invisibly. `with_cpu_threads()`: the value of
#'   `expr`, evaluated while `n` threads are set.
#' @seealso [threaded()]
#' @examples
#' cpu_threads()
#' with_cpu_threads(1, cpu_threads())
#' @export
cpu_threads <- function(n) {
  current <- current_threads()
  if (missing(n)) return(current)
  set_threads(n)
  invisible(current)
}

#' @rdname cpu_threads
#' @export
with_cpu_threads <- function(n, expr) {
  old <- set_threads(n)
  on.exit(options(old))
  expr
}

set_threads <- function(n) {
  options(avenir.threads = if (is.null(n)) NULL else check_threads(n, "n"))
}

check_threads <- function(x, name) {
  whole <- is_number(x) && x >= 1 && x <= 4096 && x == floor(x)
  if (whole) return(as.integer(x))
  invalid_argument(sprintf("`%s` must be one whole number from 1 to 4096", name), x,
                   "cpu_threads(NULL) sets the number of cores.")
}

current_threads <- function() {
  set <- getOption("avenir.threads")
  if (is.null(set)) default_threads() else check_threads(set, "avenir.threads")
}

# Counted once: it reads files. A fork that somebody else has made shares the cores with others.
default_threads <- function() {
  pid <- Sys.getpid()
  if (is.null(thread_state$cores)) {
    thread_state$cores <- as.integer(counted_cores())
    thread_state$pid <- pid
  }
  if (identical(thread_state$pid, pid)) thread_state$cores else 1L
}

thread_state <- new.env(parent = emptyenv())

# Loads the shared object. Where TBB comes with RcppParallel and not with the system, loading that package is what makes
# it known.
load_compute <- function() {
  tryCatch(cpp_compute_load(), avenir_unsupported_error = function(e) {
    loadNamespace("RcppParallel")
    cpp_compute_load()
  })
}

threaded <- function(expr) {
  code <- substitute(expr)
  if (is.call(code) && code[[1L]] == "<-") return(invisible(cpp_threaded(code, parent.frame())))
  cpp_threaded(code, parent.frame())
}

# The name of a method for one of the functions (or the group that it may belong to) and x's class; "" without one.
method_of <- function(x, names) {
  for (class in class(x)) {
    for (generic in c("Ops", "Math", "Summary", names)) {
      if (!is.null(utils::getS3method(generic, class, optional = TRUE))) {
        return(sprintf("method %s.%s()", generic, class))
      }
    }
  }
  ""
}
