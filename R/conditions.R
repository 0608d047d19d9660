# Conditions that avenir raises. Errors about a call carry class "avenir_error"; conditions about futures
# carry the classes that future uses, so that handlers written for it work here.

# Raises an error of class c(class, "avenir_error", "simpleError", "error", "condition") with fields `...`.
stop_avenir <- function(message, class = character(), call = NULL, ...) {
  stop(structure(class = c(class, "avenir_error", "simpleError", "error", "condition"),
                 list(message = message, call = call, ...)))
}

warn_avenir <- function(message, class = character()) {
  class <- c(class, "avenir_warning", "simpleWarning", "warning", "condition")
  warning(structure(class = class, list(message = message, call = NULL)))
}

# A condition about a future: as in future, attributes say who raised it, when, and about which future.
future_condition <- function(message, class, future = NULL, when = Sys.time()) {
  structure(class = c(class, "FutureCondition", "condition"), list(message = message, call = NULL),
            by = session_uuid(), when = when, label = future$label, uuid = future$uuid, future = future)
}

future_error <- function(message, class = character(), future = NULL) {
  future_condition(message, unique(c(class, "FutureError", "avenir_error", "error")), future)
}

future_launch_error <- function(message, future = NULL) future_error(message, "FutureLaunchError", future)

future_interrupt_error <- function(message, class = character(), future = NULL) {
  future_error(message, c(class, "FutureInterruptError"), future)
}

# "'name'", or the number of a future that has no label.
label_of <- function(future) {
  if (is.null(future$label)) sprintf("<unnamed-%s>", future$uuid[2L]) else sQuote(future$label)
}

# "... at 2026-01-31T12:00:00, while running on 'host' (pid 42)"
when_and_where <- function() {
  when <- format(Sys.time(), format = "%FT%T")
  sprintf("at %s, while running on %s (pid %d)", when, sQuote(this_host()), Sys.getpid())
}

interrupted_error <- function(what, future = NULL) {
  future_interrupt_error(paste(what, "interrupted", when_and_where()), future = future)
}

# `what`, for instance "Future ('a')" or "element 3 of future_lapply()", took longer than `limit` seconds. `killed`: it
# did not even react to the interrupt.
timeout_error <- function(what, limit, killed = FALSE) {
  argument <- if (startsWith(what, "Future")) "timeout" else "future.timeout"
  end <- if (killed) "did not react to the interrupt, and its worker was killed" else "was interrupted"
  text <- sprintf("%s took longer than its time limit of %s and %s\ni Raise `%s` if that is how long it takes.",
                  capitalized(what), show_seconds(limit), end, argument)
  future_interrupt_error(text, c("FutureTimeoutError", if (killed) "WorkerLostError"))
}

show_seconds <- function(seconds) {
  paste(format(seconds, scientific = FALSE), if (seconds == 1) "second" else "seconds")
}

# ---- Values that mean something in one process only ----

# TRUE when the value itself is one. What merely contains one, as data.tables do, is often harmless. The standard
# streams are the same everywhere.
is_reference <- function(x) {
  switch(typeof(x), externalptr = , weakref = TRUE,
         integer = inherits(x, "connection") && !inherits(x, "terminal"), FALSE)
}

# What the option "avenir.results.onReference" asks for when the value of `what` came from another process and
# is_reference(): a warning, an error, or NULL.
reference_misuse <- function(what, value, future = NULL) {
  action <- option_choice("avenir.results.onReference", c("warning", "error", "ignore"))
  if (action == "ignore") return(NULL)
  text <- paste0(
    "The value of %s is %s, which means nothing outside the process that made it.\ni Return what it was made from or ",
    "what can be read from it, such as a file name or a vector. If it is known to be harmless, set ",
    "options(avenir.results.onReference = \"ignore\").")
  class <- switch(action, warning = c("avenir_reference_warning", "FutureWarning", "warning"),
                  error = c("avenir_reference_error", "FutureError", "avenir_error", "error"))
  future_condition(sprintf(text, what, reference_name(value)), class, future)
}

reference_name <- function(x) {
  kind <- switch(typeof(x), externalptr = "an external pointer", weakref = "a weak reference", "a connection")
  if (is.object(x)) sprintf("%s (class %s)", kind, quote_names(class(x)[1L])) else kind
}

# ---- What a future leaves behind ----

# What the options ask for about each kind of thing that left_behind() or the default device's note tells of: a warning,
# an error, or NULL. `what` has left it, if no future.
left_behind_reports <- function(misuse, future, what = sprintf("Future (%s)", label_of(future))) {
  known <- list(globals = list("globalenv", "GlobalEnvMisuse"), connections = list("connections", "ConnectionMisuse"),
                devices = list("devices", "DeviceMisuse"),
                default_device = list("defaultDevice", "DefaultDeviceMisuse"))
  lapply(intersect(names(known), names(misuse)), function(kind) {
    about <- known[[kind]]
    choices <- c("warning", "error", "ignore")
    if (kind == "globals") choices <- rev(choices)
    action <- option_choice(sprintf("future.%s.onMisuse", about[[1L]]), choices)
    if (action == "ignore") return(NULL)
    found <- as.list(misuse[[kind]])
    condition <- misuse_condition(about[[2L]], misuse_message(about[[2L]], what, found), NULL, found, future = future,
                                  uuid = future$uuid)
    if (action == "error") misuse_error(condition) else misuse_warning(condition)
  })
}

# ---- Random numbers ----

# What the option "future.rng.onMisuse" asks for when random numbers were drawn without a seed: a warning, an
# error, or NULL. `what` has drawn them; `argument` would have declared it.
rng_misuse <- function(what, argument, future = NULL) {
  action <- option_choice("future.rng.onMisuse", c("warning", "error", "ignore"))
  if (action == "ignore") return(NULL)
  class <- switch(action, warning = c("RngFutureWarning", "FutureWarning", "warning"),
                  error = c("RngFutureError", "FutureError", "error"))
  future_condition(rng_misuse_message(what, argument), c(class, "RngFutureCondition"), future)
}

rng_misuse_message <- function(what, argument) {
  text <- paste(
    "UNRELIABLE VALUE: %s unexpectedly generated random numbers %s. There is a risk that those random",
    "numbers are not statistically sound and the overall results might be invalid. To fix this, specify",
    "'%s=TRUE'. This ensures that proper, parallel-safe random numbers are produced. To disable this check,",
    "use '%s=NULL', or set option 'future.rng.onMisuse' to \"ignore\".")
  how <- if (argument == "seed") "without specifying argument 'seed'" else "without declaring so"
  sprintf(text, what, how, argument, argument)
}
