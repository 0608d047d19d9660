# Functions of future's that packages and tests use: a future that is not started yet, what came of one, and the calls
# that led to its error.

#' Futures and results as objects
#'
#' For packages: `Future()` makes a future and does not start it ([run()] does); `FutureResult()` makes what [result()]
#' returns; `backtrace()` gives the calls that led to a future's error.
#'
#' @param expr,envir,substitute,stdout,conditions,globals,packages,seed,lazy,label See [future()].
#' @param ... For `Future()`, further fields of the future; for `FutureResult()`, further elements of the result.
#' @param value,visible,rng The value, whether it is to be printed, and whether random numbers were drawn though the
#'   future has no seed.
#' @param uuid,started,finished,version Whose result it is, and of when.
#' @param future A future, or a variable that [`%<-%`][futureAssign] has made.
#' @return `Future()` a future; `FutureResult()` a list of class `FutureResult`; `backtrace()` a list of calls, the
#'   outermost first.
#' @section Errors:
#' `avenir_invalid_argument` when the future is not resolved or has no error.
#' @seealso [future()], [result()]
#' @examples
#' f <- Future(1 + 1)
#' f$state
#' value(run(f))
#'
#' half <- function(x) stop("no half of ", x)
#' f <- future(half("a word"))
#' try(value(f))
#' backtrace(f)
#' @rdname FutureResult
#' @export
Future <- function(expr = NULL, envir = parent.frame(), substitute = TRUE, stdout = TRUE, conditions = "condition",
                   globals = TRUE, packages = NULL, seed = FALSE, lazy = FALSE, label = NULL, ...) {
  if (substitute) expr <- substitute(expr)
  future <- future(expr, envir, FALSE, TRUE, seed, globals, packages, stdout, conditions, label, ...)
  set_fields(future, lazy = lazy)
  future
}

#' @rdname FutureResult
#' @export
FutureResult <- function(value = NULL, visible = TRUE, stdout = NULL, conditions = NULL, rng = FALSE, ..., uuid = NULL,
                         started = .POSIXct(NA_real_), finished = Sys.time(), version = "1.8") {
  check_flag(visible, "visible")
  check_flag(rng, "rng")
  if (!is.null(conditions) && !is.list(conditions)) invalid_argument("`conditions` must be a list", conditions)
  structure(class = "FutureResult",
            list(value = value, visible = visible, stdout = stdout, conditions = conditions, rng = rng, ...,
                 started = started, finished = finished, uuid = uuid, session_uuid = session_uuid(),
                 version = version))
}

#' @rdname FutureResult
#' @export
backtrace <- function(future, envir = parent.frame(), ...) {
  expr <- substitute(future)
  future <- behind_variable(expr, envir) %||% future
  if (!inherits(future, "Future")) invalid_argument("`future` must be a future", future)
  if (!resolved(future)) invalid_argument("the future is not resolved yet, and has no error", expr)
  conditions <- collect_future(future)$conditions
  failed <- Filter(function(recorded) inherits(recorded$condition, "error"), conditions)
  if (!length(failed)) invalid_argument("the future has no error", expr)
  failed[[1L]]$calls %||% list(conditionCall(failed[[1L]]$condition))
}

# A copy of a future that is over, of which any process may ask the value.
constant_future <- function(future) {
  result <- collect_future(future)
  kept <- c("label", "uuid", "owner", "stdout", "conditions", "seed", "lazy", "state")
  constant <- list2env(mget(kept, envir = future), parent = emptyenv())
  set_fields(constant, result = result, expr = NULL, globals = list(), packages = character())
  class(constant) <- future_class("ConstantFuture")
  constant
}

# The future of a variable or element as it is written in the call; NULL when it is something else.
behind_variable <- function(expr, envir) {
  tryCatch({
    target <- read_target(expr, envir, create = FALSE)
    future_of(target$name, target$envir)
  }, error = function(e) NULL)
}

#' @rdname future
#' @export
minifuture <- function(expr, substitute = TRUE, globals = NULL, packages = NULL, stdout = NA, conditions = NULL,
                       seed = NULL, ..., envir = parent.frame()) {
  if (substitute) expr <- substitute(expr)
  if (is.null(globals)) globals <- FALSE
  future(expr, envir, FALSE, globals = globals, packages = packages, stdout = stdout, conditions = conditions,
         seed = seed, ...)
}

#' Details of this session
#'
#' What there is to know about this R session when somebody else is to understand a problem in it.
#'
#' @param env `TRUE`: environment variables are among it. They may hold secrets.
#' @param x What `sessionDetails()` returned.
#' @param output `"output"` or `"message"`: where it is printed.
#' @param ... Not used.
#' @return A named list of class `sessionDetails`.
#' @seealso [futureSessionInfo()]
#' @examples
#' names(sessionDetails())
#' @export
sessionDetails <- function(env = FALSE) {
  check_flag(env, "env")
  details <- list("Sys.time()" = Sys.time(), "sessionInfo()" = utils::sessionInfo(), "commandArgs()" = commandArgs(),
                  "Sys.info()" = Sys.info(), "capabilities()" = capabilities(), ".libPaths()" = .libPaths(),
                  "Sys.getlocale()" = Sys.getlocale(), ".Platform" = .Platform, ".Machine" = .Machine,
                  "getwd()" = getwd(), "tempdir()" = tempdir(), "options()" = options())
  if (env) details[["Sys.getenv()"]] <- Sys.getenv()
  structure(details, class = c("avenir_details", "sessionDetails", "list"))
}

#' @export
`[.avenir_details` <- function(x, i) structure(unclass(x)[i], class = class(x))

#' @rdname sessionDetails
#' @export
print.avenir_details <- function(x, output = c("output", "message"), ...) {
  output <- match.arg(output)
  lines <- unlist(lapply(names(x), function(name) c(paste("==", name), printed(x[[name]]), "")))
  if (output == "message") message(paste(lines, collapse = "\n")) else writeLines(lines)
  invisible(x)
}
