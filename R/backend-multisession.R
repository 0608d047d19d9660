# The multisession backend: R sessions on this machine, forked from one template process, fed by the C++ engine
# (R/engine.R has what all its backends share).

# `reuse`: the backend in force, or NULL; when it differs in the number of workers only, it is resized and returned.
new_multisession_backend <- function(workers, reuse = NULL, ...) {
  options <- multisession_options(as.integer(workers), ...)
  if (reusable_backend(reuse, options)) return(resize_backend(reuse, options))
  backend <- new_backend("multisession", c("MultisessionFuture", "ClusterFuture", "MultiprocessFuture"),
                         workers = options$workers, options = options, interrupts = options$interrupts)
  backend$engine <- start_engine(in_own_folder(options), "multisession")
  backend
}

start_engine <- function(options, plan) {
  tryCatch(cpp_engine_start(options), avenir_error = function(e) {
    unlink(options$temp_folder, recursive = TRUE)
    stop_worker_start(plan, conditionMessage(e))
  })
}

# R itself, not its shell front end: the session's environment holds all that the front end would set.
multisession_options <- function(workers, start_timeout = getOption("avenir.start.timeout", 60), interrupt_grace = 2,
                                 max_memory = Inf, rscript_libs = .libPaths(), interrupts = TRUE,
                                 profile = getOption("avenir.worker.profile", TRUE), rscript_envs = NULL,
                                 rscript_args = NULL, rscript_startup = NULL, ...) {
  library <- dirname(system.file(package = "avenir"))
  path <- file.path(R.home("bin"), "exec", "R")
  start <- file.path(library, "avenir", "worker", "start.R")
  argv <- c(path, "--no-echo", "--no-restore", "--vanilla", rscript_args, paste0("--file=", start), "--args", library)
  environment <- worker_environment(rscript_libs, profile, asked_variables(rscript_envs), startup_code(rscript_startup))
  list(workers = workers, threads = worker_threads(workers), path = path, argv = argv,
       environment = environment, directory = getwd(),
       start_timeout = as.double(start_timeout), interrupt_grace = as.double(interrupt_grace),
       memory_limit = memory_limit(max_memory), interrupts = isTRUE(interrupts))
}

# Each worker's share of the cores.
worker_threads <- function(workers) max(1L, as.integer(counted_cores() %/% max(1L, workers)))

# The plan's temporary folder, in which each of its processes has its own.
in_own_folder <- function(options) {
  folder <- tempfile("avenir-")
  dir.create(folder, mode = "0700")
  options$argv <- c(options$argv, folder)
  own <- c(TMPDIR = folder, AVENIR_WORKER_THREADS = options$threads, AVENIR_WORKER_COUNT = options$workers)
  options$environment <- c(options$environment, paste0(names(own), "=", own))
  options$temp_folder <- folder
  options
}

# The template runs on one thread (a library that starts threads at its loading would make forks unsafe); each worker
# gets its share of the cores after the fork.
worker_environment <- function(libraries, profile, asked = character(), startup = "") {
  variables <- c(Sys.getenv(), character())
  variables[names(asked)] <- asked
  variables <- variables[!is.na(variables) & names(variables) != "R_TESTS"]  # R CMD check's: a file R would read
  own <- c(R_LIBS = paste(libraries, collapse = ":"), one_thread)
  if ("TMPDIR" %in% names(variables)) own["AVENIR_WORKER_TMPDIR"] <- variables[["TMPDIR"]]
  own["AVENIR_WORKER_LOCALE"] <- Sys.getlocale()
  if (profile) own["AVENIR_WORKER_PROFILE"] <- "1"
  if (nzchar(startup)) own["AVENIR_WORKER_STARTUP"] <- startup
  kept <- variables[setdiff(names(variables), c(names(own), "TMPDIR"))]
  paste0(c(names(kept), names(own)), "=", c(kept, own))
}

# What parallelly's `rscript_envs` means: values by name (NA takes a variable away). Variables without a value are the
# session's anyhow.
asked_variables <- function(envs) {
  if (is.null(envs)) return(character())
  if (!is.atomic(envs)) invalid_argument("`rscript_envs` must be a vector, named for values", envs)
  if (is.null(names(envs))) return(character())
  named <- nzchar(names(envs))
  stats::setNames(as.character(envs[named]), names(envs)[named])
}

# Code that each worker runs before its first job: strings, expressions or a list of both.
startup_code <- function(startup) {
  parts <- if (is.list(startup)) startup else list(startup)
  paste(unlist(lapply(parts, function(part) if (is.language(part)) deparse(part) else part)), collapse = "\n")
}

# For libraries that would start threads when they are loaded.
one_thread <- c(OMP_NUM_THREADS = "1", OPENBLAS_NUM_THREADS = "1", MKL_NUM_THREADS = "1", BLIS_NUM_THREADS = "1")

stop_worker_start <- function(plan, reason) {
  stop_avenir(paste0("plan(", plan, "): the workers cannot be started: ", reason, "\ni Check R_HOME (", R.home(),
                     "), the limits on processes (ulimit -u) and open files (ulimit -n), and your .Rprofile."),
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
  engine_handle(cpp_engine_submit_task(backend$engine, task_context(task), engine_policy(task)), task)
}

#' @export
backend_resolved.multisession_backend <- function(backend, handle, timeout) engine_resolved(backend, handle, timeout)

#' @export
backend_collect.multisession_backend <- function(backend, handle) engine_collect(backend, handle)

#' @export
backend_cancel.multisession_backend <- function(backend, handle, interrupt) engine_cancel(backend, handle, interrupt)

#' @export
backend_map.multisession_backend <- function(backend, job, relay) map_on_engine(backend, job, relay)

# `begun`: called with the job's id before its values are waited for.
map_on_engine <- function(backend, job, relay, begun = function(id) NULL) {
  job$packages <- in_attach_order(job$packages)
  parts <- engine_job(job)
  handle <- list(id = cpp_engine_submit_map(backend$engine, parts))
  on.exit(cpp_engine_cancel(backend$engine, handle$id, TRUE, TRUE))
  begun(handle$id)
  collect_map(backend, handle, job, parts, relay)
}

#' @export
backend_describe.multisession_backend <- function(backend) {
  workers <- cpp_engine_workers(backend$engine)
  c(sprintf("multisession: %d R sessions on this machine", backend$workers),
    sprintf("worker %d: pid %d, %s, %.0f answers", workers$id, workers$pid, workers$state, workers$answers))
}

#' @export
backend_close.multisession_backend <- function(backend) engine_close(backend)
