# Operators that set arguments of a future assignment or map that is written before them.

#' Operators that set arguments of futures
#'
#' `x %<-% expr %seed% TRUE` is `futureAssign("x", expr, seed = TRUE)`: each operator sets the argument of its
#' name for the future assignment or map to its left.
#'
#' @details
#' Several operators may follow each other; when two give the same argument the left one counts. Maps such as
#' `future_lapply(X, FUN) %seed% 42` take them as their `future.*` arguments.
#'
#' `%plan%` and `%tweak%` evaluate the left side, which may be any expression, under another plan; the workers
#' of such a plan live until the futures that they have evaluated are gone.
#'
#' @param fassignment A future assignment or map; for `%plan%` and `%tweak%` any expression.
#' @param globals,packages,seed,lazy,label See [future()].
#' @param capture What `stdout` and `conditions` of [future()] are to be.
#' @param strategy A strategy as for [plan()].
#' @param tweaks A named list or vector: the arguments that the first strategy of the plan is to have.
#' @return What the left side gives.
#' @section Errors:
#' `avenir_invalid_argument` for tweaks without names, and as for [future()] and [plan()].
#' @seealso [futureAssign()], [future_lapply()]
#' @name future-operators
#' @examples
#' x %<-% { rnorm(2) } %seed% 42 %label% "two numbers"
#' x
#'
#' y %<-% { a + 1 } %globals% list(a = 2) %lazy% TRUE
#' y
#'
#' z %<-% {
#'   message("not shown")
#'   3
#' } %conditions% character(0)
#' z
#'
#' pid %<-% { Sys.getpid() } %plan% sequential
#' pid == Sys.getpid()
NULL

#' @rdname future-operators
#' @export
`%globals%` <- function(fassignment, globals) {
  with_disposable(substitute(fassignment), list(globals = globals), parent.frame())
}

#' @rdname future-operators
#' @export
`%packages%` <- function(fassignment, packages) {
  with_disposable(substitute(fassignment), list(packages = packages), parent.frame())
}

#' @rdname future-operators
#' @export
`%seed%` <- function(fassignment, seed) {
  with_disposable(substitute(fassignment), list(seed = seed), parent.frame())
}

#' @rdname future-operators
#' @export
`%lazy%` <- function(fassignment, lazy) {
  with_disposable(substitute(fassignment), list(lazy = lazy), parent.frame())
}

#' @rdname future-operators
#' @export
`%label%` <- function(fassignment, label) {
  with_disposable(substitute(fassignment), list(label = label), parent.frame())
}

#' @rdname future-operators
#' @export
`%stdout%` <- function(fassignment, capture) {
  with_disposable(substitute(fassignment), list(stdout = capture), parent.frame())
}

#' @rdname future-operators
#' @export
`%conditions%` <- function(fassignment, capture) {
  with_disposable(substitute(fassignment), list(conditions = capture), parent.frame())
}

# Evaluates `expr` with one more argument for take_disposable(). What nobody has taken is gone afterwards.
with_disposable <- function(expr, argument, envir) {
  options(future.disposable = replace_arguments(as.list(getOption("future.disposable")), argument))
  on.exit(options(future.disposable = NULL))
  eval(expr, envir, baseenv())
}

#' @rdname future-operators
#' @export
`%plan%` <- function(fassignment, strategy) {
  strategy <- read_strategy(substitute(strategy), parent.frame())
  strategies <- plan_strategies(strategy, list(), sys.call(), parent.frame())
  evaluate_under(strategies, substitute(fassignment), parent.frame())
}

#' @rdname future-operators
#' @export
`%tweak%` <- function(fassignment, tweaks) {
  if (!is.vector(tweaks)) invalid_argument("`tweaks` must be a named list or vector", tweaks)
  strategies <- plan_list()
  strategies[[1L]] <- tweak_strategy(strategies[[1L]], as.list(tweaks))
  evaluate_under(strategies, substitute(fassignment), parent.frame())
}

# Evaluates `expr` under other strategies and returns to the plan before. The workers in between are not ended:
# futures of theirs may be asked for later. They go with the last of these.
evaluate_under <- function(strategies, expr, envir) {
  before <- attr(set_plan(strategies, init = FALSE, temporary = TRUE), "levels")
  on.exit(plan_state$levels <- before)
  eval(expr, envir, baseenv())
}
