# The R side of a worker. Sourced by start.R into an environment above base; uses nothing of the avenir namespace, whose
# loading would cost each worker more than the worker itself. Called from src/worker.

# Serves forks (a template: returns in each worker) or starts at once, then runs the worker's loop. Never returns.
main <- function(library, folder, mode) {
  dll <- library.dynam("avenir", "avenir", library)
  routine <- function(name) getNativeSymbolInfo(paste0("_avenir_cpp_", name), dll)$address
  watch <- endsWith(mode, ":watch")
  # Each process of the plan makes a temporary folder of its own below the plan's.
  unlink(tempdir(), recursive = TRUE)
  if (startsWith(mode, "template")) .Call(routine("template_serve"), folder, watch)
  start_worker(folder)
  .Call(routine("worker_run"), functions_environment(), tempdir(), watch, startsWith(mode, "template"))
}

functions_environment <- function() environment(main)

# A node begins as what its workers are to be forked from: R starts but once.
# Never returns.
start_node <- function(library) {
  dll <- library.dynam("avenir", "avenir", library)
  routine <- function(name) getNativeSymbolInfo(paste0("_avenir_cpp_node_", name), dll)$address
  .Call(routine("hold_end"))
  before <- Sys.getenv("TMPDIR", NA)
  folder <- tempfile("avenir-", dirname(tempdir()))
  if (!dir.create(folder, mode = "0700")) stop("the node's temporary folder cannot be made: ", folder)
  unlink(tempdir(), recursive = TRUE)
  own <- list(TMPDIR = folder, AVENIR_WORKER_LOCALE = Sys.getlocale(), AVENIR_WORKER_PROFILE = "1")
  if (!is.na(before)) own$AVENIR_WORKER_TMPDIR <- before
  do.call(Sys.setenv, own)
  variables <- Sys.getenv()
  forked <- integer(1L)
  .Call(routine("fork_template"), forked)
  if (forked > 0L) main(library, folder, c("template", "template:watch")[forked])
  tempdir(check = TRUE)
  Sys.unsetenv(names(own))
  if (!is.na(before)) Sys.setenv(TMPDIR = before)
  node <- new.env(parent = baseenv())
  sys.source(file.path(library, "avenir", "worker", "node.R"), node, keep.source = FALSE)
  node$run_node(dll, library, folder, paste0(names(variables), "=", variables))
}

state <- new.env(parent = emptyenv())

# In a process that was forked off the session for one job: its output goes past whatever sinks the session has open, to
# `output` (a connection on descriptor 1) if it is caught.
start_fork <- function(context, output, threads) {
  context$start()
  own_threads(threads, of_rcpp_parallel = 1L)
  Sys.unsetenv("R_FUTURE_PLAN")
  options(own_options())
  # Setting it drops the warnings that the session has deferred: they are its own to print.
  options(nwarnings = getOption("nwarnings", 50L))
  globalCallingHandlers(NULL)
  globalCallingHandlers(condition = on_condition)
  if (!is.na(context$stdout)) sink(output)
  state$sinks <- sink.number()
}

# Of every process that evaluates for the session. An error that no handler sees must not end it: with any `error`
# option R leaves for its top level instead.
own_options <- function() {
  list(mc.cores = 1L, error = quote(invisible()), device = noted_device(getOption("device"), note_default_device),
       future.startup.script = FALSE)
}

# Closes what sinks the job's code has left open above ours: what they hold goes to where it belongs.
close_sinks <- function() while (sink.number() > state$sinks) sink()

start_worker <- function(folder) {
  own_temp_folder(folder)
  own_threads(Sys.getenv("AVENIR_WORKER_THREADS", "1"))
  own_gpu(as.numeric(Sys.getenv("AVENIR_WORKER_NUMBER", 0)), as.numeric(Sys.getenv("AVENIR_WORKER_COUNT", 1)))
  own_locale()
  libraries <- .libPaths()
  if (nzchar(Sys.getenv("AVENIR_WORKER_PROFILE"))) source_profiles()
  eval(parse(text = Sys.getenv("AVENIR_WORKER_STARTUP")), globalenv())
  # Those of the session, which may have changed them since its own profile. To set them takes 60 system calls.
  if (!identical(.libPaths(), libraries)) .libPaths(libraries)
  own <- c("THREADS", "NUMBER", "COUNT", "TMPDIR", "PROFILE", "STARTUP", "LOCALE")
  Sys.unsetenv(c("R_FUTURE_PLAN", paste0("AVENIR_WORKER_", own)))
  options(own_options())
  globalCallingHandlers(condition = on_condition)
  state$kept <- ls(globalenv(), all.names = TRUE)
  state$kinds <- RNGkind()
  drop_generator_state()
  state$folder <- getwd()
}

# One of the GPUs that the session may use, in turn, and a share of its memory: src/array reads AVENIR_GPU_SHARE.
own_gpu <- function(number, workers) {
  gpus <- visible_gpus()
  if (!length(gpus)) return(invisible())
  share <- 1 / ceiling(workers / length(gpus))
  Sys.setenv(CUDA_VISIBLE_DEVICES = gpus[number %% length(gpus) + 1], AVENIR_GPU_SHARE = share)
}

# As the driver will count them, which is not asked: that would start it.
visible_gpus <- function() {
  mask <- Sys.getenv("CUDA_VISIBLE_DEVICES", NA)
  if (is.na(mask)) return(as.character(seq_along(Sys.glob("/dev/nvidia[0-9]*")) - 1L))
  trimws(strsplit(mask, ",", fixed = TRUE)[[1L]])
}

# The session started the template with TMPDIR inside the plan's folder; user code gets the session's own TMPDIR back.
own_temp_folder <- function(folder) {
  before <- Sys.getenv("AVENIR_WORKER_TMPDIR", NA)
  Sys.setenv(TMPDIR = folder)
  tempdir(check = TRUE)
  if (is.na(before)) Sys.unsetenv("TMPDIR") else Sys.setenv(TMPDIR = before)
}

# For libraries that are not loaded yet, for processes that the job starts, for packages, and for our own. Nobody knows
# whether RcppParallel has had threads in a session that was forked.
own_threads <- function(threads, of_rcpp_parallel = threads) {
  state$threads <- threads <- as.integer(threads)
  options(avenir.threads = threads)
  Sys.setenv(OMP_NUM_THREADS = threads, OPENBLAS_NUM_THREADS = threads, MKL_NUM_THREADS = threads,
             BLIS_NUM_THREADS = threads, VECLIB_MAXIMUM_THREADS = threads, R_DATATABLE_NUM_THREADS = threads,
             RCPP_PARALLEL_NUM_THREADS = of_rcpp_parallel)
  if (isNamespaceLoaded("data.table")) getNamespace("data.table")$setDTthreads(threads)
}

# The locale that the session had at plan(), which may not be the one its environment variables name: strings must sort
# alike everywhere.
own_locale <- function() {
  wanted <- Sys.getenv("AVENIR_WORKER_LOCALE")
  if (!nzchar(wanted) || identical(wanted, Sys.getlocale())) return()
  for (part in strsplit(strsplit(wanted, ";", fixed = TRUE)[[1L]], "=", fixed = TRUE)) {
    if (part[1L] %in% c("LC_COLLATE", "LC_CTYPE", "LC_MONETARY", "LC_TIME", "LC_MESSAGES")) {
      suppressWarnings(Sys.setlocale(part[1L], part[2L]))
    }
  }
}

# A profile may have set the variable to another number than what was given.
thread_limit <- function() as.integer(Sys.getenv("OMP_NUM_THREADS"))

given_threads <- function() state$threads

# What R itself runs at its start, and the template did not. A variable that is set, be it to nothing (the front end
# does so for --vanilla), keeps R from looking anywhere else.
source_profiles <- function() {
  site <- profile_file("R_PROFILE", file.path(R.home("etc"), "Rprofile.site"))
  user <- profile_file("R_PROFILE_USER", c(".Rprofile", "~/.Rprofile"))
  if (!is.na(site)) try(sys.source(site, baseenv()))
  if (!is.na(user)) try(sys.source(user, globalenv()))
}

profile_file <- function(variable, usual) {
  files <- path.expand(Sys.getenv(variable, NA))
  if (is.na(files)) files <- path.expand(usual)
  files[file.exists(files)][1L]
}

# Registered once as R's global calling handler; the engine says what is to be done.
on_condition <- function(cond) {
  action <- .Call(state$handle_condition, cond)
  if (action == 2L) invokeRestart("abort")
  if (action == 1L) muffle(cond)
}

muffle <- function(cond) {
  for (restart in computeRestarts(cond)) {
    if (is.character(restart$name) && startsWith(restart$name, "muffle")) invokeRestart(restart)
  }
}

# ---- one job

# Makes a job's packages, options and globals ready. Gives what is to be evaluated: a call, or the function of one
# element.
open_job <- function(context) {
  for (package in context$packages) attach_package(package)
  if (length(context$options) > 0L) options(context$options)
  if (length(context$globals) > 0L) list2env(context$globals, globalenv())
  if (is.null(context$kernel)) return(open_future(context))
  state$seeded <- context$seeded
  state$opened_device <- NULL
  state$before <- look_around()
  state$devices <- state$before$devices
  one <- make_element_call(context$kernel, context$fun, context$args)
  if (context$listed_seeds) seeded_element_call(one) else one
}

# With seeds given as a list each element comes with its own.
seeded_element_call <- function(one) {
  function(pair) {
    assign(".Random.seed", pair[[2L]], globalenv())
    one(pair[[1L]])
  }
}

is_timed <- function(context) length(context$timeout) > 0L && is.finite(context$timeout)

open_future <- function(context) {
  state$seeded <- is.integer(context$seed)
  if (state$seeded) assign(".Random.seed", context$seed, globalenv())
  state$opened_device <- state$devices <- NULL
  state$before <- look_around()
  make_future_call(context$expr)
}

# For the session: what the future has left behind, the default graphics device that it opened, or NULL. The next future
# does not draw to its devices.
left_in_worker <- function() {
  left <- c(left_behind(state$before), state$opened_device)
  if (!is.null(left$devices)) close_devices(state$before$devices)
  left
}

# The same of an element of a map.
left_by_element <- function() {
  left <- c(left_behind(state$before), state$opened_device)
  state$opened_device <- NULL
  state$before <- look_around()
  left
}

close_devices <- function(before) {
  numbers <- function(devices) seq_along(devices)[devices != ""]
  for (number in setdiff(numbers(unlist(.Devices)), c(1L, numbers(before)))) grDevices::dev.off(number)
}

note_default_device <- function() {
  state$opened_device <- list(default_device = calls_to_device(sys.calls(), in_map = !is.null(state$devices)))
}

calls_to_error <- function() calls_inside_future(sys.calls())

attach_package <- function(package) {
  if (paste0("package:", package) %in% search()) return()
  tryCatch(suppressPackageStartupMessages(library(package, character.only = TRUE)), error = function(e) {
    stop(new_error(paste("Failed to attach one or more packages:", conditionMessage(e)), "FutureLaunchError"))
  })
}

# After every job, whether it left traces or not.
end_job <- function() {
  setTimeLimit()
  if (!is.null(state$devices)) close_devices(state$devices)
  state$devices <- NULL
  if (isNamespaceLoaded("avenir")) getNamespace("avenir")$reset_worker_plan()
}

# After each job the worker is as it was, whatever the job did to it. Packages stay attached. Options are put back in
# C++.
finish_job <- function() {
  left <- names(globalenv())
  left <- left[is.na(match(left, state$kept))]
  if (isTRUE(state$seeded) || ".Random.seed" %in% left) restore_generator()
  rm(list = setdiff(left, ".Random.seed"), envir = globalenv())
  while (sink.number() > 0L) sink()
  if (!identical(getwd(), state$folder)) try(setwd(state$folder), silent = TRUE)
}

restore_generator <- function() {
  suppressWarnings(RNGkind(state$kinds[1L], state$kinds[2L], state$kinds[3L]))
  drop_generator_state()
  state$seeded <- FALSE
}

drop_generator_state <- function() {
  if (exists(".Random.seed", globalenv(), inherits = FALSE)) rm(".Random.seed", envir = globalenv())
}

# ---- errors of ours

new_error <- function(message, class) {
  class <- unique(c(class, "FutureError", "error", "FutureCondition", "condition"))
  structure(class = class, list(message = message, call = NULL))
}

# `interrupted`: 0 no, 1 by an interrupt, 2 at the job's time limit. The session says what of.
unhandled_jump <- function(interrupted) {
  if (interrupted == 2L) return(new_error("time limit", "avenir_time_limit"))
  if (interrupted == 1L) return(new_error("interrupted", "avenir_interrupted"))
  text <- sub("\n$", "", sub("^Error(:| in [^:]*:)? *", "", geterrmessage()))
  class <- jump_class(text)
  if (identical(class, "simpleError")) text <- jump_text(text)
  structure(class = c(class, "error", "condition"), list(message = text, call = NULL))
}

# As R's own condition would have it.
jump_class <- function(text) {
  if (grepl("C stack usage", text, fixed = TRUE)) return(c("CStackOverflowError", "stackOverflowError"))
  if (grepl("nested too deeply", text, fixed = TRUE)) return(c("expressionStackOverflowError", "stackOverflowError"))
  if (grepl("stack", text, fixed = TRUE)) "stackOverflowError" else "simpleError"
}

# R's last message may be an older one.
jump_text <- function(last) {
  text <- "R has left the evaluation without an error condition, as it does when C code runs out of stack"
  if (nzchar(last)) sprintf("%s\ni R's last error message: %s", text, last) else text
}

# `reason`: the condition that kept R from writing it; NULL when R has left without one.
not_serializable <- function(reason) {
  if (inherits(reason, "avenir_overloaded_error")) return(reason)
  text <- if (is.null(reason)) sub("\n$", "", geterrmessage()) else conditionMessage(reason)
  new_error(paste("the result cannot be serialized:", text), "FutureError")
}

unreadable_job <- function() {
  stop(new_error(paste("the worker cannot read what it was sent:", sub("\n$", "", geterrmessage())), "FutureError"))
}

interrupted_job <- function() stop(unhandled_jump(1L))
