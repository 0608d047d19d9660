# What purrr takes for a function: functions, formulas, and names and positions of what is to be extracted. What comes
# out travels to workers that have neither purrr nor avenir loaded.

# `dots` are the map's further arguments: `.default` among them is for extractors.
as_map_function <- function(f, dots = list(), name = ".f") {
  if (is.function(f)) return(f)
  if (inherits(f, "formula")) return(formula_function(f, name))
  if (is.character(f) || is.numeric(f) || is.list(f) && !is.object(f)) {
    return(extractor(check_steps(as.list(f), name), dots[[".default"]]))
  }
  problem <- "`%s` must be a function, a one-sided formula, or the names or positions of what is to be extracted"
  invalid_argument(sprintf(problem, name), f)
}

# ~ .x + .y as a function, also with `.` for `.x` and `..1`, `..2` and so on.
formula_function <- function(f, name) {
  if (inherits(f, "quosure")) return(rlang_function(f))
  if (length(f) != 2L) invalid_argument(sprintf("`%s` must not be a two-sided formula", name), f)
  if (!is.environment(environment(f))) {
    invalid_argument(sprintf("`%s` must be a formula that has an environment", name), f)
  }
  first <- as.name("..1")
  arguments <- c(alist(... = ), list(.x = first, .y = as.name("..2"), . = first))
  structure(as.function(c(arguments, list(f[[2L]])), environment(f)), class = c("rlang_lambda_function", "function"))
}

# Who has a quosure has rlang.
rlang_function <- function(f) getExportedValue("rlang", "as_function")(f)

# ---- Extraction ----

check_steps <- function(steps, name) {
  for (i in seq_along(steps)) {
    step <- steps[[i]]
    if (is.function(step)) next
    if (!is.character(step) && !is.numeric(step)) {
      invalid_argument(sprintf("step %d of `%s` must be a name, a position or a function", i, name), step)
    }
    if (length(step) == 1L) next
    invalid_argument(sprintf("step %d of `%s` must have length 1, not %d", i, name, length(step)), step)
  }
  steps
}

# A function that takes step after step into its argument, and gives `default` when that leads to nothing.
extractor <- function(steps, default) {
  eval(extractor_code, list2env(list(steps = steps, default = default), parent = baseenv()))
}

extractor_code <- quote({
  position_of <- function(x, step) {
    if (is.character(step)) {
      names <- names(x)
      return(if (is.character(names) && !is.na(step) && nzchar(step)) match(step, names, 0L) else 0L)
    }
    if (!is.finite(step)) return(0L)
    if (step < 0) length(x) + step + 1 else step
  }
  from_vector <- function(x, step) {
    position <- position_of(x, step)
    if (position < 1 || position > length(x)) return(NULL)
    if (is.object(x)) x[[step]] else x[[position]]
  }
  from_named <- function(x, step) {
    if (!is.character(step)) stop("only a name can be extracted from an environment or S4 object", call. = FALSE)
    if (is.environment(x)) get0(step, x, inherits = FALSE) else if (methods::.hasSlot(x, step)) methods::slot(x, step)
  }
  take <- function(x, step) {
    if (is.function(step)) return(step(x))
    if (isS4(x) && typeof(x) == "S4" || is.environment(x) && !is.object(x)) return(from_named(x, step))
    if (is.object(x) || is.atomic(x) || is.list(x)) return(from_vector(x, step))
    stop(sprintf("Can't pluck from an object of type `%s`", typeof(x)), call. = FALSE)
  }
  function(x, ...) {
    for (step in steps) {
      if (is.null(x) && !is.function(step)) break
      x <- take(x, step)
    }
    if (is.null(x)) default else x
  }
})
