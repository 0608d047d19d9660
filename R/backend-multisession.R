# The multisession backend: R sessions on this machine, forked from one template process, fed by the C++ engine.
#
# Contexts that travel to the workers (read by inst/worker/worker.R and src/worker):
#   of a future: list(expr, globals, packages, seed, check_rng, stdout, conditions, options)
#   of a map:    list(kernel, fun, args, globals, packages, seeded, check_rng, stdout, conditions, options)
# Answers: list(kind, content, element, position); kind 0 a value, 1 a record, 2 a lost worker, 3 no worker started, 4 cancelled.

new_multisession_backend <- function(workers, start_timeout = getOption("avenir.start.timeout", 60),
                                     interrupt_grace = 2, rscript_libs = .libPaths(),
                                     profile = getOption("avenir.worker.profile", TRUE), ...) {
  backend <- new_backend("multisession", c("MultisessionFuture", "ClusterFuture", "MultiprocessFuture"),
                         workers = as.integer(workers), interrupts = TRUE)
  folder <- tempfile("avenir-")
  dir.create(folder, mode = "0700")
  options <- multisession_options(backend$workers, folder, rscript_libs, profile)
  options$start_timeout <- as.double(start_timeout)
  options$interrupt_grace <- as.double(interrupt_grace)
  backend$engine <- start_engine(options)
  backend
}

start_engine <- function(options) {
  tryCatch(cpp_engine_start(options), avenir_error = function(e) {
    unlink(options$temp_folder, recursive = TRUE)
    stop_worker_start(conditionMessage(e))
  })
}

# R itself, not its shell front end: the session's environment holds all that the front end would set.
multisession_options <- function(workers, folder, libraries, profile) {
  library <- dirname(system.file(package = "avenir"))
  path <- file.path(R.home("bin"), "exec", "R")
  start <- file.path(library, "avenir", "worker", "start.R")
  argv <- c(path, "--no-echo", "--no-restore", "--vanilla", paste0("--file=", start), "--args", library, folder)
  list(workers = workers, path = path, argv = argv,
       environment = worker_environment(workers, folder, libraries, profile),
       directory = getwd(), temp_folder = folder)
}

# The template runs on one thread (a library that starts threads at its loading would make forks unsafe); each worker gets
# its share of the cores after the fork.
worker_environment <- function(workers, folder, libraries, profile) {
  variables <- Sys.getenv()
  threads <- max(1L, parallelly::availableCores() %/% workers)
  own <- c(R_LIBS = paste(libraries, collapse = ":"), TMPDIR = folder, OMP_NUM_THREADS = "1",
           OPENBLAS_NUM_THREADS = "1", MKL_NUM_THREADS = "1", AVENIR_WORKER_THREADS = as.character(threads))
  if ("TMPDIR" %in% names(variables)) own["AVENIR_WORKER_TMPDIR"] <- variables[["TMPDIR"]]
  if (profile) own["AVENIR_WORKER_PROFILE"] <- "1"
  kept <- variables[setdiff(names(variables), names(own))]
  paste0(c(names(kept), names(own)), "=", c(kept, own))
}

stop_worker_start <- function(reason) {
  stop_avenir(paste0("plan(multisession): the workers cannot be started: ", reason,
                     "\ni Check R_HOME (", R.home(), "), the limit on processes, and your .Rprofile."),
              class = c("avenir_worker_start_error", "FutureError"))
}

#' @export
backend_workers.multisession_backend <- function(backend) backend$workers

#' @export
backend_free.multisession_backend <- function(backend) cpp_engine_free_workers(backend$engine)

#' @export
backend_submit.multisession_backend <- function(backend, task) {
  fields <- c("expr", "globals", "packages", "seed", "check_rng", "stdout", "conditions", "options")
  cpp_engine_submit_task(backend$engine, unclass(task)[fields])
}

#' @export
backend_resolved.multisession_backend <- function(backend, handle, timeout) {
  cpp_engine_answered(backend$engine, handle, timeout, relay_immediate)
}

#' @export
backend_collect.multisession_backend <- function(backend, handle) {
  record_of_answer(cpp_engine_collect(backend$engine, handle, relay_immediate))
}

#' @export
backend_cancel.multisession_backend <- function(backend, handle, interrupt) {
  invisible(cpp_engine_cancel(backend$engine, handle, interrupt, FALSE))
}

#' @export
backend_map.multisession_backend <- function(backend, job, relay) {
  job$order <- order <- if (!is.null(job$order)) as.integer(job$order)
  id <- cpp_engine_submit_map(backend$engine, engine_job(job))
  on.exit(cpp_engine_cancel(backend$engine, id, TRUE, TRUE))
  results <- vector("list", length(job$x))
  from <- 1
  collect <- function() cpp_engine_collect_map(backend$engine, id, results, from, order, relay_immediate)
  while (!is.null(answer <- collect())) {
    relay(answer$element, record_of_answer(answer))
    from <- answer$position + 1
  }
  results
}

#' @export
backend_describe.multisession_backend <- function(backend) {
  workers <- cpp_engine_workers(backend$engine)
  c(sprintf("multisession: %d R sessions on this machine", backend$workers),
    sprintf("worker %d: pid %d, %s, %.0f answers", workers$id, workers$pid, workers$state, workers$answers))
}

#' @export
backend_close.multisession_backend <- function(backend) {
  if (!is.null(backend$engine)) cpp_engine_stop(backend$engine)
  backend$engine <- NULL
  invisible()
}

engine_job <- function(job) {
  listed <- !is.null(job$seeds$seeds)
  context <- list(kernel = job$kernel, fun = job$fun, args = job$args, globals = job$globals, packages = job$packages,
                  seeded = !is.null(job$seeds), check_rng = job$check_rng, stdout = job$stdout,
                  conditions = job$conditions, options = job$options)
  x <- if (listed) Map(list, job$x, job$seeds$seeds) else job$x
  context$listed_seeds <- listed
  list(context = context, x = x, order = job$order, bounds = job$bounds, stream = job$seeds$base,
       keep_going = isTRUE(job$keep_going))
}

record_of_answer <- function(answer) {
  content <- answer$content
  switch(answer$kind + 1L,
    new_record(content),
    content,
    new_record(error = worker_lost_condition(content)),
    new_record(error = worker_start_condition(content)),
    new_record(error = cancelled_condition())
  )
}

worker_lost_condition <- function(lost) {
  text <- sprintf("worker %d (pid %d) %s while it was evaluating", lost$worker, lost$pid, how_it_ended(lost))
  if (lost$signal == 9L) text <- paste0(text, "\ni Out of memory is a usual cause of signal 9.")
  if (nzchar(lost$log)) text <- paste0(text, "\ni The last it wrote to its standard error:\n", lost$log)
  error <- future_interrupt_error(text, "WorkerLostError")
  error[names(lost)] <- lost
  error
}

how_it_ended <- function(lost) {
  if (!lost$known) return("ended for a reason that is not known")
  if (lost$signal != 0L) return(sprintf("was killed by signal %d", lost$signal))
  sprintf("ended with exit code %d", lost$exit_code)
}

worker_start_condition <- function(reason) {
  text <- paste0("no worker could be started: ", reason,
                 "\ni Call plan(multisession) again when the cause is removed.")
  future_error(text, "avenir_worker_start_error")
}

cancelled_condition <- function() {
  future_interrupt_error("the future was cancelled before it was evaluated", "FutureCanceledError")
}
