# Futures of function calls, futures that start over, and what a session can say about its workers.

#' Call a function in a future
#'
#' `futureCall(FUN, args)` is to [do.call()] what [future()] is to its expression: it returns a future of the
#' call.
#'
#' @param FUN A function.
#' @param args A list of arguments.
#' @param envir,lazy,seed,packages,stdout,conditions,label,retries,timeout,... See [future()].
#' @param globals Global variables of the function and its arguments, as for [future()]. Those that are given
#'   by name or value are seen by `FUN` even where its own environment has others.
#' @return A future.
#' @section Errors:
#' `avenir_invalid_argument` when `FUN` is not a function or `args` not a list, and as for [future()].
#' @seealso [future()], [future_lapply()]
#' @examples
#' f <- futureCall(sum, list(1, 2, NA, na.rm = TRUE))
#' value(f)
#'
#' a <- 3
#' value(futureCall(function(x) a * x, list(x = 2)))
#' value(futureCall(function(x) a * x, list(x = 2), globals = list(a = 10)))
#' @export
futureCall <- function(FUN, args = list(), envir = parent.frame(), lazy = FALSE, seed = FALSE, globals = TRUE,
                       packages = NULL, stdout = TRUE, conditions = "condition", label = NULL, ..., retries = 0,
                       timeout = Inf) {
  if (!is.function(FUN)) invalid_argument("`FUN` must be a function", FUN)
  if (!is.list(args)) invalid_argument("`args` must be a list of arguments", args)
  call <- list(FUN = if (lazy && isTRUE(globals)) frozen_function(FUN) else FUN, args = args)
  envir <- list2env(call, parent = envir)
  found <- find_globals(quote(do.call(what = FUN, args = args)), envir, call_globals(globals), packages)
  found$globals <- replace_arguments(call, found$globals)
  if (!isTRUE(globals)) found$globals$FUN <- function_over(found$globals)
  future(found$expr, envir, substitute = FALSE, lazy = lazy, seed = seed, globals = found$globals,
         packages = found$packages, stdout = stdout, conditions = conditions, label = label, ..., retries = retries,
         timeout = timeout)
}

# `globals` of future() that say the same of a call. The function and its arguments come along in any case.
call_globals <- function(globals) {
  if (is.character(globals)) setdiff(globals, c("FUN", "args")) else globals
}

# FUN such that it finds the other globals before all that its own environment has. Functions of the global
# environment find them there anyway; those of packages are left alone.
function_over <- function(globals) {
  FUN <- globals$FUN
  others <- globals[setdiff(names(globals), c("FUN", "args"))]
  if (is_frame(environment(FUN)) && length(others)) {
    environment(FUN) <- list2env(others, parent = environment(FUN))
  }
  FUN
}

# FUN with the values that variables of its own environments have now.
frozen_function <- function(FUN) {
  names <- if (is_frame(environment(FUN))) cpp_free_names(FUN, FALSE)
  values <- list()
  envir <- environment(FUN)
  while (is_frame(envir) && length(names)) {
    here <- names[in_environment(names, envir)]
    values <- c(values, mget(here, envir = envir))
    names <- setdiff(names, here)
    envir <- parent.env(envir)
  }
  function_over(c(list(FUN = FUN), values))
}

# TRUE for the environment of a call or local(): neither the global environment nor a package's.
is_frame <- function(envir) {
  is.environment(envir) && !identical(envir, topenv(envir)) && !identical(envir, emptyenv())
}

# ---- Starting over ----

#' Make a future start over
#'
#' `reset()` turns a future that has come to its end, or was cancelled, into a lazy one that can be started
#' again, with the globals and the stream of random numbers that it was made with.
#'
#' @details
#' A lazy future may also be saved with [saveRDS()] and be evaluated in another session.
#'
#' @param x A future, or a list, environment or listenv of futures; anything else is returned as it is.
#' @param ... Not used.
#' @return The future, which is lazy now; for a container a list.
#' @section Errors:
#' `FutureError` when the future is running, or was dropped by `value(drop = TRUE)`.
#' @seealso [future()], [cancel()]
#' @examples
#' file <- tempfile()
#' f <- future(readRDS(file))
#' try(value(f))
#'
#' saveRDS(42, file)
#' f <- reset(f)
#' value(f)
#' unlink(file)
#' @export
reset <- function(x, ...) UseMethod("reset")

#' @export
reset.default <- function(x, ...) x

#' @export
reset.list <- function(x, ...) lapply(x, reset, ...)

#' @export
reset.environment <- function(x, ...) lapply(future_elements(x), reset, ...)

#' @export
reset.AvenirFuture <- function(x, ...) {
  check_resettable(x)
  rm(list = intersect(c("handle", "backend", "interrupted", "misuse_noted"), names(x)), envir = x)
  class(x) <- future_class()
  fresh <- list(result = NULL, state = "created", lazy = TRUE, owner = session_uuid(), uuid = new_future_uuid())
  list2env(fresh, envir = x)
}

# A running future whose answer is here is collected first.
check_resettable <- function(future) {
  if (future$state == "running" && is_resolved(future, 0)) collect_future(future)
  problem <- if (future$state == "running") "is running and cannot be reset"
  else if (!exists("expr", envir = future, inherits = FALSE) || is_dropped(future)) "was dropped and cannot be reset"
  if (is.null(problem)) return(invisible())
  stop(future_error(sprintf("Future (%s) %s", label_of(future), problem), future = future))
}

is_dropped <- function(future) {
  !is.null(future$result) && inherits(result_error(future$result), "FutureDroppedError")
}

# ---- Session information ----

#' What this session and its workers are
#'
#' Shows versions, cores, options and the plan, and has each worker tell who it is.
#'
#' @details
#' With `test` each worker is kept busy for a second (option `future.futureSessionInfo.delay`), so that every
#' one of them gets something to do.
#'
#' @param test `FALSE`: the workers are not asked.
#' @param anonymize `TRUE`: names of users and machines are replaced by numbered ones.
#' @return NULL, invisibly; what there is to say is shown as messages.
#' @seealso [plan()], [nbrOfWorkers()]
#' @examples
#' options(future.futureSessionInfo.delay = 0)
#' futureSessionInfo()
#' @export
futureSessionInfo <- function(test = TRUE, anonymize = TRUE) {
  check_flag(test, "test")
  check_flag(anonymize, "anonymize")
  show_section("Package versions", package_versions())
  show_section("Allocations", printed(availableCores(which = "all")), availableWorkers())
  show_section("Settings", shown_options())
  show_section("Plan", sprintf("Number of workers: %d", nbrOfWorkers()), printed(plan("list")))
  if (test) show_workers(anonymize)
  invisible()
}

show_section <- function(title, ...) message(paste(c(paste("***", title), ..., ""), collapse = "\n"))

printed <- function(x) utils::capture.output(print(x))

package_versions <- function() {
  packages <- c("avenir", "parallelly", "Rcpp")
  versions <- vapply(packages, function(package) as.character(utils::packageVersion(package)), "")
  c(R.version.string, paste(packages, versions))
}

shown_options <- function() {
  names <- c("future.plan", "future.globals.maxSize", "future.globals.onReference",
             "future.resolve.recursive", "future.rng.onMisuse", "future.wait.interval", "avenir.scheduling")
  values <- lapply(names, getOption, "<not set>")
  sprintf("- %s=%s", names, vapply(values, function(x) if (is.character(x)) x[1L] else show_value(x), ""))
}

show_workers <- function(anonymize) {
  session <- process_facts(0L)
  workers <- worker_facts(nbrOfWorkers(), getOption("future.futureSessionInfo.delay", 1))
  facts <- rbind(session, workers)
  if (anonymize) facts <- anonymous_facts(facts)
  show_section("This session (worker 0) and the workers", printed(facts))
  count <- length(unique(workers$pid))
  if (count == nrow(workers)) return(invisible())
  show_section("Note", sprintf("%d futures were evaluated by %d processes", nrow(workers), count))
}

worker_facts <- function(count, delay) {
  ask <- function(worker) {
    futureCall(process_facts, list(worker = worker, delay = delay),
               label = sprintf("futureSessionInfo-%d", worker))
  }
  do.call(rbind, value(lapply(seq_len(count), ask)))
}

# For workers, too: these need not load this package.
process_facts <- function(worker, delay = 0) {
  Sys.sleep(delay)
  data.frame(worker = worker, pid = Sys.getpid(), r = as.character(getRversion()), as.list(Sys.info()))
}
environment(process_facts) <- baseenv()

# The same name gets the same number, of machines and of users.
anonymous_facts <- function(facts) {
  fields <- list(host = "nodename", user = c("login", "user", "effective_user"))
  for (kind in names(fields)) {
    columns <- fields[[kind]]
    known <- unique(unlist(facts[columns]))
    facts[columns] <- lapply(facts[columns], function(x) sprintf("%s%03d", kind, match(x, known)))
  }
  facts
}
