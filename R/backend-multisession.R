# The multisession backend: R sessions on this machine, forked from one template process, fed by the C++ engine
# (R/engine.R has what all its backends share).

new_multisession_backend <- function(workers, start_timeout = getOption("avenir.start.timeout", 60),
                                     interrupt_grace = 2, rscript_libs = .libPaths(), interrupts = TRUE,
                                     profile = getOption("avenir.worker.profile", TRUE), ...) {
  backend <- new_backend("multisession", c("MultisessionFuture", "ClusterFuture", "MultiprocessFuture"),
                         workers = as.integer(workers), interrupts = isTRUE(interrupts))
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

# The template runs on one thread (a library that starts threads at its loading would make forks unsafe); each worker
# gets its share of the cores after the fork.
worker_environment <- function(workers, folder, libraries, profile) {
  variables <- Sys.getenv()
  variables <- variables[names(variables) != "R_TESTS"]  # R CMD check's: a file that R would read at its start
  threads <- max(1L, parallelly::availableCores() %/% workers)
  own <- c(R_LIBS = paste(libraries, collapse = ":"), TMPDIR = folder, OMP_NUM_THREADS = "1",
           OPENBLAS_NUM_THREADS = "1", MKL_NUM_THREADS = "1", AVENIR_WORKER_THREADS = as.character(threads))
  if ("TMPDIR" %in% names(variables)) own["AVENIR_WORKER_TMPDIR"] <- variables[["TMPDIR"]]
  own["AVENIR_WORKER_LOCALE"] <- Sys.getlocale()
  if (profile) own["AVENIR_WORKER_PROFILE"] <- "1"
  kept <- variables[setdiff(names(variables), names(own))]
  paste0(c(names(kept), names(own)), "=", c(kept, own))
}

stop_worker_start <- function(reason) {
  stop_avenir(paste0("plan(multisession): the workers cannot be started: ", reason,
                     "\ni Check R_HOME (", R.home(), "), the limit on processes, and your .Rprofile."),
              class = c("avenir_worker_start_error", "FutureError"))
}

# A package attached later masks what was attached before: the worker attaches them as the session did, and then those
# that are not attached here as they were named.
in_attach_order <- function(packages) {
  if (length(packages) < 2L) return(packages)
  packages[order(-match(paste0("package:", packages), search(), nomatch = 0L))]
}

#' @export
backend_workers.multisession_backend <- function(backend) backend$workers

#' @export
backend_free.multisession_backend <- function(backend) cpp_engine_free_workers(backend$engine)

#' @export
backend_submit.multisession_backend <- function(backend, task) {
  task$packages <- in_attach_order(task$packages)
  cpp_engine_submit_task(backend$engine, task_context(task))
}

#' @export
backend_resolved.multisession_backend <- function(backend, handle, timeout) engine_resolved(backend, handle, timeout)

#' @export
backend_collect.multisession_backend <- function(backend, handle) engine_collect(backend, handle)

#' @export
backend_cancel.multisession_backend <- function(backend, handle, interrupt) engine_cancel(backend, handle, interrupt)

#' @export
backend_map.multisession_backend <- function(backend, job, relay) {
  job$packages <- in_attach_order(job$packages)
  parts <- engine_job(job)
  id <- cpp_engine_submit_map(backend$engine, parts)
  on.exit(cpp_engine_cancel(backend$engine, id, TRUE, TRUE))
  collect_map(backend, id, parts, relay)
}

#' @export
backend_describe.multisession_backend <- function(backend) {
  workers <- cpp_engine_workers(backend$engine)
  c(sprintf("multisession: %d R sessions on this machine", backend$workers),
    sprintf("worker %d: pid %d, %s, %.0f answers", workers$id, workers$pid, workers$state, workers$answers))
}

#' @export
backend_close.multisession_backend <- function(backend) engine_close(backend)
