# The sequential backend: everything is evaluated in this session, at once. Afterwards the session is as it
# was: generator, options, environment variables, working directory, sinks, globals, plan.
#
# No worker can be lost, so `retries` mean nothing. A time limit interrupts, but cannot end compiled code that does not
# look for interrupts: what comes too late is kept as it is.

new_sequential_backend <- function(..., split = FALSE) {
  new_backend("sequential", c("SequentialFuture", "UniprocessFuture"), split = split, interrupts = TRUE)
}

#' @export
backend_workers.sequential_backend <- function(backend) 1L

#' @export
backend_free.sequential_backend <- function(backend) 1L

# The handle is the record itself. Futures that wait for each other lie on the C stack one in the other, some 300 kB
# each, of which R's functions are most: hence few of them between here and the future's code.
#' @export
backend_submit.sequential_backend <- function(backend, task) {
  capture <- new_capture(task$stdout, task$conditions, isTRUE(task$split) || backend$split)
  on.exit(capture_close(capture))
  limit <- new_time_limit(task$timeout)
  device <- note_default_device(capture, in_map = FALSE)
  on.exit(options(device = device), add = TRUE)
  outcome <- in_kept_session(task, evaluate_watched(task, capture, {
    if (is.null(limit)) eval(ready_call(task), globalenv())
    else within_limit(limit, eval(ready_call(task), globalenv()))
  }))
  error <- explained_error(outcome$error, limit, task$timeout, future_in_words(task$label))
  caught <- capture_take(capture)
  new_record(outcome$value, outcome$visible %||% TRUE, caught$stdout, caught$conditions, error, isTRUE(outcome$rng),
             capture$calls, c(outcome$misuse, capture$opened_device))
}

#' @export
backend_resolved.sequential_backend <- function(backend, handle, timeout) TRUE

#' @export
backend_collect.sequential_backend <- function(backend, handle) handle

#' @export
backend_cancel.sequential_backend <- function(backend, handle, interrupt) invisible()

#' @export
backend_map.sequential_backend <- function(backend, job, relay) {
  note_environment_variables()
  run <- new_run(job, backend$split)
  on.exit(capture_close(run$capture))
  device <- note_default_device(run$capture, in_map = TRUE)
  on.exit(options(device = device), add = TRUE)
  in_kept_session(job, evaluate_map(run, relay))
}

#' @export
backend_describe.sequential_backend <- function(backend) "sequential: this R session, one after the other"

#' @export
backend_close.sequential_backend <- function(backend) invisible()

# ---- One future ----

# The call that gives list(value, visible) of a task whose globals and packages are in place, the generator set for it.
ready_call <- function(task) {
  if (!is.null(task$seed)) set_random_seed(task$seed)
  make_future_call(task$expr)
}

# As with_capture(); besides, the outcome's `rng` tells whether random numbers were drawn that must not be, and `misuse`
# what the future leaves behind.
evaluate_watched <- function(task, capture, expr) {
  before <- NULL
  seed <- get_random_seed()
  outcome <- with_capture(capture, {
    before <- look_around(capture$sink)
    expr
  })
  outcome$rng <- task$check_rng && !identical(get_random_seed(), seed)
  outcome$misuse <- if (!is.null(before)) left_behind(before)
  outcome
}

# Has the capture tell, as `opened_device`, when the default graphics device is opened. Returns the option as it was. To
# be called outside of what keeps and restores the options, which could not compare them at a glance otherwise: setting
# one copies it.
note_default_device <- function(capture, in_map) {
  device <- getOption("device")
  options(device = noted_device(device, function() {
    capture$opened_device <- list(default_device = calls_to_device(sys.calls(), in_map))
  }))
  device
}

# ---- A map ----

# A map under way: a reference object. `progress`: how many elements were begun, and how many are over; it and `values`
# are changed in place.
new_run <- function(job, split) {
  capture <- new_capture(job$stdout, job$conditions, split, once = TRUE)
  limit <- new_time_limit(job$timeout)
  list2env(list(
    job = job, call = limited_call(make_element_call(job$kernel, job$fun, job$args), limit), size = length(job$x),
    values = vector("list", length(job$x)), progress = numeric(2L), limit = limit,
    capture = capture, check_rng = job$check_rng, rng = FALSE, seed = get_random_seed()
  ), parent = emptyenv())
}

position_of <- function(run) run$progress[[1L]]

run_element <- function(run) {
  if (is.null(run$job$order)) position_of(run) else run$job$order[[position_of(run)]]
}

# Evaluates elements until one has something to relay or none is left. One that only put the generator's state back has
# nothing.
evaluate_run <- function(run) {
  seeds <- run$job$seeds
  run$before <- look_around(run$capture$sink)
  repeat {
    caught <- cpp_evaluate_run(run$call, run$job$x, run$job$order, seeds$seeds, seeds$base, run$values, run$progress,
                               run$capture, run$capture$output, if (run$check_rng) run$seed %||% FALSE)
    if (has_drawn(run) | has_left(run) || caught || position_of(run) == run$size) return()
  }
}

# TRUE when elements have left something behind since it was last looked.
has_left <- function(run) {
  left <- c(left_behind(run$before), run$capture$opened_device)
  if (is.null(left)) return(FALSE)
  run$misuse <- left
  run$capture$opened_device <- NULL
  run$before <- look_around(run$capture$sink)
  TRUE
}

# TRUE for the first element that drew random numbers though none were declared: one report is enough.
has_drawn <- function(run) {
  if (!run$check_rng || identical(get_random_seed(), run$seed)) return(FALSE)
  run$check_rng <- FALSE
  run$rng <- TRUE
}

# Elements are evaluated in runs under one tryCatch() and one sink. A run ends at an element that has
# something to relay: that happens outside, where our own handlers cannot take the user's errors for the
# element's.
evaluate_map <- function(run, relay) {
  complete <- FALSE
  on.exit(if (!complete) harvest_run(run))
  while (position_of(run) < run$size) {
    outcome <- with_capture(run$capture, evaluate_run(run))
    if (!is.null(outcome$error)) has_left(run)
    record <- run_record(run, outcome)
    if (!is.null(record)) put_in_place(run, relay(run_element(run), record))
    run$progress <- rep(position_of(run), 2L)
  }
  complete <- TRUE
  run$values
}

# `put`: NULL, or a list of the condition that stands for an element.
put_in_place <- function(run, put) {
  if (!length(put)) return(invisible())
  values <- run$values
  run$values <- NULL
  values[run_element(run)] <- put
  run$values <- values
}

# What there is when the map ends by a condition.
harvest_run <- function(run) {
  if (is.null(run$job$harvest)) return(invisible())
  finished <- seq_len(run$progress[[2L]])
  done <- logical(run$size)
  done[if (is.null(run$job$order)) finished else run$job$order[finished]] <- TRUE
  run$job$harvest(run$values, done)
}

# The record of the element at which a run ended; NULL when it has nothing to relay. An error after the element was
# over is about a capture that the element has closed.
run_record <- function(run, outcome) {
  error <- outcome$error
  if (run$progress[[2L]] == position_of(run) && !inherits(error, "interrupt")) error <- NULL
  error <- explained_error(error, run$limit, run$job$timeout, element_in_words(run))
  caught <- capture_take(run$capture)
  rng <- run$rng
  run$rng <- FALSE
  misuse <- run$misuse
  run$misuse <- NULL
  plain <- is.null(error) && !rng && is.null(misuse) && !length(caught$conditions) && !nzchar(caught$stdout %||% "")
  if (!plain) new_record(NULL, TRUE, caught$stdout, caught$conditions, error, rng, misuse = misuse)
}

element_in_words <- function(run) sprintf("element %d of %s()", run_element(run), run$job$name %||% "a map")

# ---- Time limits and interrupts ----

# NULL where there is none.
new_time_limit <- function(timeout) {
  if (!is.null(timeout) && timeout < Inf) cpp_time_limit(timeout)
}

# When the time is over `expr` is interrupted, and again every two seconds until it ends: user code may handle an
# interrupt and go on.
within_limit <- function(limit, expr) {
  if (is.null(limit)) expr else cpp_evaluate_within(limit, quote(expr), environment())
}

# A function of one element with that limit.
limited_call <- function(call, limit) {
  if (is.null(limit)) call else function(element) within_limit(limit, call(element))
}

# The error by which `what` has ended. Ctrl-C stays the interrupt that it is; one that the code has signaled itself is
# an error as any other, as it is in a worker.
explained_error <- function(error, limit, timeout, what) {
  if (is.null(error)) return(NULL)
  if (!is.null(limit) && is_interruption(error) && cpp_limit_reached(limit)) return(timeout_error(what, timeout))
  if (inherits(error, "interrupt") && length(error)) interrupted_error(paste(capitalized(what), "was")) else error
}

# Also the error of a map or future inside which has taken our interrupt for one of its own.
is_interruption <- function(error) {
  inherits(error, c("interrupt", "FutureInterruptError")) &&
    !inherits(error, c("WorkerLostError", "FutureCanceledError"))
}

capitalized <- function(text) paste0(toupper(substr(text, 1L, 1L)), substring(text, 2L))

# ---- The session around an evaluation ----

# Evaluates `expr` with the capture's sink and handlers. list(error) when it ended in an error or interrupt.
# The condition handlers lie outside tryCatch(): an error in a handler of the user, reached when a condition
# is relayed at once, is not the evaluation's error. A second handler of tryCatch() would take three more of R's
# functions; an overflow of the stack is left to the first, as R calls no others then.
with_capture <- function(capture, expr) {
  capture_begin(capture)
  on.exit(capture_end(capture))
  interruption <- NULL
  delayedAssign("leave", return(list(error = interruption)))
  on_interrupt <- function(cond) {
    interruption <<- cond
    leave
  }
  withCallingHandlers(tryCatch(expr, error = failed), condition = capture$handler %||% identity,
                      interrupt = on_interrupt)
}

failed <- function(error) list(error = error)

# Evaluates `expr` with the packages and globals of a task or job in place and the plan's next level;
# afterwards the session is as it was.
in_kept_session <- function(task, expr) {
  attach_packages(task$packages)
  session <- keep_session()
  on.exit(restore_session(session))
  levels <- enter_next_level()
  on.exit(leave_level(levels), add = TRUE)
  globals <- swap_globals(task$globals)
  on.exit(restore_globals(globals), add = TRUE)
  expr
}

# Packages stay attached, as those attached by future do.
attach_packages <- function(packages) {
  for (package in packages) {
    if (paste0("package:", package) %in% search()) next
    tryCatch(suppressPackageStartupMessages(library(package, character.only = TRUE)), error = function(e) {
      stop(future_launch_error(paste("Failed to attach one or more packages:", conditionMessage(e))))
    })
  }
}

# Variables that did not exist when the package was loaded, plan() was called or a map began are not looked
# at: asking for all of them would take longer than the rest of a future.
session_state <- new.env(parent = emptyenv())

note_environment_variables <- function() session_state$variables <- names(Sys.getenv())

keep_session <- function() {
  seed <- get_random_seed()
  list(seed = seed, kind = if (is.null(seed)) RNGkind(), options = as.list(.Options), directory = getwd(),
       variables = Sys.getenv(session_state$variables, NA, names = FALSE))
}

restore_session <- function(session) {
  if (!identical(get_random_seed(), session$seed)) set_random_seed(session$seed, session$kind)
  if (!identical(as.list(.Options), session$options)) restore_options(session$options)
  if (!identical(getwd(), session$directory)) setwd(session$directory)
  variables <- Sys.getenv(session_state$variables, NA, names = FALSE)
  if (!identical(variables, session$variables)) restore_variables(variables, session$variables)
}

# Options that were added stay: a package loaded meanwhile may need them. Setting `nwarnings` would drop the
# warnings that R has deferred.
restore_options <- function(options) {
  now <- as.list(.Options)
  changed <- names(options)[!mapply(identical, now[names(options)], options)]
  options(options[changed])
}

restore_variables <- function(now, before) {
  for (i in which(!mapply(identical, now, before))) {
    name <- session_state$variables[[i]]
    value <- before[[i]]
    if (is.na(value)) Sys.unsetenv(name) else do.call(Sys.setenv, stats::setNames(list(value), name))
  }
}

# Puts globals into the global environment; returns what restore_globals() needs.
swap_globals <- function(globals) {
  if (!length(globals)) return(NULL)
  env <- globalenv()
  names <- names(globals)
  existed <- in_environment(names, env)
  before <- mget(names[existed], envir = env)
  list2env(as.list(globals), envir = env)
  list(added = names[!existed], before = before)
}

restore_globals <- function(globals) {
  if (is.null(globals)) return(invisible())
  env <- globalenv()
  added <- globals$added[in_environment(globals$added, env)]
  if (length(added)) rm(list = added, envir = env)
  list2env(globals$before, envir = env)
}

in_environment <- function(names, env) {
  vapply(names, exists, NA, envir = env, inherits = FALSE, USE.NAMES = FALSE)
}
