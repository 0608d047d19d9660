# The conditions about futures as objects that other code makes and inherits() from: future's names, arguments and
# classes. What avenir itself raises is made by R/conditions.R with the same classes.

#' Conditions about futures
#'
#' For packages that make futures or maps of their own: makes the conditions that [value()] and its relatives raise.
#' Handlers name their classes: `tryCatch(value(f), FutureInterruptError = function(e) ...)`.
#'
#' @param message The message, or a condition whose message and classes are taken over. Conditions about misuse have
#'   one of their own.
#' @param call The call that it is about, or NULL.
#' @param by,when The session that raised it, and when it did.
#' @param uuid,label,future Which future it is about.
#' @param drop `TRUE`: the future is left out of the condition if option `future.onFutureCondition.keepFuture` is
#'   `FALSE`.
#' @param differences,incidents What the future left behind, as a named list of what was `added`; the calls that opened
#'   the default graphics device.
#' @param hint What is wrong with the result.
#' @param ... Arguments of `FutureCondition()`, by name.
#' @return A condition of the class that the function is named for, of those that it is a kind of, and of
#'   `FutureCondition`, with the arguments as attributes.
#' @seealso [future()] for when they are raised
#' @examples
#' f <- future(stop("no"))
#' e <- FutureError("the value is of no use", future = f)
#' class(e)
#' tryCatch(stop(e), FutureError = function(e) attr(e, "uuid"))
#' @export
FutureCondition <- function(message, call = NULL, by = session_uuid(), when = NULL, uuid = future[["uuid"]],
                            label = future[["label"]], future = NULL, drop = FALSE) {
  class <- "condition"
  if (inherits(message, "condition")) {
    class <- class(message)
    message <- conditionMessage(message)
  }
  if (!is.character(message) || length(message) != 1L) invalid_argument("`message` must be one string", message)
  if (!is.null(future) && !inherits(future, "Future")) invalid_argument("`future` must be a future", future)
  force(uuid)
  force(label)
  if (drop && !isTRUE(getOption("future.onFutureCondition.keepFuture", TRUE))) future <- NULL
  structure(list(message = message, call = call), class = unique(c("FutureCondition", class), fromLast = TRUE),
            by = by, when = when, label = label, uuid = uuid, future = future)
}

# The condition as one of these classes, too, which come first.
with_classes <- function(condition, ...) {
  class(condition) <- unique(c(..., class(condition)), fromLast = TRUE)
  condition
}

#' @rdname FutureCondition
#' @export
FutureMessage <- function(message, call = NULL, ..., uuid = future[["uuid"]], future = NULL) {
  with_classes(FutureCondition(message, call, ..., uuid = uuid, future = future), "FutureMessage", "message")
}

#' @rdname FutureCondition
#' @export
FutureWarning <- function(message, call = NULL, ..., uuid = future[["uuid"]], future = NULL) {
  with_classes(FutureCondition(message, call, ..., uuid = uuid, future = future), "FutureWarning", "warning")
}

#' @rdname FutureCondition
#' @export
FutureError <- function(message, call = NULL, ..., uuid = future[["uuid"]], future = NULL) {
  with_classes(FutureCondition(message, call, ..., uuid = uuid, future = future), "FutureError", "error")
}

#' @rdname FutureCondition
#' @export
FutureLaunchError <- function(..., future = NULL) with_classes(FutureError(..., future = future), "FutureLaunchError")

#' @rdname FutureCondition
#' @export
FutureInterruptError <- function(message = "A future was interrupted", when = Sys.time(), future = NULL) {
  with_classes(FutureError(message, when = when, future = future), "FutureInterruptError")
}

#' @rdname FutureCondition
#' @export
FutureCanceledError <- function(..., future = NULL) {
  with_classes(FutureInterruptError(..., future = future), "FutureCanceledError")
}

#' @rdname FutureCondition
#' @export
FutureDroppedError <- function(..., future = NULL) with_classes(FutureError(..., future = future), "FutureDroppedError")

#' @rdname FutureCondition
#' @export
UnexpectedFutureResultError <- function(future, hint = NULL) {
  text <- "Unexpected result (of class %s, not %s) of future (%s) of class %s"
  result <- class(future[["result"]])[1L]
  text <- sprintf(text, sQuote(result), sQuote("FutureResult"), label_of(future), kind_of(future))
  with_classes(FutureError(paste(c(text, hint), collapse = ": "), future = future), "UnexpectedFutureResultError")
}

# ---- Misuse ----

#' @rdname FutureCondition
#' @export
RngFutureCondition <- function(message = NULL, call = NULL, ..., uuid = future[["uuid"]], future = NULL) {
  if (is.null(message)) message <- rng_misuse_message(sprintf("Future (%s)", label_of(future)), "seed")
  with_classes(FutureCondition(message, call, ..., uuid = uuid, future = future), "RngFutureCondition")
}

#' @rdname FutureCondition
#' @export
RngFutureWarning <- function(...) {
  with_classes(RngFutureCondition(...), "RngFutureWarning", "FutureWarning", "warning")
}

#' @rdname FutureCondition
#' @export
RngFutureError <- function(...) with_classes(RngFutureCondition(...), "RngFutureError", "FutureError", "error")

#' @rdname FutureCondition
#' @export
GlobalEnvMisuseFutureCondition <- function(message = NULL, call = NULL, ..., differences = NULL,
                                           uuid = future[["uuid"]], future = NULL) {
  misuse_condition("GlobalEnvMisuse", message, call, differences, ..., uuid = uuid, future = future)
}

#' @rdname FutureCondition
#' @export
GlobalEnvMisuseFutureWarning <- function(...) misuse_warning(GlobalEnvMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
GlobalEnvMisuseFutureError <- function(...) misuse_error(GlobalEnvMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
ConnectionMisuseFutureCondition <- function(message = NULL, call = NULL, ..., differences = NULL,
                                            uuid = future[["uuid"]], future = NULL) {
  misuse_condition("ConnectionMisuse", message, call, differences, ..., uuid = uuid, future = future)
}

#' @rdname FutureCondition
#' @export
ConnectionMisuseFutureWarning <- function(...) misuse_warning(ConnectionMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
ConnectionMisuseFutureError <- function(...) misuse_error(ConnectionMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
DeviceMisuseFutureCondition <- function(message = NULL, call = NULL, ..., differences = NULL, uuid = future[["uuid"]],
                                        future = NULL) {
  misuse_condition("DeviceMisuse", message, call, differences, ..., uuid = uuid, future = future)
}

#' @rdname FutureCondition
#' @export
DeviceMisuseFutureWarning <- function(...) misuse_warning(DeviceMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
DeviceMisuseFutureError <- function(...) misuse_error(DeviceMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
DefaultDeviceMisuseFutureCondition <- function(message = NULL, call = NULL, ..., incidents = NULL,
                                               uuid = future[["uuid"]], future = NULL) {
  misuse_condition("DefaultDeviceMisuse", message, call, incidents, ..., uuid = uuid, future = future)
}

#' @rdname FutureCondition
#' @export
DefaultDeviceMisuseFutureWarning <- function(...) misuse_warning(DefaultDeviceMisuseFutureCondition(...))

#' @rdname FutureCondition
#' @export
DefaultDeviceMisuseFutureError <- function(...) misuse_error(DefaultDeviceMisuseFutureCondition(...))

# What a future did to the process that evaluated it, of which nothing is left: `found` says what.
misuse_condition <- function(kind, message, call, found, ..., future) {
  if (is.null(message)) message <- misuse_message(kind, sprintf("Future (%s)", label_of(future)), found)
  condition <- with_classes(FutureCondition(message, call, ..., future = future),
                            paste0(kind, "FutureCondition"), "MisuseFutureCondition")
  condition$differences <- found
  condition
}

misuse_warning <- function(condition) {
  with_classes(condition, sub("Condition$", "Warning", class(condition)[1L]), "MisuseFutureWarning", "FutureWarning",
               "warning")
}

misuse_error <- function(condition) {
  with_classes(condition, sub("Condition$", "Error", class(condition)[1L]), "MisuseFutureError", "FutureError",
               "error")
}

misuse_message <- function(kind, what, found) {
  deed <- switch(kind,
    GlobalEnvMisuse = paste(
      "added variables to the global environment: nobody else sees what assign() and <<- in a future make.\ni Return",
      "what is needed as the future's value"
    ),
    ConnectionMisuse = paste(
      "added, removed, or modified connections.\ni A future must close any connection that it opens,",
      "and none that it did not open"
    ),
    DeviceMisuse = paste(
      "added, removed, or modified devices.\ni A future must close any graphics device that it opens,",
      "and none that it did not open"
    ),
    DefaultDeviceMisuse = paste(
      "opened the default graphics device, which draws to a file Rplots.pdf where nobody looks for it.\ni Open a",
      "device explicitly, such as png(), and close it by dev.off()"
    )
  )
  option <- switch(kind, GlobalEnvMisuse = "globalenv", ConnectionMisuse = "connections", DeviceMisuse = "devices",
                   DefaultDeviceMisuse = "defaultDevice")
  text <- "%s %s, or set option `future.%s.onMisuse` to \"ignore\".%s"
  sprintf(text, what, deed, option, describe_misuse(found))
}

# " (added: 4 (file, x.txt); removed: 3)"
describe_misuse <- function(found) {
  found <- Filter(length, found)
  if (!length(found)) return("")
  shown <- vapply(found, function(x) paste(utils::head(as.character(x), 5L), collapse = ", "), "")
  if (!is.null(names(found))) shown <- paste(names(found), shown, sep = ": ")
  sprintf(" (%s)", paste(shown, collapse = "; "))
}
