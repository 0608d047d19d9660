# What is left of a map that failed. Its error carries, as attribute "avenir_map", an environment of class
# "avenir_map_failure" with the fields
#   values, done  what the backend gave to `job$harvest` when the map ended, under the names of the map's result; not
#                 there for an element that was kept in place (future.on.error = "keep")
#   element       the element that failed; NA when none did
#   replay        what evaluates that element again, or NULL: list(job, x, seed), where `job` is an environment of fun,
#                 args, kernel, globals and packages, the same for all elements of a map
#   message       an interrupt error's message before a line about the results was added

#' The results of a map that failed
#'
#' When a map such as [future_lapply()] fails or is interrupted, the results that it has by then are not lost: its
#' error carries them.
#'
#' @param err The error of a map, as a handler or [try()] gives it. In an interactive session it may be left out: the
#'   last error of a map is kept there until another map fails.
#' @return A list as long as what was mapped over, with the names of the map's result: the results in place, `NULL`
#'   for those that are missing. Attribute `done` is `TRUE` for each that is there, as a result may be `NULL` itself.
#'   Nothing is simplified.
#' @section Errors:
#' `avenir_invalid_argument` when `err` is not the error that ended a map.
#' @seealso [replay()] to evaluate the failed element again; [future_lapply()] for `future.on.error = "keep"`
#' @examples
#' root <- function(x) if (x < 0) stop("negative") else sqrt(x)
#' err <- try(suppressWarnings(future_lapply(c(a = 1, b = 4, c = -9), root)), silent = TRUE)
#' results <- partial_results(err)
#' results[attr(results, "done")]
#' @export
partial_results <- function(err = last_map_error()) {
  failure <- map_failure(err, "err")
  if (is.null(failure$done)) {
    invalid_argument("`err` must be the error that ended a map, not one that stands in its result", as_condition(err),
                     "The other results are beside it.")
  }
  structure(failure$values, done = failure$done)
}

#' Evaluate again, in this session, what failed
#'
#' `replay()` evaluates the element at which a map failed, or the expression of a future, once more and here, so that
#' `traceback()`, `options(error = recover)`, `browser()` and `debug()` show what happens.
#'
#' @details
#' An element gets the same argument, global variables, packages and, where the map had `future.seed`, the same stream
#' of random numbers. Output and conditions appear at once, errors are raised where they occur, and no time limit holds.
#' Afterwards the session is as before: generator, options, environment variables, working directory, global
#' variables. What has killed a worker may well kill this session.
#'
#' @param x The error of a map; the condition that stands for a failed element under `future.on.error = "keep"`; or a
#'   future. In an interactive session it may be left out, as for [partial_results()].
#' @return The value, when there is one this time.
#' @section Errors:
#' Besides those of the evaluation: `avenir_invalid_argument` when `x` is something else, when the map ended though no
#' element failed (it was interrupted), and when the future was dropped by `value(drop = TRUE)`.
#' @seealso [partial_results()], [future_lapply()], [future()]
#' @examples
#' logs <- future_lapply(list(1, "a"), function(x) log(x), future.on.error = "keep")
#' logs[[2]]
#' try(replay(logs[[2]]))
#'
#' f <- future(sample(6), seed = 42)
#' identical(replay(f), value(f))
#' @export
replay <- function(x = last_map_error()) {
  note_environment_variables()
  if (is_future(x)) replay_future(x) else replay_element(map_failure(x, "x"))
}

# ---- Evaluating again ----

# No handler of ours lies around the evaluation: on.exit() alone restores the session.
replay_element <- function(failure) {
  again <- failure$replay
  if (is.null(again)) {
    stop_avenir(paste0("replay(): the map ended though none of its elements failed, so there is nothing to replay.",
                       "\ni partial_results() has the results that it had."), "avenir_invalid_argument")
  }
  job <- again$job
  value <- in_kept_session(job, {
    if (!is.null(again$seed)) set_random_seed(again$seed)
    make_element_call(job$kernel, job$fun, job$args)(again$x)
  })
  value
}

replay_future <- function(future) {
  if (is_dropped(future)) {
    stop_avenir(sprintf("replay(): future (%s) was dropped by value(drop = TRUE) and cannot be evaluated again.",
                        label_of(future)), "avenir_invalid_argument")
  }
  task <- list(expr = future$expr, globals = future$globals, packages = future$packages, check_rng = FALSE,
               seed = if (is.integer(future$seed)) future$seed)
  outcome <- in_kept_session(task, eval(ready_call(task), globalenv()))
  if (outcome$visible) outcome$value else invisible(outcome$value)
}

# ---- Finding the failure ----

map_failure <- function(x, argument) {
  failure <- attr(as_condition(x), "avenir_map", exact = TRUE)
  if (inherits(failure, "avenir_map_failure")) return(failure)
  problem <- "`%s` must be the error of a map%s"
  invalid_argument(sprintf(problem, argument, if (argument == "x") " or a future" else ""), x,
                   "Catch it around the map, as in tryCatch(future_lapply(...), error = identity).")
}

as_condition <- function(x) if (inherits(x, "try-error")) attr(x, "condition", exact = TRUE) else x

last_map_error <- function() {
  error <- session_state$map_error
  if (!is.null(error)) return(error)
  stop_avenir(paste0("there is no error of a map: the last one is kept in interactive sessions only.",
                     "\ni Give the error, as tryCatch(future_lapply(...), error = identity) returns it."),
              "avenir_invalid_argument")
}

# ---- Making the failure ----

# Noted while the map runs: harvest() sets `values` and `done`, the relay `element`.
new_map_failure <- function() {
  failure <- new.env(parent = emptyenv())
  failure$element <- NA_integer_
  failure
}

# The error that ends the map, with what is left of it. `names` is evaluated only here.
carry_failure <- function(error, failure, job, names) {
  failure$done <- failure$done %||% logical(length(job$x))
  failure$values <- failure$values %||% vector("list", length(job$x))
  failure$values[!failure$done] <- list(NULL)
  names(failure$values) <- names
  if (!is.na(failure$element)) failure$replay <- element_replay(failure, job, failure$element)
  failure$shared <- NULL
  error <- with_failure(say_what_is_kept(error, failure), failure)
  if (interactive()) session_state$map_error <- error
  error
}

with_failure <- function(error, failure) {
  attr(error, "avenir_map") <- structure(failure, class = "avenir_map_failure")
  error
}

# Of avenir's own errors only.
say_what_is_kept <- function(error, failure) {
  if (!inherits(error, "FutureInterruptError")) return(error)
  failure$message <- message_alone(error)
  done <- sum(failure$done)
  line <- sprintf("\ni %d of %d results are kept: see partial_results().", done, length(failure$done))
  error$message <- paste0(failure$message, if (done > 0L) line)
  error
}

# The error of a map inside an element may already say what that map has kept.
message_alone <- function(error) attr(error, "avenir_map", exact = TRUE)$message %||% error$message

# The condition that stands for element i in the result of a map that goes on.
kept_error <- function(error, failure, job, i) {
  if (inherits(error, "FutureInterruptError")) error$message <- message_alone(error)
  with_failure(error, list2env(list(element = i, replay = element_replay(failure, job, i)), parent = emptyenv()))
}

element_replay <- function(failure, job, i) {
  if (is.null(failure$shared)) {
    failure$shared <- list2env(job[c("fun", "args", "kernel", "globals", "packages")], parent = emptyenv())
  }
  list(job = failure$shared, x = job$x[[i]], seed = element_seed(job$seeds, i))
}
