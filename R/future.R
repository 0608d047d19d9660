# Futures: making them, asking for their values. A future is an environment whose fields may be read; what
# happens to it is in its `state`: created, running, then finished, failed, canceled or interrupted.

#' Futures
#'
#' `future()` starts the evaluation of an expression under the current [plan()] and returns at once; `value()`
#' waits for the value and returns it, after showing again what the expression printed and signaled.
#'
#' @details
#' The expression is evaluated in an environment of its own, with the global variables and packages that it
#' needs. These are found by reading the expression and keep the values they have when the future is made,
#' also when it is lazy. Afterwards the process that evaluated it is as before.
#'
#' `value()` first prints the output, then signals the conditions in their order, and raises the error if
#' there was one, as the condition object it was. Conditions of class `immediateCondition` do not wait for
#' `value()`.
#'
#' A future that no worker has begun yet is not affected when one is lost. A future that was being evaluated fails with
#' it, unless `retries` allows for another attempt, which draws the same random numbers; what the first one did outside
#' R may then be done twice.
#'
#' @param expr An expression.
#' @param envir Where its global variables are looked up.
#' @param substitute `FALSE`: `expr` is a value that holds the expression.
#' @param lazy `TRUE`: evaluation starts when the value is first asked for.
#' @param seed Random numbers. `FALSE`: none are to be drawn, a warning of class `RngFutureWarning` tells when
#'   some were. `TRUE`: a stream that follows from the session's generator. A number, or an L'Ecuyer-CMRG
#'   state of seven integers: that stream. `NULL`: no stream and no warning.
#' @param globals Global variables: `TRUE` finds them, `FALSE` takes none, names take these, a named list
#'   gives them. Attributes `add` and `ignore` of `TRUE` correct what is found.
#' @param packages Names of packages to attach, in addition to those found.
#' @param stdout Output: `TRUE` catches it for `value()`, `FALSE` discards it, `NA` leaves it alone.
#' @param conditions Classes of conditions to catch for `value()`; attribute `exclude` names classes to drop.
#'   Those not caught are muffled. `NULL` leaves conditions alone.
#' @param label A name for messages.
#' @param ... For `future()`, further fields of the future; otherwise passed on.
#' @param retries How often the expression is evaluated again when the worker that was evaluating it is lost: one whole
#'   number from 0. Errors of the expression are not retried.
#' @param timeout For `future()`, the seconds that the evaluation may take, `Inf` for no limit. Then it is interrupted;
#'   a worker that does not react to that is ended. (This session itself, under `sequential`, is not: compiled code that
#'   does not look for interrupts comes to its end, and its value is kept.) For `resolved()`, the longest to wait, in
#'   seconds.
#' @return `future()` a future; `value()` the value, for a list or environment the same shape with the values
#'   in place of the futures; `resolved()` `TRUE` when the value can be had without waiting, one for each
#'   element; `resolve()` its argument, when all futures in it are resolved.
#' @section Errors:
#' Besides the expression's own: `FutureError` for what goes wrong with the future itself
#' (`FutureInterruptError` when it was interrupted, cancelled or its worker died, the last also of class
#' `WorkerLostError`; `FutureTimeoutError` when it took longer than `timeout`; `FutureLaunchError` when it could not be
#' started); `avenir_invalid_argument` for arguments that make no sense.
#'
#' A value that is itself an external pointer, a weak reference or a connection means nothing outside the process that
#' evaluated the future. It comes with a warning of class `avenir_reference_warning`, or as option
#' `avenir.results.onReference` says with an error of class `avenir_reference_error` (`"error"`) or with neither
#' (`"ignore"`).
#' @seealso [reset()] to start a failed future again, [replay()], [plan()], [future_lapply()]
#' @examples
#' a <- 3
#' f <- future({
#'   message("computing")
#'   a^2
#' })
#' a <- 0
#' resolved(f)
#' value(f)
#'
#' # several at once; the first error cancels the others
#' value(list(x = future(1), y = future(2), z = 3))
#' value(list(future(1), future(2)), reduce = "+")
#'
#' # random numbers
#' set.seed(1)
#' value(future(rnorm(2), seed = TRUE))
#' @export
future <- function(expr, envir = parent.frame(), substitute = TRUE, lazy = FALSE, seed = FALSE,
                   globals = TRUE, packages = NULL, stdout = TRUE, conditions = "condition", label = NULL,
                   ..., retries = 0, timeout = Inf) {
  if (substitute) expr <- substitute(expr)
  retries <- if (missing(retries)) 0L else check_retries(retries, "retries")
  timeout <- if (missing(timeout)) Inf else check_timeout(timeout, "timeout")
  seed <- checked_seed(seed)
  check_flag(lazy, "lazy")
  found <- find_globals(expr, envir, globals, packages)
  check_exportable(found$globals)
  future <- new_future(found, seed, check_stdout(stdout), check_conditions(conditions), check_label(label),
                       lazy, list(retries = retries, timeout = timeout, ...))
  if (!lazy) run(future)
  future
}

# FALSE and NULL stay: they differ in whether drawing random numbers is reported.
checked_seed <- function(seed) if (is.null(seed) || isFALSE(seed)) seed else future_seed(seed)

new_future <- function(found, seed, stdout, conditions, label, lazy, more) {
  warn_deprecated(names(more))
  owner <- session_uuid()
  fields <- list(expr = found$expr, globals = found$globals, packages = found$packages, seed = seed,
                 stdout = stdout, conditions = conditions, label = label, lazy = lazy, state = "created",
                 owner = owner, uuid = new_future_uuid(owner), result = NULL)
  future <- list2env(c(fields, more), parent = emptyenv())
  class(future) <- future_class()
  future
}

# The original's classes in its order, and ours: `kinds` are those of the plan that evaluates the future. Ours stands
# right before the last, so that methods of base R's generics for "Future" in the package future are not taken for ours.
future_class <- function(kinds = character()) c(kinds, "AvenirFuture", "Future")

warn_deprecated <- function(names) {
  for (name in names[names %in% c("earlySignal", "gc", "local")]) {
    warn_avenir(sprintf("Argument `%s` of future() is deprecated and has no effect.", name),
                "deprecatedWarning")
  }
}

# ---- Identity ----

this_host <- function() Sys.info()[["nodename"]]

# A string that no other R process has. The session's generator is not touched: tempfile() has its own.
session_uuid <- function() {
  pid <- Sys.getpid()
  if (!identical(session_state$pid, pid)) {
    random <- sub(".*/", "", tempfile(""))
    session_state$uuid <- structure(sprintf("%08x%s%08x", pid, random, as.integer(Sys.time())),
                                    source = list(host = this_host(), pid = pid))
    session_state$pid <- pid
  }
  session_state$uuid
}

new_future_uuid <- function(owner = session_uuid()) {
  number <- (session_state$futures %||% 0L) + 1L
  session_state$futures <- number
  c(owner, as.character(number))
}

# A future's field. `$` would look for methods of each of its classes first.
field <- function(future, name) .subset2(future, name)

# A future that is not collected lives with the process that started it.
assert_owner <- function(future) {
  if (identical(field(future, "owner"), session_uuid())) return(invisible())
  text <- paste("Invalid usage of futures: future (%s) was made by process %d and its value is not",
                "collected; only that process can be asked about it, not this one (%d)")
  maker <- attr(future$owner, "source")$pid
  stop(future_error(sprintf(text, label_of(future), maker, Sys.getpid()), future = future))
}

is_future <- function(x) inherits(x, "AvenirFuture")

# "MultisessionFuture", or "Future" before it runs.
kind_of <- function(future) setdiff(class(future), "AvenirFuture")[1L]

# ---- Running ----

#' Start a future, ask for its full result
#'
#' For packages and tests: `run()` starts a lazy future; `result()` waits for a future and returns what came
#' of it, without showing output or signaling conditions again.
#'
#' @param future A future.
#' @param ... Not used.
#' @return `run()` the future; `result()` an object of class `FutureResult` with the elements `value`,
#'   `visible`, `stdout`, `conditions` (a list of `list(condition, signaled)`, an error last) and `rng`.
#' @examples
#' f <- future({
#'   cat("hello\n")
#'   42
#' }, lazy = TRUE)
#' run(f)
#' result(f)$stdout
#' @export
run <- function(future, ...) UseMethod("run")

#' @export
run.AvenirFuture <- function(future, ...) {
  if (field(future, "state") != "created") {
    stop(future_error(sprintf("A future (%s) can only be launched once", label_of(future)), future = future))
  }
  backend <- current_backend()
  check_travel_size(field(future, "globals"), backend)
  classes <- backend$future_classes
  class(future) <- future_class(classes)
  set_fields(future, state = "failed") # unless the next line returns
  # Without the generic function's place on the stack: see there.
  submit <- if (inherits(backend, "sequential_backend")) backend_submit.sequential_backend else backend_submit
  handle <- submit(backend, future_task(future, backend))
  set_fields(future, handle = handle, state = "running", backend = backend)
  if ("UniprocessFuture" %in% classes) {
    collect_future(future)
    signal_early(future)
  }
  invisible(future)
}

set_fields <- function(future, ...) list2env(list(...), future)

future_task <- function(future, backend) {
  seed <- field(future, "seed")
  list(expr = field(future, "expr"), globals = field(future, "globals"), packages = field(future, "packages"),
       seed = if (is.integer(seed)) seed, check_rng = isFALSE(seed), stdout = field(future, "stdout"),
       conditions = field(future, "conditions"), label = field(future, "label"), split = isTRUE(field(future, "split")),
       retries = field(future, "retries"), timeout = field(future, "timeout"), options = task_options(backend))
}

# What a worker is told besides the task; sequential evaluation has it all.
task_options <- function(backend) {
  if (inherits(backend, "sequential_backend")) return(list())
  c(forwarded_options(), nested_plan_options(backend))
}

# Globals that travel may have a size limit: the plan's `maxSizeOfObjects` or option "future.globals.maxSize".
# `pieces`: so many tasks share the globals' size, as future.apply counts it.
check_travel_size <- function(globals, backend, pieces = 1) {
  if (!length(globals)) return(invisible())
  limit <- backend$max_size %||% getOption("future.globals.maxSize", Inf)
  if (is.infinite(limit) || inherits(backend, "sequential_backend")) return(invisible())
  total <- sum(globals_size(globals))
  if (total > limit * pieces) stop(future_error(size_message(globals, total, limit * pieces)))
}

# ---- Collecting ----

# Waits for the record and keeps it as the future's result.
collect_future <- function(future) {
  if (!is.null(result <- field(future, "result"))) return(result)
  if (field(future, "state") == "created") run.AvenirFuture(future)
  if (!is.null(result <- field(future, "result"))) return(result)
  assert_owner(future)
  if (is.null(handle <- field(future, "handle"))) {
    stop(future_error(sprintf("Future (%s) could not be started and has no value", label_of(future)),
                      future = future))
  }
  record <- backend_collect(field(future, "backend"), handle)
  set_fields(future, handle = NULL)
  if (isTRUE(record$reference)) record <- report_reference(record, future)
  error <- about_future(record$error, future)
  result <- new_future_result(record, error, future)
  set_fields(future, state = state_after(error), result = result)
  result
}

# A value that is a reference comes with a warning or an error, as the user wants, if it was made in another process.
report_reference <- function(record, future) {
  misuse <- reference_misuse(sprintf("future (%s)", label_of(future)), record$value, future)
  if (inherits(misuse, "error")) return(new_record(NULL, TRUE, record$stdout, record$conditions, misuse, record$rng))
  if (!is.null(misuse)) record$conditions <- c(record$conditions, list(list(condition = misuse, signaled = 0L)))
  record
}

# Errors of the backend become errors about this future; an interrupt becomes one. A future that was interrupted when it
# was cancelled has no value, even when it had come to its end meanwhile; one that was left to run has.
about_future <- function(error, future) {
  canceled <- field(future, "state") == "canceled" &&
    (isTRUE(field(future, "interrupted")) || inherits(error, "FutureCanceledError"))
  if (canceled) return(canceled_error(future, identical(error$cause, "interrupt")))
  if (is.null(error)) return(NULL)
  if (inherits(error, "interrupt")) {
    return(interrupted_error(sprintf("Future (%s) was", label_of(future)), future))
  }
  if (inherits(error, "FutureError") && is.null(attr(error, "uuid"))) {
    attributes(error) <- c(attributes(error),
                           list(uuid = future$uuid, label = future$label, by = session_uuid()))
    if (inherits(error, "WorkerLostError")) error["label"] <- list(future$label)
  }
  error
}

# `killed`: its worker did not heed the interrupt.
canceled_error <- function(future, killed) {
  text <- sprintf("Future (%s) of class %s was canceled", label_of(future), kind_of(future))
  if (killed) text <- paste0(text, "; it did not react to the interrupt, and its worker was killed")
  future_interrupt_error(text, "FutureCanceledError", future)
}

state_after <- function(error) {
  if (is.null(error)) return("finished")
  if (inherits(error, "FutureCanceledError")) return("canceled")
  if (inherits(error, "FutureInterruptError")) return("interrupted")
  if (inherits(error, "FutureLaunchError")) "failed" else "finished"
}

new_future_result <- function(record, error, future) {
  conditions <- record$conditions
  if (!is.null(error)) {
    conditions <- c(conditions, list(list(condition = error, signaled = 0L, calls = record$calls)))
  }
  result <- list(value = record$value, visible = record$visible, stdout = record$stdout,
                 conditions = conditions, rng = record$rng, uuid = field(future, "uuid"),
                 misuse = record$misuse)
  class(result) <- "FutureResult"
  result
}

#' @rdname run
#' @export
result <- function(future, ...) UseMethod("result")

#' @export
result.AvenirFuture <- function(future, ...) {
  result <- collect_future(future)
  error <- result_error(result)
  if (inherits(error, "FutureError")) stop(error)
  result
}

# The error that ended the evaluation, or NULL.
result_error <- function(result) {
  last <- length(result$conditions)
  if (last == 0L) return(NULL)
  condition <- result$conditions[[last]]$condition
  if (inherits(condition, "error")) condition
}

# ---- value() of one future ----

#' @rdname future
#' @export
value <- function(...) UseMethod("value")

#' @rdname future
#' @param future,x A future, or a list or environment of futures and other things.
#' @param signal `FALSE`: conditions are not signaled, and an error is returned as the value.
#' @param drop `TRUE`: the future lets go of all it holds, and has no value from then on.
#' @export
value.AvenirFuture <- function(future, stdout = TRUE, signal = TRUE, drop = FALSE, ...) {
  result <- collect_future(future)
  value <- result$value
  if (length(result$conditions) || isTRUE(result$rng) || !is.null(result$misuse) || any(nzchar(result$stdout))) {
    relay_future(future, stdout, signal, errors = signal, drop = drop)
    if (!signal) value <- result_error(future$result) %||% value
  }
  if (drop) drop_future(future)
  if (isTRUE(result$visible)) value else invisible(value)
}

# Output, then conditions; the error only when `errors`. What is to be dropped once relayed is.
relay_future <- function(future, stdout, signal, errors, drop = FALSE) {
  note_misuse(future)
  if (stdout) {
    relay_stdout(future$result$stdout)
    if (isTRUE(attr(future$stdout, "drop"))) future$result["stdout"] <- list(NULL)
  }
  if (!signal) return(invisible())
  conditions <- future$result$conditions
  if (isTRUE(attr(future$conditions, "drop"))) future$result$conditions <- errors_of(conditions)
  if (drop && errors && !is.null(result_error(future$result))) drop_future(future)
  relay_conditions(conditions, errors)
}

errors_of <- function(conditions) {
  Filter(function(recorded) inherits(recorded$condition, "error"), conditions)
}

# The first look at a result adds the reports of what it must not have done, before an error.
note_misuse <- function(future) {
  result <- field(future, "result")
  if (!isTRUE(result$rng) && is.null(result$misuse) || isTRUE(field(future, "misuse_noted"))) return(invisible())
  set_fields(future, misuse_noted = TRUE)
  reports <- c(left_behind_reports(result$misuse, future),
               if (isTRUE(result$rng)) list(rng_misuse(sprintf("Future (%s)", label_of(future)), "seed", future)))
  recorded <- lapply(Filter(Negate(is.null), reports), function(cond) list(condition = cond, signaled = 0L))
  before_error <- length(result$conditions) - !is.null(result_error(result))
  future$result$conditions <- append(result$conditions, recorded, before_error)
}

drop_future <- function(future) {
  text <- "Future (%s) is no longer valid, because its content was dropped by value(..., drop = TRUE)"
  error <- future_error(sprintf(text, label_of(future)), "FutureDroppedError", future)
  future$result <- new_future_result(new_record(), error, future)
  future$expr <- future$globals <- future$packages <- NULL
}

# ---- value() of several ----

#' @rdname future
#' @param idxs Which elements: numbers or names; `NULL` for all.
#' @param recursive How deep to look into elements that are lists.
#' @param reduce A function of two values, or the name of a primitive function such as `"+"`, by which the
#'   values are combined from the left; attribute `init` is the value to start with.
#' @param cancel,interrupt When one future fails: are the others cancelled, and those that run interrupted?
#' @param inorder `TRUE`: output and conditions appear in the order of the futures; `FALSE`: as they finish.
#' @param force,sleep For compatibility; `sleep` is how long to wait for one future before looking at the
#'   others.
#' @export
value.list <- function(x, idxs = NULL, recursive = 0, reduce = NULL, stdout = TRUE, signal = TRUE,
                       cancel = TRUE, interrupt = cancel, inorder = TRUE, drop = FALSE, force = TRUE,
                       sleep = getOption("future.wait.interval", 0.01), ...) {
  check_value_flags(stdout, signal, cancel, interrupt)
  reduce <- check_reduce(reduce)
  if (!is.null(idxs)) x <- x[check_idxs(x, idxs)]
  x <- as_plain_list(x)
  futures <- which(vapply(x, is_future, NA, USE.NAMES = FALSE))
  resolve(x[-futures], recursive = as.numeric(recursive) - 1, stdout = stdout, signal = signal)
  collection <- new_collection(x[futures], stdout, signal, cancel, interrupt, inorder, drop, sleep)
  x[futures] <- collect_all(collection)
  if (is.null(reduce)) x else reduce_values(x, reduce)
}

#' @rdname future
#' @export
value.environment <- function(x, ...) value.list(future_elements(x), ...)

#' @export
value.Future <- function(future, ...) stop_not_ours("value", future)

stop_not_ours <- function(name, future) {
  invalid_argument(sprintf("%s() must be given a future of avenir", name), future,
                   sprintf("Use future::%s() for futures of that package.", name))
}

check_value_flags <- function(stdout, signal, cancel, interrupt) {
  check_flag(stdout, "stdout")
  check_flag(signal, "signal")
  check_flag(cancel, "cancel")
  check_flag(interrupt, "interrupt")
  if (interrupt && !cancel) invalid_argument("`interrupt` must be FALSE when `cancel` is", interrupt)
}

# Values of the same shape: names, dim and dimnames, but not the class.
as_plain_list <- function(x) {
  kept <- attributes(x)[c("names", "dim", "dimnames")]
  x <- unclass(x)
  attributes(x) <- kept[!vapply(kept, is.null, NA)]
  x
}

# names() of an environment shows the hidden variables of future assignments, too.
check_idxs <- function(x, idxs) {
  if (is.character(idxs)) idxs <- idxs[idxs %in% names(x) | !startsWith(idxs, hidden_name(""))]
  known <- if (is.character(idxs)) idxs %in% names(x) else idxs >= 1 & idxs <= length(x)
  if (!all(known)) invalid_argument(sprintf("`idxs` must be among the %d elements", length(x)), idxs[!known])
  unique(idxs)
}

# The function and the value to start with. A primitive function with an attribute is given by its name.
check_reduce <- function(reduce) {
  if (is.null(reduce)) return(NULL)
  fun <- if (is.character(reduce)) get0(reduce, baseenv(), mode = "function") else reduce
  if (is.primitive(reduce) && !is.null(attr(reduce, "init", exact = TRUE))) {
    invalid_argument("`reduce` with attribute `init` must not be a primitive function itself", reduce,
                     "Give its name, such as structure(\"+\", init = 0).")
  }
  if (is.character(reduce) && !is.primitive(fun)) {
    invalid_argument("`reduce` as a string must name a primitive function of base R", as.vector(reduce))
  }
  if (!is.function(fun)) invalid_argument("`reduce` must be a function of two values", fun)
  if (!is.primitive(fun) && !length(formals(fun))) {
    invalid_argument("`reduce` must take at least one argument", fun)
  }
  list(fun = fun, init = attr(reduce, "init", exact = TRUE), has_init = "init" %in% names(attributes(reduce)))
}

reduce_values <- function(x, reduce) {
  attributes(x) <- NULL
  if (reduce$has_init) return(Reduce(reduce$fun, x, reduce$init))
  if (length(x)) Reduce(reduce$fun, x) else NULL
}

# Futures being collected: a reference object. `turn`: those before it are relayed. `relayed`: those that were
# relayed before their turn, as happens when the order does not matter.
new_collection <- function(futures, stdout, signal, cancel, interrupt, inorder, drop, sleep) {
  for (future in futures) if (future$state == "created") run(future)
  list2env(list(
    futures = futures, turn = 1L, relayed = integer(), stdout = stdout, signal = signal, cancel = cancel,
    interrupt = interrupt, inorder = inorder, drop = drop, sleep = sleep
  ), parent = emptyenv())
}

# The values. Waits for one future after the other; when that takes long looks whether a later one has failed.
collect_all <- function(collection) {
  for (i in seq_along(collection$futures)) {
    collection$turn <- i
    while (!is_resolved(collection$futures[[i]], collection$sleep)) collect_later(collection)
    collect_one(collection, i)
    relay_once(collection, i)
  }
  values <- lapply(collection$futures, value_or_error)
  if (collection$drop) lapply(collection$futures, drop_future)
  values
}

collect_later <- function(collection) {
  for (i in seq_along(collection$futures)[-seq_len(collection$turn)]) {
    if (!is_resolved(collection$futures[[i]], 0)) next
    collect_one(collection, i)
    if (!collection$inorder) relay_once(collection, i)
  }
}

collect_one <- function(collection, i) {
  future <- collection$futures[[i]]
  collect_future(future)
  note_misuse(future)
  error <- result_error(future$result)
  if (!is.null(error) && collection$signal) fail_collection(collection, error)
}

relay_once <- function(collection, i) {
  if (i %in% collection$relayed) return()
  relay_future(collection$futures[[i]], collection$stdout, collection$signal, errors = FALSE)
  if (!collection$inorder) collection$relayed <- c(collection$relayed, i)
}

# One future failed: the others are cancelled and waited for, what all of them printed and signaled is
# relayed, then the error is raised.
fail_collection <- function(collection, error) {
  left <- seq(collection$turn, length(collection$futures))
  if (collection$cancel) for (i in left) cancel_future(collection$futures[[i]], collection$interrupt)
  for (i in left) {
    collect_future(collection$futures[[i]])
    relay_once(collection, i)
  }
  stop(error)
}

value_or_error <- function(future) result_error(future$result) %||% future$result$value

# ---- Cancelling ----

#' Cancel futures
#'
#' Futures that run are given up; asking for their value then is an error of class `FutureCanceledError`.
#' Futures that are lazy or finished are left as they are.
#'
#' Where the evaluation is not interrupted, it goes on, and the value can still be had when it is over. A future that no
#' worker has begun has none.
#'
#' @param x A future, or a list or environment of futures.
#' @param interrupt `TRUE`: the evaluation is interrupted where the plan can do that: `multisession`, `multicore`, and
#'   `cluster` with its argument `interrupts = TRUE`.
#' @param ... Not used.
#' @return `x`, invisibly.
#' @examples
#' f <- future(1 + 1)
#' cancel(f) # finished already: nothing happens
#' value(f)
#' @export
cancel <- function(x, interrupt = TRUE, ...) {
  check_flag(interrupt, "interrupt")
  if (is_future(x)) cancel_future(x, interrupt)
  else if (is.list(x) || is.environment(x)) {
    for (element in future_elements(x)) if (is_future(element)) cancel_future(element, interrupt)
  }
  invisible(x)
}

cancel_future <- function(future, interrupt) {
  if (future$state != "running") return(invisible(future))
  assert_owner(future)
  interrupt <- interrupt && isTRUE(future$backend$interrupts)
  backend_cancel(future$backend, future$handle, interrupt)
  set_fields(future, state = "canceled", interrupted = interrupt)
  invisible(future)
}

# ---- resolved(), resolve() ----

#' @rdname future
#' @export
resolved <- function(x, ...) UseMethod("resolved")

#' @export
resolved.default <- function(x, ...) TRUE

#' @rdname future
#' @export
resolved.AvenirFuture <- function(x, timeout = 0, ...) {
  if (x$state == "created") run(x)
  is_there <- is_resolved(x, timeout)
  if (is_there) signal_early(x)
  is_there
}

# Under plan(..., earlySignal = TRUE) conditions do not wait for value().
signal_early <- function(future) {
  if (!isTRUE(field(future, "backend")$early_signal)) return(invisible())
  collect_future(future)
  relay_future(future, stdout = FALSE, signal = TRUE, errors = TRUE)
}

#' @export
resolved.Future <- function(x, ...) stop_not_ours("resolved", x)

#' @export
resolved.list <- function(x, ...) {
  done <- vapply(x, function(element) !is_future(element) || resolved(element, ...), NA)
  dim(done) <- dim(x)
  dimnames(done) <- dimnames(x)
  names(done) <- names(x)
  done
}

#' @export
resolved.environment <- function(x, ...) resolved(future_elements(x), ...)

is_resolved <- function(future, timeout) {
  if (!is.null(future$result) || is.null(future$handle)) return(TRUE)
  assert_owner(future)
  backend_resolved(future$backend, future$handle, timeout)
}

#' @rdname future
#' @param result `TRUE`: the results are fetched too.
#' @export
resolve <- function(x, idxs = NULL, recursive = 0, result = FALSE, stdout = FALSE, signal = FALSE,
                    force = FALSE, sleep = getOption("future.wait.interval", 0.01), ...) {
  if (isTRUE(recursive)) recursive <- getOption("future.resolve.recursive", 99)
  if (recursive < 0 || !(is.list(x) || is.environment(x))) return(x)
  if (is_future(x)) {
    resolve_future(x, recursive, result, stdout, signal, sleep)
  } else {
    elements <- future_elements(x)
    if (!is.null(idxs)) elements <- elements[check_idxs(elements, idxs)]
    for (element in elements) {
      resolve(element, recursive = recursive - !is_future(element), result = result, stdout = stdout,
              signal = signal, sleep = sleep)
    }
    if (inherits(x, "FutureGlobals")) attr(x, "resolved") <- TRUE
  }
  x
}

resolve_future <- function(future, recursive, result, stdout, signal, sleep) {
  while (!resolved(future, timeout = max(sleep, 0.01))) NULL
  if (!result && !stdout && !signal) return(invisible())
  collected <- collect_future(future)
  if (stdout || signal) value(future, stdout = stdout, signal = signal)
  if (recursive <= 0) return(invisible())
  resolve(collected$value, recursive = recursive - 1, result = TRUE, stdout = stdout, signal = signal)
}

# ---- Looking at futures ----

#' @export
print.AvenirFuture <- function(x, ...) {
  cat(sprintf("%s:\n", kind_of(x)))
  cat("Label: ", label_of(x), "\nExpression:\n", sep = "")
  print(x$expr)
  facts <- c(Globals = globals_in_words(x$globals), Packages = or_none(sQuote(x$packages)), seed_in_words(x$seed),
             capture_in_words(x), "Lazy evaluation" = x$lazy, State = sQuote(x$state),
             Resolved = is_resolved(x, 0), "Unique identifier" = paste(x$uuid, collapse = "-"),
             "Owner process" = as.vector(x$owner), Class = paste(sQuote(class(x)), collapse = ", "),
             if (!is.null(x$result)) c(Value = value_in_words(x$result)))
  cat(sprintf("%s: %s\n", names(facts), facts), sep = "")
  invisible(x)
}

or_none <- function(words) if (length(words)) paste(words, collapse = ", ") else "<none>"

globals_in_words <- function(globals) {
  if (!length(globals)) return("<none>")
  sizes <- globals_size(globals)
  largest <- utils::head(order(sizes, decreasing = TRUE), 5L)
  listed <- sprintf("%s %s of %s", vapply(globals[largest], function(x) class(x)[1L], ""),
                    sQuote(names(globals)[largest]), show_bytes(sizes[largest]))
  sprintf("%d objects totaling %s (%s)", length(globals), show_bytes(sum(sizes)), paste(listed, collapse = ", "))
}

seed_in_words <- function(seed) {
  text <- if (is.integer(seed)) sprintf("c(%s)", paste(seed, collapse = ", "))
          else sprintf("<none> (seed = %s)", deparse1(seed))
  c("L'Ecuyer-CMRG RNG seed" = text)
}

capture_in_words <- function(future) {
  excluded <- attr(future$conditions, "exclude", exact = TRUE) %||% "<none>"
  caught <- if (is.null(future$conditions)) "<none>"
            else sprintf("%s (excluding %s)", or_none(sQuote(c(future$conditions))), or_none(sQuote(excluded)))
  immediate <- attr(future$conditions, "immediateConditionClasses", exact = TRUE) %||% "immediateCondition"
  c("Capture standard output" = c(future$stdout), "Capture condition classes" = caught,
    "Immediate condition classes" = or_none(sQuote(immediate)))
}

value_in_words <- function(result) {
  error <- result_error(result)
  if (!is.null(error)) return(sprintf("none, but an error of class %s", sQuote(class(error)[1L])))
  sprintf("%s of class %s", show_bytes(globals_size(list(result$value))), sQuote(class(result$value)[1L]))
}
