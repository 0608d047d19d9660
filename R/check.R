# Checks of arguments. Each returns its value in the form that the caller needs, or raises an error of class
# "avenir_invalid_argument" that names the argument, gives its value and offers a remedy.

# `problem` ends without a full stop: the value follows.
invalid_argument <- function(problem, value, remedy = NULL, class = character()) {
  hint <- if (is.null(remedy)) "" else paste0("\ni ", remedy)
  stop_avenir(sprintf("%s; it is %s.%s", problem, show_value(value), hint),
              c(class, "avenir_invalid_argument"))
}

# A value on one line of at most 80 characters.
show_value <- function(x) {
  if (is.function(x)) return("a function")
  opaque <- is.environment(x) || length(x) > 20L || inherits(x, "condition")
  if (opaque) return(sprintf("an object of class %s", quote_names(class(x))))
  text <- paste(deparse(x, width.cutoff = 60L, nlines = 2L), collapse = " ")
  if (nchar(text) > 80L) paste0(substr(text, 1L, 77L), "...") else text
}

quote_names <- function(x) paste0("`", x, "`", collapse = ", ")

is_flag <- function(x) is.logical(x) && length(x) == 1L && !is.na(x)

is_number <- function(x) is.numeric(x) && length(x) == 1L && !is.na(x)

check_flag <- function(x, name) {
  if (!is_flag(x)) invalid_argument(sprintf("`%s` must be TRUE or FALSE", name), x)
  x
}

# TRUE (capture), FALSE (discard) or NA (leave alone); attributes such as "drop" stay.
check_stdout <- function(x, name = "stdout") {
  if (!is.logical(x) || length(x) != 1L) {
    invalid_argument(sprintf("`%s` must be TRUE (capture), FALSE (discard) or NA (leave alone)", name), x)
  }
  x
}

check_conditions <- function(x, name = "conditions") {
  if (!is.null(x) && (!is.character(x) || anyNA(x))) {
    invalid_argument(sprintf("`%s` must be a character vector of condition classes or NULL", name), x,
                     "The default \"condition\" relays all of them.")
  }
  x
}

check_label <- function(x, name = "label") {
  if (!is.null(x) && (!is.character(x) || length(x) != 1L)) {
    invalid_argument(sprintf("`%s` must be one string or NULL", name), x)
  }
  x
}

check_packages <- function(x, name = "packages") {
  if (!is.null(x) && (!is.character(x) || anyNA(x) || !all(nzchar(x)))) {
    invalid_argument(sprintf("`%s` must be a character vector of package names or NULL", name), x)
  }
  x
}

# Further attempts after a lost worker, as an integer.
check_retries <- function(x, name) {
  if (identical(x, 0)) return(0L)
  whole <- is_number(x) && x >= 0 && x <= .Machine$integer.max && x == floor(x)
  if (whole) return(as.integer(x))
  invalid_argument(sprintf("`%s` must be one whole number from 0", name), x,
                   sprintf("%s = 2 allows for two attempts more when a worker is lost.", name))
}

# Seconds, or Inf for no limit.
check_timeout <- function(x, name) {
  if (identical(x, Inf)) return(x)
  if (is_number(x) && x > 0) return(as.double(x))
  invalid_argument(sprintf("`%s` must be one number of seconds above 0", name), x, "Inf stands for no limit.")
}

# "stop" or "keep".
check_on_error <- function(x, name) {
  if (identical(x, c("stop", "keep"))) return("stop")
  if (identical(x, "stop") || identical(x, "keep")) return(x)
  invalid_argument(sprintf("`%s` must be \"stop\" or \"keep\"", name), x,
                   "With \"keep\" a failed element comes back as its condition, in place.")
}

# The number of workers that `workers` stands for: a count, a function that gives one, or NULL for all cores.
check_workers <- function(workers, plan) {
  if (is.function(workers)) workers <- workers()
  if (is.null(workers)) workers <- as.integer(counted_cores())
  if (!is_number(workers) || !is.finite(workers) || workers < 1) {
    invalid_argument(sprintf("`workers` of plan(%s) must be one whole number from 1", plan), workers,
                     sprintf("Use for instance plan(%s, workers = availableCores()).", plan))
  }
  as.integer(workers)
}
