# Output and conditions: how they are caught where an expression is evaluated in this session, and how they
# come out again when its value is asked for. Workers catch them in C++ (src/worker) by the same rules.

# ---- Catching ----

# What `conditions` asks for. NULL: conditions are left alone. Otherwise those of `classes` but not of
# `exclude` are recorded, those of `immediate` relayed at once, and all are muffled by restarts that match
# `muffle`.
condition_filter <- function(conditions) {
  if (is.null(conditions)) return(NULL)
  usual <- identical(conditions, "condition") && is.null(getOption("future.relay.immediate"))
  if (usual) return(default_filter)
  list(classes = as.vector(conditions), exclude = attr(conditions, "exclude", exact = TRUE),
       immediate = immediate_classes(conditions), muffle = muffle_pattern(conditions))
}

default_filter <- list(classes = "condition", exclude = NULL, immediate = "immediateCondition",
                       muffle = "^muffle")

immediate_classes <- function(conditions) {
  classes <- attr(conditions, "immediateConditionClasses", exact = TRUE)
  if (is.null(classes)) classes <- getOption("future.relay.immediate")
  if (is.null(classes)) "immediateCondition" else classes
}

muffle_pattern <- function(conditions) {
  pattern <- attr(conditions, "muffleInclude", exact = TRUE)
  if (is.null(pattern)) "^muffle" else pattern
}

# Catches what evaluations in this session print and signal. A reference object: output is caught between
# capture_begin() and capture_end(), conditions by its `handler` (NULL when they are left alone). `once`: what
# is caught is relayed at once, to the same handlers.
new_capture <- function(stdout, conditions, split = FALSE, once = FALSE) {
  capture <- new.env(parent = emptyenv())
  capture$stdout <- c(stdout) # without attributes
  capture$split <- isTRUE(split)
  capture$once <- once
  capture$conditions <- list()
  filter <- condition_filter(conditions)
  if (!is.null(filter)) capture$handler <- condition_recorder(capture, filter)
  capture
}

# A calling handler for all conditions. Errors, and warnings that options(warn = 2) is about to turn into
# errors, are left to the evaluation's tryCatch(). Immediate conditions are not muffled: they go on to the
# handlers of the session as they are.
condition_recorder <- function(capture, filter) {
  function(cond) {
    if (inherits(cond, c("error", "interrupt"))) return(note_calls(capture))
    if (inherits(cond, filter$immediate)) return(record_condition(capture, cond, signaled = 1L))
    if (inherits(cond, "warning") && getOption("warn") >= 2L) return()
    wanted <- inherits(cond, filter$classes) && !inherits(cond, filter$exclude %||% character())
    if (wanted) record_condition(capture, cond, signaled = 0L)
    if (!capture$split) muffle_condition(cond, filter$muffle)
    if (wanted && capture$once) forget_condition(capture)
  }
}

# Those that led to the error; a map has none.
note_calls <- function(capture) if (!capture$once) capture$calls <- calls_inside_future(sys.calls())

record_condition <- function(capture, cond, signaled) {
  capture$conditions[[length(capture$conditions) + 1L]] <- list(condition = cond, signaled = signaled)
}

# A condition that cannot be muffled has gone on to the session's handlers: a map does not signal it again.
forget_condition <- function(capture) capture$conditions[[length(capture$conditions)]] <- NULL

`%||%` <- function(x, y) if (is.null(x)) y else x

# Leaves by the first restart of the condition whose name (its first element) matches the pattern; returns
# when there is none.
muffle_condition <- function(cond, pattern = "^muffle") {
  for (restart in computeRestarts(cond)) {
    if (grepl(pattern, restart[[1L]])) tryInvokeRestart(restart)
  }
}

# Standard output goes to a sink of ours from here on.
capture_begin <- function(capture) {
  if (is.na(capture$stdout)) return(invisible())
  if (is.null(capture$sink)) open_capture(capture)
  capture$depth <- sink.number()
  sink(capture$sink, type = "output", split = capture$split)
}

# `output`: what is printed; NULL when it is not wanted.
open_capture <- function(capture) {
  opened <- if (capture$stdout) cpp_open_output() else list(file(nullfile(), "w"))
  capture$sink <- opened[[1L]]
  capture$output <- if (capture$stdout) opened[[2L]]
}

# Ends our sink, and those that the evaluation opened and left open. It may have closed our connection, as
# closeAllConnections() does.
capture_end <- function(capture) {
  if (is.null(capture$depth)) return(invisible())
  for (i in seq_len(max(0L, sink.number() - capture$depth))) sink()
  capture$depth <- NULL
  if (!still_there(capture$sink)) capture$sink <- NULL
}

# Another connection may have its number meanwhile.
still_there <- function(connection) {
  number <- as.integer(connection)
  any(getAllConnections() == number) &&
    identical(attr(getConnection(number), "conn_id"), attr(connection, "conn_id"))
}

# What was caught: list(stdout, conditions). Only after capture_end(); the capture is empty afterwards.
capture_take <- function(capture) {
  text <- if (!is.null(capture$output)) cpp_take_output(capture$output) else if (isTRUE(capture$stdout)) ""
  caught <- list(stdout = text, conditions = capture$conditions)
  capture$conditions <- list()
  caught
}

capture_close <- function(capture) {
  if (!is.null(capture$sink)) close(capture$sink)
  capture$sink <- capture$output <- NULL
}

# ---- Relaying ----

relay_stdout <- function(text) if (length(text) && any(nzchar(text))) cat(text, sep = "")

# Signals a condition again in this session, as what it is.
signal_again <- function(cond) {
  if (inherits(cond, "error")) stop(cond)
  if (inherits(cond, "warning")) signal_warning(cond)
  else if (inherits(cond, "message")) message(cond)
  else signalCondition(cond)
  invisible()
}

# warning() fails for one whose message is not a string.
signal_warning <- function(cond) {
  message <- conditionMessage(cond)
  if (is.character(message) && length(message) == 1L) return(warning(cond))
  withRestarts({
    signalCondition(cond)
    warning(sprintf("a condition of class %s that has no message", sQuote(class(cond)[1L])), call. = FALSE)
  }, muffleWarning = function() NULL)
}

# For conditions that are not to wait until the value is asked for, and for why there are fewer workers than wanted.
relay_immediate <- function(cond) if (is.character(cond)) warn_shortage(cond) else signal_again(cond)

warn_shortage <- function(reason) {
  warn_avenir(paste0("there are fewer workers than the plan asks for; those that there are do the work: ", reason),
              "avenir_shortage_warning")
}

# Signals the recorded conditions that were not signaled at once, in their order, errors only if `errors`.
relay_conditions <- function(conditions, errors = TRUE) {
  for (recorded in conditions) {
    if (recorded$signaled > 0L) next
    if (errors || !inherits(recorded$condition, "error")) signal_again(recorded$condition)
  }
}
