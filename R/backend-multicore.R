# The multicore backend: each future is evaluated in a fork of this session, made when the future is, so that it knows
# all that the session knows; a map in one fork a worker. Forks wait for their turn in C++ (src/engine, src/worker).

new_multicore_backend <- function(workers, interrupt_grace = 2, max_memory = Inf, reuse = NULL, ...) {
  options <- list(workers = as.integer(workers), threads = worker_threads(workers), forks = TRUE,
                  interrupt_grace = as.double(interrupt_grace), memory_limit = memory_limit(max_memory))
  if (reusable_backend(reuse, options)) return(resize_backend(reuse, options))
  backend <- new_backend("multicore", c("MulticoreFuture", "MultiprocessFuture"), workers = options$workers,
                         options = options, interrupts = TRUE)
  backend$engine <- start_engine(options, "multicore")
  backend
}

# Beyond so many unfinished futures future() waits: each is a process.
fork_limit <- function(backend) max(64L, 4L * backend$workers)

#' @export
backend_workers.multicore_backend <- function(backend) backend$workers

#' @export
backend_free.multicore_backend <- function(backend) cpp_engine_free_workers(backend$engine)

#' @export
backend_submit.multicore_backend <- function(backend, task) {
  id <- cpp_engine_new_task(backend$engine, engine_policy(task))
  handle <- engine_handle(id, task, context = task_context(task))
  fork_again(backend, handle)
  handle
}

#' @export
backend_resolved.multicore_backend <- function(backend, handle, timeout) engine_resolved(backend, handle, timeout)

#' @export
backend_collect.multicore_backend <- function(backend, handle) engine_collect(backend, handle)

#' @export
backend_cancel.multicore_backend <- function(backend, handle, interrupt) engine_cancel(backend, handle, interrupt)

#' @export
backend_map.multicore_backend <- function(backend, job, relay) {
  parts <- engine_job(job)
  handle <- cpp_engine_new_map(backend$engine, parts)
  on.exit(cpp_engine_cancel(backend$engine, handle$id, TRUE, TRUE))
  handle[c("context", "x")] <- parts[c("context", "x")]
  fork_for_map(backend, handle, min(backend$workers, length(parts$x)))
  collect_map(backend, handle, job, parts, relay)
}

#' @export
backend_describe.multicore_backend <- function(backend) {
  workers <- cpp_engine_workers(backend$engine)
  c(sprintf("multicore: forks of this session, %d at a time", backend$workers),
    sprintf("fork %d: pid %d, %s", workers$id, workers$pid, workers$state))
}

#' @export
backend_close.multicore_backend <- function(backend) engine_close(backend)

# A map goes on with the forks that it has when it cannot have another; without any, and for a future, one has to come.
#' @export
fork_again.multicore_backend <- function(backend, handle) {
  while (!is.null(refused <- refused_fork(fork_worker(backend, handle)))) {
    await_process(backend, refused)
    if (!is.null(handle$data)) return(invisible())
  }
}

# `handle`: list(id, context, x and data of a map). The child never returns from the door. Errors, for instance of a
# fork that the system refuses, are raised here.
fork_worker <- function(backend, handle) {
  context <- handle$context
  context$start <- enter_fork
  cpp_engine_fork_worker(backend$engine, handle$id, fork_limit(backend), worker_functions(), context, handle$x,
                         handle$data)
}

# NULL, or the error by which the system has refused a fork.
refused_fork <- function(expr) {
  tryCatch({
    expr
    NULL
  }, avenir_overloaded_error = identity)
}

# With fewer processes than wanted a future waits until one of them has ended; without any that is its error.
await_process <- function(backend, refused) {
  before <- nrow(cpp_engine_workers(backend$engine))
  if (before == 0L) stop(refused)
  if (is.null(backend$refused)) warn_refused(before, refused)
  backend$refused <- TRUE
  cpp_engine_await_fewer_forks(backend$engine, before)
}

# With fewer forks than wanted a map goes on, if there is one at all.
fork_for_map <- function(backend, handle, count) {
  for (made in seq_len(count) - 1L) {
    refused <- refused_fork(fork_worker(backend, handle))
    if (is.null(refused)) next
    if (made == 0L) stop(refused)
    return(warn_refused(made, refused))
  }
}

warn_refused <- function(made, refused) {
  text <- paste0("only %d fork(s) could be made, and they do the work: %s",
                 "\ni Fewer `workers` in plan(multicore) need fewer processes.")
  warn_avenir(sprintf(text, made, conditionMessage(refused)), "avenir_shortage_warning")
}

# The functions that workers use, for forks; read once.
worker_functions <- function() {
  if (is.null(session_state$worker_functions)) {
    session_state$worker_functions <- tryCatch(read_worker_functions(), error = stop_unreadable)
  }
  session_state$worker_functions
}

read_worker_functions <- function() {
  functions <- new.env(parent = baseenv())
  files <- system.file("worker", c("map-kernel.R", "worker.R"), package = "avenir", mustWork = TRUE)
  for (file in files) sys.source(file, functions, keep.source = FALSE)
  functions
}

# As a fork that the system refuses: for want of descriptors, say.
stop_unreadable <- function(error) {
  stop_avenir(sprintf("a fork needs files of the package that cannot be read: %s", conditionMessage(error)),
              "avenir_overloaded_error")
}
