# Future assignments: variables that get their value from a future when they are first used. The variable `x`
# is a promise; the future itself stands beside it as `.future_x` until the value has been asked for.

#' Future assignments
#'
#' `x %<-% expr` starts a future and makes `x` a variable that waits for its value when it is first used.
#'
#' @details
#' The target `x` is a variable, or an element of an environment or of a listenv (package listenv):
#' `env$a %<-% expr`, `env[["a"]] %<-% expr`, `x[[3]] %<-% expr`. A list cannot hold such elements.
#'
#' Output and conditions appear when the variable is first used. When the future fails, the same error is
#' raised each time that the variable is used.
#'
#' `%<-%` binds tighter than the arithmetic operators: put braces around the expression. Operators such as
#' [`%seed%`][%seed%] after it set the arguments of [future()].
#'
#' @param x The target; for `futureAssign()` the name of a variable.
#' @param value The expression of the future.
#' @param envir Where its global variables are looked up.
#' @param substitute `FALSE`: `value` is a value that holds the expression.
#' @param lazy,seed,globals,packages,stdout,conditions,label,retries,timeout,... See [future()].
#' @param assign.env The environment in which the variable is made.
#' @return The future, invisibly.
#' @section Errors:
#' `avenir_invalid_argument` for a target that is neither a variable nor an element of an environment.
#' @seealso [future()], [futureOf()], [`%seed%`][%seed%]
#' @examples
#' a <- 2
#' x %<-% { a + 1 }
#' { a + 2 } %->% y
#' x + y
#'
#' results <- new.env()
#' for (name in c("a", "b")) results[[name]] %<-% toupper(name)
#' results$b
#'
#' z %<-% stop("no value")
#' try(z)
#' @export
futureAssign <- function(x, value, envir = parent.frame(), substitute = TRUE, lazy = FALSE, seed = FALSE,
                         globals = TRUE, packages = NULL, stdout = TRUE, conditions = "condition",
                         label = NULL, ..., retries = 0, timeout = Inf, assign.env = envir) {
  if (substitute) value <- substitute(value)
  check_variable_name(x)
  arguments <- list(value, envir = envir, substitute = FALSE, lazy = lazy, seed = seed, globals = globals,
                    packages = packages, stdout = stdout, conditions = conditions, label = label, ...,
                    retries = retries, timeout = timeout)
  force(assign.env)
  future <- do.call("future", replace_arguments(arguments, take_disposable()), quote = TRUE)
  assign(hidden_name(x), future, envir = assign.env)
  bind_promise(future, x, assign.env)
  invisible(future)
}

#' @rdname futureAssign
#' @export
`%<-%` <- function(x, value) assign_future(substitute(x), substitute(value), parent.frame())

#' @rdname futureAssign
#' @export
`%->%` <- function(value, x) assign_future(substitute(x), substitute(value), parent.frame())

assign_future <- function(target, expr, envir) {
  target <- read_target(target, envir, create = TRUE)
  futureAssign(target$name, expr, envir, substitute = FALSE, assign.env = target$envir)
}

check_variable_name <- function(x) {
  if (is_name(x)) return(x)
  invalid_argument("`x` must be the name of a variable, one string that is not empty", x)
}

is_name <- function(x) is.character(x) && length(x) == 1L && !is.na(x) && nzchar(x)

# ---- The promise ----

hidden_name <- function(name) paste0(".future_", name)

bind_promise <- function(future, name, envir) {
  delayedAssign(name, promised_value(future, name, envir), assign.env = envir)
}

# The value of the variable, when it is used. Unless there is one the variable is bound anew: R would warn of a
# promise that it evaluates a second time.
promised_value <- function(future, name, envir) {
  done <- FALSE
  on.exit(if (!done && is_bound_to(future, name, envir)) bind_promise(future, name, envir))
  value <- value.AvenirFuture(future)
  done <- TRUE
  if (is_bound_to(future, name, envir)) rm(list = hidden_name(name), envir = envir)
  value
}

is_bound_to <- function(future, name, envir) identical(hidden_future(name, envir), future)

# The future of the variable `name`, or NULL.
hidden_future <- function(name, envir) get0(hidden_name(name), envir, inherits = FALSE)

# ---- Arguments that operators give ----

# What `%seed%` and its like have given for the next call that makes futures (option "future.disposable").
# Taking it uses it up, unless its attribute "dispose" is FALSE.
take_disposable <- function() {
  given <- getOption("future.disposable")
  if (!is.null(given) && !isFALSE(attr(given, "dispose"))) options(future.disposable = NULL)
  given
}

# `given` may hold NULLs, which are values as any other.
replace_arguments <- function(arguments, given) {
  arguments[names(given)] <- as.list(given)
  arguments
}

# ---- Targets ----

# list(envir, name) of the variable that `expr`, the target of an assignment, means in `envir`. `name` is NA for
# an element that does not exist; `create` makes those of a listenv.
read_target <- function(expr, envir, create) {
  if (is.call(expr)) check_target(expr)
  container <- if (is.call(expr)) eval(expr[[2L]], envir) else envir
  if (!is.environment(container)) stop_container(expr[[2L]], container)
  if (inherits(container, "listenv")) return(listenv_target(expr, container, envir, create))
  name <- if (is.symbol(expr)) as.character(expr) else if (is.call(expr)) element_key(expr, envir) else expr
  if (is_name(name)) return(list(envir = container, name = name))
  invalid_argument(sprintf("`%s` must name an element of an environment by one string", show_code(expr)), name)
}

check_target <- function(expr) {
  known <- is.symbol(expr[[1L]]) && as.character(expr[[1L]]) %in% c("$", "[[", "[") && length(expr) >= 3L
  if (known) return(invisible())
  text <- "Invalid syntax: `%s` is neither a variable nor an element of an environment or listenv"
  stop_avenir(sprintf(text, show_code(expr)), "avenir_invalid_argument")
}

stop_container <- function(expr, container) {
  text <- "`%s` must be an environment or a listenv, only these can hold variables of futures"
  invalid_argument(sprintf(text, show_code(expr)), container,
                   "Use new.env() or listenv::listenv() in place of a list.")
}

show_code <- function(expr) paste(deparse(expr, nlines = 3L), collapse = " ")

# "a" in `x$a`, `x[["a"]]` and, where i is "a", in `x[[i]]`.
element_key <- function(expr, envir) {
  if (length(expr) != 3L) return(NULL)
  key <- expr[[3L]]
  if (identical(expr[[1L]], quote(`$`)) && is.symbol(key)) as.character(key) else eval(key, envir)
}

# As listenv itself reads targets. It wants the listenv as a variable.
listenv_target <- function(expr, container, envir, create) {
  if (!is.call(expr)) envir <- container
  else if (!is.symbol(expr[[2L]])) {
    envir <- list2env(list(listenv = container), parent = envir)
    expr[[2L]] <- quote(listenv)
  }
  target <- listenv::parse_env_subset(expr, envir = envir, substitute = FALSE)
  list(envir = container, name = listenv_variable(target, create))
}

# The variable that a listenv keeps an element in. By position where there is one: for a name that has no
# element yet listenv would make a variable that it does not find again.
listenv_variable <- function(target, create) {
  if (length(target$exists) != 1L) {
    invalid_argument(sprintf("`%s` must be one element", target$code), length(target$exists))
  }
  if (!target$exists && !create) return(NA_character_)
  element <- if (is.finite(target$idx)) as.vector(target$idx) else target$name
  if (identical(element, "")) stop_avenir("subscript out of bounds", "avenir_invalid_argument")
  listenv::get_variable(target$envir, element, mustExist = FALSE, create = TRUE)
}

# ---- Looking up futures ----

#' Find the futures behind variables
#'
#' `futureOf()` gives the future of a variable that was assigned with [`%<-%`][futureAssign], without waiting
#' for it; `futures()` gives all futures in a container.
#'
#' @details
#' A variable has a future until its value has been asked for. A variable that holds a future, as in
#' `f <- future(1)`, has this one.
#'
#' @param var A variable as it is written in an assignment: `x`, `"x"`, `env$x`, `x[[3]]`. Without it, all
#'   variables of `envir`.
#' @param envir The environment or listenv to look in.
#' @param mustExist `FALSE`: `default` is returned when there is no future, otherwise that is an error.
#' @param default What stands for the future of a variable that has none.
#' @param drop `TRUE`: variables without a future are left out.
#' @param x A list, environment or listenv.
#' @param ... Not used.
#' @return `futureOf()` a future, or a named list of them when `var` is not given; a `default` that is not NULL
#'   has the attribute `reason`. `futures()` a container of the same type and shape with the futures in place of
#'   the variables; what is not a future is as it was.
#' @section Errors:
#' `avenir_invalid_argument` when there is no future.
#' @examples
#' x %<-% { 1 } %lazy% TRUE
#' f <- futureOf(x)
#' resolved(f)
#' x
#' futureOf(x, mustExist = FALSE) # its value is here now
#'
#' results <- new.env()
#' results$a %<-% 1
#' results$b <- 2
#' futures(results)$a
#' @export
futureOf <- function(var = NULL, envir = parent.frame(), mustExist = TRUE, default = NA, drop = FALSE) {
  expr <- substitute(var)
  if (is.null(expr)) return(futures_of_all(envir, default, drop))
  target <- read_target(expr, envir, create = FALSE)
  found <- future_of(target$name, target$envir)
  if (!is.null(found)) return(found)
  text <- sprintf("No such future variable: %s", show_code(expr))
  if (mustExist) stop_avenir(text, "avenir_invalid_argument")
  if (!is.null(default)) attr(default, "reason") <- text
  default
}

# The future of a variable or the one that it holds, or NULL. Variables that cannot be read hold none.
future_of <- function(name, envir) {
  if (is.na(name)) return(NULL)
  future <- hidden_future(name, envir)
  if (!is.null(future)) return(future)
  tryCatch({
    value <- get0(name, envir, inherits = FALSE)
    if (inherits(value, "Future")) value
  }, error = function(e) NULL)
}

futures_of_all <- function(envir, default, drop) {
  variables <- container_variables(envir, all = TRUE)
  found <- lapply(variables, function(name) future_of(name, envir) %||% default)
  if (drop) {
    names(found) <- names(variables)
    return(Filter(function(x) inherits(x, "Future"), found))
  }
  shape_as_container(found, variables, envir)
}

# The variables of a container, named by its elements. NA: a listenv has no value for an element.
container_variables <- function(x, all = FALSE) {
  if (inherits(x, "listenv")) return(listenv::mapping(x))
  names <- grep("^[.]future_", ls(x, all.names = all), value = TRUE, invert = TRUE)
  stats::setNames(names, names)
}

shape_as_container <- function(elements, variables, x) {
  if (inherits(x, "listenv")) {
    dim(elements) <- dim(x)
    dimnames(elements) <- dimnames(x)
  }
  names(elements) <- if (length(elements)) names(variables)
  elements
}

# The elements of a list, environment or listenv as a list that has a future where a variable has one.
future_elements <- function(x, all = FALSE) {
  if (is.list(x)) return(x)
  variables <- container_variables(x, all)
  elements <- lapply(variables, function(name) {
    if (!is.na(name)) hidden_future(name, x) %||% get(name, envir = x, inherits = FALSE)
  })
  shape_as_container(elements, variables, x)
}

#' @rdname futureOf
#' @export
futures <- function(x, ...) UseMethod("futures")

#' @export
futures.list <- function(x, ...) x

#' @export
futures.environment <- function(x, ...) list2env(future_elements(x, all = TRUE), parent = parent.env(x))

#' @export
futures.listenv <- function(x, ...) {
  elements <- future_elements(x)
  result <- listenv::as.listenv(as.vector(elements))
  dim(result) <- dim(x)
  dimnames(result) <- dimnames(x)
  names(result) <- names(x)
  result
}
