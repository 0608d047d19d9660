# The contract that backends keep. A backend is how the futures and maps of one plan are evaluated; there is
# one file for each ("backend-<plan>.R"): a constructor and the methods of these generics, in this order.
#
# A backend is an environment of class c("<plan>_backend", "avenir_backend", "FutureBackend") with at least the fields
#   future_classes  the classes of its futures, such as c("SequentialFuture", "UniprocessFuture")
#   interrupts      TRUE when cancelling a running future interrupts it
#
# task (one future): list(expr, globals, packages, seed = NULL | integer(7), check_rng, stdout, conditions,
#   label, split (TRUE: what is evaluated in this session shows its output at once too), retries (further attempts after
#   a lost worker), timeout (seconds, Inf for none), options)
# job (a map): list(fun, x (list or plain atomic vector, or list of argument lists), args (shared arguments),
#   kernel ("lapply" | "mapply" | "replicate", or the list of one of purrr's, see map-kernel.R),
#   globals, packages, seeds (of map_seeds()),
#   check_rng, stdout, conditions, bounds (NULL: the backend chooses chunks; otherwise the last position of
#   each), order (NULL or a permutation: the element evaluated at each position), label, name (of the map's function,
#   for messages), retries and timeout (as of a task, for each element), keep_going (TRUE: an element that fails does
#   not end the map), harvest, progress (NULL or a function of how many elements are over), options)
# harvest(values, done): called once when the map ends by a condition, an error that relay() raised or an interrupt,
#   with the list of values, in place, and TRUE for each element that has one
# record (what came of a task or of an element): list(value, visible, stdout = NULL | character(1),
#   conditions = list(list(condition, signaled = 0L | 1L), ...), error = NULL | condition, rng = TRUE when
#   random numbers were drawn though check_rng asked that none be, calls = NULL | those that led to a future's error,
#   misuse = NULL | what a future left behind (left_behind())). That of an element whose value comes from another
#   process and is_reference() has reference = TRUE.
#
# A worker that is lost while it evaluates is a WorkerLostError, a time limit that was hit a timeout_error(), as the
# error of the task's or element's record.

# The number of workers.
backend_workers <- function(backend) UseMethod("backend_workers")

# The number of workers that have nothing to do.
backend_free <- function(backend) UseMethod("backend_free")

# Starts one future and returns a handle. Does not wait for workers.
backend_submit <- function(backend, task) UseMethod("backend_submit")

# TRUE when the answer is here; waits for it at most `timeout` seconds.
backend_resolved <- function(backend, handle, timeout) UseMethod("backend_resolved")

# Waits for the answer and returns its record. Afterwards the handle is spent.
backend_collect <- function(backend, handle) UseMethod("backend_collect")

# Gives a future up, and interrupts it when it is running and `interrupt` is TRUE. Its record is a
# FutureCanceledError.
backend_cancel <- function(backend, handle, interrupt) UseMethod("backend_cancel")

# Evaluates a map and returns the list of its values. For each element whose record is not plain (it has
# output, conditions, an error or an RNG flag) calls relay(i, record), in the order of the elements or of
# `job$order`. relay() may raise; what is left is then cancelled. When it returns a list of length one, what is in there
# (the condition of an element that failed and is kept) is the element's value.
backend_map <- function(backend, job, relay) UseMethod("backend_map")

# One line for each fact about the backend.
backend_describe <- function(backend) UseMethod("backend_describe")

# Ends the workers. Futures that are not collected are lost.
backend_close <- function(backend) UseMethod("backend_close")

# ---- For constructors and methods ----

new_backend <- function(plan, future_classes, ..., interrupts = FALSE) {
  backend <- list2env(list(future_classes = future_classes, interrupts = interrupts, ...),
                      parent = emptyenv())
  structure(backend, class = c(paste0(plan, "_backend"), "avenir_backend", "FutureBackend"))
}

new_record <- function(value = NULL, visible = TRUE, stdout = NULL, conditions = list(), error = NULL,
                       rng = FALSE, calls = NULL, misuse = NULL) {
  list(value = value, visible = visible, stdout = stdout, conditions = conditions, error = error, rng = rng,
       calls = calls, misuse = misuse)
}

#' @export
print.avenir_backend <- function(x, ...) {
  cat(backend_describe(x), sep = "\n")
  invisible(x)
}
