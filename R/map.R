# Parallel maps: future.apply's functions.

#' Parallel versions of lapply(), sapply(), vapply() and replicate()
#'
#' These give what base R's functions give, evaluated by the workers of the current [plan()].
#'
#' @details
#' Output and conditions are relayed element by element in the order of the elements: output first, then the
#' conditions in their order. When an element fails, the elements after it are cancelled, a warning tells so,
#' and the error is raised as the condition that it was. An interrupt (Ctrl-C) cancels all and is raised as an
#' error of class `FutureInterruptError`.
#'
#' Results are not lost with an error or an interrupt: see [partial_results()], and [replay()] for the element that
#' failed. When a worker is lost another takes its place, and only the element that it was evaluating fails with it,
#' unless `future.retries` allows for another attempt, in the same stream of random numbers. What the first attempt did
#' outside R may then be done twice.
#'
#' With `future.on.error = "keep"` the condition object of an element that failed (for the error of `FUN`, a lost
#' worker, a time limit) stands in its place in the result, and the map goes on; then [replay()] takes that condition.
#' A result that has such an element is not simplified: it is a list. An interrupt ends the map all the same.
#'
#' With `future.seed` each element draws from a stream of its own, which depends on the seed and on the
#' element's position only: results are the same under every plan, any number of workers and any chunks.
#'
#' By default workers take elements as they get free, in chunks whose size follows the time that elements
#' take. A value given to `future.scheduling` or `future.chunk.size` is kept to, and then chunks are as
#' future.apply makes them.
#'
#' @param X A vector; anything else is turned into a list.
#' @param FUN A function, or its name.
#' @param ... Further arguments of `FUN`. The wrappers pass `future.*` arguments on.
#' @param future.envir Where global variables are looked up.
#' @param future.stdout,future.conditions What happens to output and conditions; see [future()].
#' @param future.globals,future.packages Global variables and packages; see [future()].
#' @param future.seed `TRUE`, a number or an L'Ecuyer-CMRG state: each element has a stream of its own that
#'   derives from it. A list of one state for each element: these. `FALSE`: none, and a warning when numbers
#'   are drawn. `NULL`: none and no warning.
#' @param future.scheduling The average number of chunks for each worker; `FALSE` or `Inf` for one element a
#'   chunk, 0 for one chunk in all. Attribute `ordering` (numbers, a function of the number of elements, or
#'   `"random"`) is the order in which the elements are processed.
#' @param future.chunk.size The average number of elements in a chunk; overrides `future.scheduling`. Takes
#'   the same attribute.
#' @param future.label A name for messages; `%d` in it stands for a number.
#' @param future.retries How often an element is evaluated again when the worker that was evaluating it is lost: one
#'   whole number from 0. Errors of `FUN` are not retried.
#' @param future.timeout The seconds that one element may take, `Inf` for no limit. Then it is interrupted; a worker
#'   that does not react to that is ended; see [future()] for the limits of this under `sequential`.
#' @param future.on.error `"stop"`: an element that fails ends the map. `"keep"`: its condition object stands in its
#'   place. `future_vapply()` knows `"stop"` only, as its values have one type.
#' @param simplify,USE.NAMES,FUN.VALUE,n,expr As for [sapply()], [vapply()] and [replicate()].
#' @return As for the function of base R.
#' @section Errors:
#' Besides those of `FUN`: `avenir_invalid_argument` for arguments that make no sense and for values that are not
#' as `FUN.VALUE`; `FutureError` when the plan fails, among them `FutureInterruptError` for an interrupt, also of
#' class `WorkerLostError` when a worker was lost (and given up after `future.retries` more) and `FutureTimeoutError`
#' when an element took longer than `future.timeout`. The error that ends a map carries the results that there are.
#'
#' A value that is itself an external pointer, a weak reference or a connection means nothing outside the worker. It
#' comes with a warning of class `avenir_reference_warning`, or as option `avenir.results.onReference` says with an
#' error of class `avenir_reference_error` (`"error"`) or with neither (`"ignore"`).
#' @seealso [partial_results()], [replay()], [plan()], [future()]
#' @examples
#' future_lapply(1:3, function(i) i^2)
#' future_sapply(c(a = 1, b = 2), function(x, y) x + y, y = 10)
#' future_vapply(split(warpbreaks$breaks, warpbreaks$tension), mean, numeric(1))
#'
#' set.seed(1)
#' future_replicate(3, mean(rnorm(10)))
#' future_sapply(1:3, function(i) runif(1), future.seed = 42)
#'
#' # an element that fails does not cost the others
#' future_lapply(list(1, "a", 9), sqrt, future.on.error = "keep")
#' @export
future_lapply <- function(X, FUN, ..., future.envir = parent.frame(), future.stdout = TRUE,
                          future.conditions = "condition", future.globals = TRUE, future.packages = NULL,
                          future.seed = FALSE, future.scheduling = 1.0, future.chunk.size = NULL,
                          future.label = "future_lapply-%d", future.retries = 0, future.timeout = Inf,
                          future.on.error = c("stop", "keep")) {
  force(future.envir)
  if (!is.vector(X) || is.object(X)) X <- as.list(X)
  if (length(X) == 0L) return(as.list(X))
  if (is.object(X)) X <- taken_apart(X)
  FUN <- match.fun(FUN)
  chunking <- new_chunking(future.scheduling, future.chunk.size, given = !missing(future.scheduling))
  options <- new_map_options("future_lapply", future.envir, future.stdout, future.conditions, future.globals,
                             future.packages, future.seed, future.label)
  policy <- new_fault_policy(future.retries, future.timeout, future.on.error)
  values <- map_elements(X, FUN, list(...), "lapply", options, chunking, policy, names(X))
  names(values) <- names(X)
  values
}

# A list whose class may have a `[[` of its own.
taken_apart <- function(X) {
  if (identical(getOption("future.apply.chunkWith", "[["), "[")) return(unclass(X))
  stats::setNames(lapply(seq_along(X), function(i) X[[i]]), names(X))
}

#' @rdname future_lapply
#' @export
future_sapply <- function(X, FUN, ..., simplify = TRUE, USE.NAMES = TRUE, future.envir = parent.frame(),
                          future.label = "future_sapply-%d") {
  FUN <- match.fun(FUN)
  named <- USE.NAMES && is.character(X)
  if (named && is.null(attributes(X))) names(X) <- X # before the map: its error needs them, too
  values <- future_lapply(X, FUN, ..., future.envir = future.envir, future.label = future.label)
  if (named && is.null(names(values))) names(values) <- X
  if (isFALSE(simplify) || !length(values) || keeps_errors(...) && has_error(values)) return(values)
  simplify2array(values, higher = simplify == "array")
}

#' @rdname future_lapply
#' @export
future_vapply <- function(X, FUN, FUN.VALUE, ..., USE.NAMES = TRUE, future.envir = parent.frame(),
                          future.label = "future_vapply-%d") {
  if (!is.vector(X) || is.object(X)) X <- as.list(X)
  FUN <- match.fun(FUN)
  check_flag(USE.NAMES, "USE.NAMES")
  refuse_keep("future_vapply", "its values are all of the type of `FUN.VALUE`",
              "Use future_lapply() or future_sapply(), which can return a condition among the values.", ...)
  if (!is.vector(FUN.VALUE) && !is.array(FUN.VALUE)) {
    invalid_argument("`FUN.VALUE` must be a vector or an array", FUN.VALUE)
  }
  values <- future_lapply(X, checked_value(FUN, FUN.VALUE), ..., future.envir = future.envir,
                          future.label = future.label)
  # The values are checked; base gives them their shape. As in future.apply, strings in X do not become names.
  vapply(values, identity, FUN.VALUE, USE.NAMES = USE.NAMES)
}

#' @rdname future_lapply
#' @export
future_replicate <- function(n, expr, simplify = "array", future.seed = TRUE, ...,
                             future.envir = parent.frame(), future.label = "future_replicate-%d") {
  fun <- eval.parent(substitute(function(...) expr))
  future_sapply(integer(n), fun, simplify = simplify, future.seed = future.seed, ...,
                future.envir = future.envir, future.label = future.label)
}

# ---- Errors that are kept ----

# What is to happen when an element fails or its worker is lost.
new_fault_policy <- function(retries, timeout, on_error) {
  list(retries = check_retries(retries, "future.retries"), timeout = check_timeout(timeout, "future.timeout"),
       keep_going = check_on_error(on_error, "future.on.error") == "keep")
}

# TRUE when `...`, on its way to a map, has future.on.error = "keep".
keeps_errors <- function(...) {
  i <- match("future.on.error", ...names(), 0L)
  i > 0L && identical(...elt(i), "keep")
}

has_error <- function(values) any(vapply(values, inherits, NA, "error"))

# For maps whose result has no place for a condition.
refuse_keep <- function(fun_name, reason, remedy, ...) {
  if (!keeps_errors(...)) return(invisible())
  invalid_argument(sprintf("`future.on.error` of %s() must be \"stop\": %s", fun_name, reason), "keep", remedy)
}

# ---- vapply ----

# FUN with a check of each value, so that a wrong one ends the map at once. Its environment lies above base,
# not above this package: workers need not load it.
checked_value <- function(FUN, FUN.VALUE) {
  eval(value_checker, list2env(list(
    x_FUN = FUN, size = length(FUN.VALUE), type = typeof(FUN.VALUE),
    types = accepted_types(typeof(FUN.VALUE)), dims = dim(FUN.VALUE)
  ), parent = baseenv()))
}

value_checker <- quote({
  refuse <- function(...) {
    class <- c("avenir_invalid_argument", "avenir_error", "simpleError", "error", "condition")
    stop(structure(class = class, list(message = sprintf(...), call = sys.call(-1L))))
  }
  function(x, ...) {
    value <- x_FUN(x, ...)
    if (length(value) != size) {
      refuse("values must be length %d, but FUN(X[[ii]]) result is length %d", size, length(value))
    }
    if (!typeof(value) %in% types) {
      refuse("values must be type '%s', but FUN(X[[ii]]) result is type '%s'", type, typeof(value))
    }
    if (length(dims) && !identical(dim(value), dims)) {
      refuse("dim(FUN(X[[ii]])) must be that of FUN.VALUE, %s", paste(dims, collapse = " x "))
    }
    value
  }
})

# Types that vapply() turns into `type`.
accepted_types <- function(type) {
  ladder <- c("logical", "integer", "double", "complex")
  if (type %in% ladder) ladder[seq_len(match(type, ladder))] else type
}

# ---- Arguments of all maps ----

# Operators such as `%seed%` give arguments, too.
new_map_options <- function(fun_name, envir, stdout, conditions, globals, packages, seed, label) {
  given <- list(stdout = stdout, conditions = conditions, globals = globals, packages = packages, seed = seed,
                label = label)
  given <- replace_arguments(given, take_disposable())
  list(fun_name = fun_name, seed_name = "future.seed", announces = TRUE, envir = envir,
       stdout = check_stdout(given$stdout, "future.stdout"),
       conditions = check_conditions(given$conditions, "future.conditions"),
       globals = check_map_globals(given$globals), seed = given$seed,
       packages = unique(check_packages(given$packages, "future.packages")),
       label = map_label(given$label, fun_name))
}

check_map_globals <- function(globals) {
  check_reserved(if (is.character(globals)) globals else if (is.list(globals)) names(globals))
  named <- !is.list(globals) || !length(globals) || !is.null(names(globals))
  if (named && (is.list(globals) || is.character(globals) || is_flag(globals))) return(globals)
  invalid_argument("`future.globals` must be TRUE, FALSE, names or a named list", globals)
}

# The label of the map's only future, as it were; NULL when there is to be none.
map_label <- function(label, fun_name) {
  if (length(label) != 1L || is.na(label) || !(is.logical(label) || is.character(label))) {
    invalid_argument("`future.label` must be a string, TRUE or FALSE", label)
  }
  if (isFALSE(label)) return(NULL)
  if (isTRUE(label)) label <- paste0(fun_name, "-%d")
  sprintf(label, 1L)
}

# ---- Chunks ----

# What the user asked for. `given`: scheduling is the user's own, so that chunks are not ours to choose.
new_chunking <- function(scheduling, size, given) {
  check_chunk_size(size)
  if (!(is_flag(scheduling) || is_number(scheduling)) || scheduling < 0) {
    invalid_argument("`future.scheduling` must be TRUE, FALSE or one number from 0", scheduling)
  }
  list(scheduling = scheduling, size = size,
       given = given || identical(getOption("avenir.scheduling"), "static"))
}

check_chunk_size <- function(size) {
  if (is.null(size) || (is_number(size) && size > 0)) return(invisible())
  invalid_argument("`future.chunk.size` must be one number above 0 or NULL", size)
}

# The position at which each chunk ends, or NULL for adaptive chunks.
chunk_bounds <- function(chunking, n, workers) {
  if (!is.null(chunking$size)) return(split_bounds(n, max(1, ceiling(n / chunking$size))))
  if (!chunking$given) return(NULL)
  scheduling <- as.vector(chunking$scheduling)
  if (is.logical(scheduling)) return(split_bounds(n, if (scheduling) min(workers, n) else n))
  split_bounds(n, min(max(1, scheduling * min(workers, n)), n))
}

# The ends of the chunks that parallel::splitIndices(n, chunks) makes, without making them.
split_bounds <- function(n, chunks) {
  if (chunks == 1 || n == 1L) return(n)
  fuzz <- min((n - 1L) / 1000, 0.4 * n / chunks)
  breaks <- seq(1 - fuzz, n + fuzz, length.out = chunks + 1L)
  ends <- as.integer(floor(breaks[-1L]))
  ends[length(ends)] <- n
  ends
}

# NULL or the element to be processed at each position.
chunk_order <- function(chunking, n) {
  order <- attr(if (is.null(chunking$size)) chunking$scheduling else chunking$size, "ordering", exact = TRUE)
  if (is.null(order) || n < 2L) return(NULL)
  if (is.character(order) && identical(order[1L], "random")) return(keep_random_seed(sample.int(n)))
  if (is.function(order)) order <- order(n)
  if (is_permutation(order, n)) return(as.integer(order))
  problem <- "attribute `ordering` must be \"random\", a function or a permutation of 1 to %d"
  invalid_argument(sprintf(problem, n), order)
}

is_permutation <- function(x, n) is.numeric(x) && length(x) == n && !anyNA(x) && setequal(x, seq_len(n))

# ---- The map itself ----

# `names`, those of the result, is evaluated for an error only. `sources`: the vectors that the elements are from.
map_elements <- function(x, fun, args, kernel, options, chunking, policy, names = NULL, sources = list(x)) {
  seeds <- map_seeds(options$seed, length(x), options$seed_name)
  backend <- current_backend()
  found <- map_globals(sources, fun, args, options)
  bounds <- chunk_bounds(chunking, length(x), backend_workers(backend))
  check_map_size(found$globals, fun, args, sources, length(x), backend, bounds)
  job <- list(fun = fun, x = x, args = args, kernel = kernel, globals = found$globals,
              packages = found$packages, seeds = seeds, check_rng = is.null(seeds) && isFALSE(options$seed),
              stdout = options$stdout, conditions = options$conditions, bounds = bounds,
              order = chunk_order(chunking, length(x)), label = options$label, name = options$fun_name,
              seed_name = options$seed_name, announces = options$announces, progress = options$progress,
              retries = policy$retries, timeout = policy$timeout, keep_going = policy$keep_going,
              options = task_options(backend))
  evaluate_job(backend, job, names)
}

# Globals of the function, of the arguments that all calls share, and of elements that are functions.
map_globals <- function(sources, fun, args, options) {
  searched <- c(args, unname(Filter(is.list, sources)))
  found <- find_function_globals(fun, searched, options$envir, options$globals, options$packages)
  check_reserved(names(found$globals))
  check_exportable(found$globals)
  found
}

# Names that future.apply keeps for itself; some of them would hide variables of the call of an element.
check_reserved <- function(names) {
  taken <- names[startsWith(as.character(names), "...future.")]
  if (length(taken)) invalid_argument("a global variable must not have a name that begins with `...future.`", taken)
}

# As in future.apply the limit holds for a chunk's share: it is multiplied by the number of chunks.
check_map_size <- function(globals, fun, args, sources, n, backend, bounds) {
  chunks <- if (is.null(bounds)) min(n, backend_workers(backend)) else length(bounds)
  check_travel_size(c(globals, list(FUN = fun, ... = args, X = sources)), backend, chunks)
}

evaluate_job <- function(backend, job, names) {
  failure <- new_map_failure()
  job$harvest <- function(values, done) {
    failure$values <- values
    failure$done <- done
  }
  relay <- new_map_relay(job, failure, inherits(backend, "sequential_backend"))
  ended <- function(error) carry_failure(located_error(error, failure$element, names), failure, job, names)
  values <- tryCatch(backend_map(backend, job, relay$element), error = function(e) stop_map(ended(e), job$announces),
                     interrupt = function(i) stop(ended(map_interrupted(job))))
  relay$finish()
  values
}

map_interrupted <- function(job) interrupted_error(paste0(job$name, "()"))

# The error that ended a map, raised as it was after the warning that future.apply gives; where warnings are turned
# into errors, that one would hide it.
stop_map <- function(error, announces = TRUE) {
  text <- sprintf("Caught %s. Canceling all iterations ...", class(error)[1L])
  if (announces && getOption("warn") < 2L) warning(text, call. = FALSE, immediate. = TRUE)
  stop(error)
}

# A worker that refuses a value does not know which element it is of. One of a map inside says so already.
located_error <- function(error, i, names) {
  if (!inherits(error, "avenir_value_error") || !is.null(error$location) || is.na(i)) return(error)
  error[c("location", "name")] <- list(i, names[i])
  name <- if (isTRUE(nzchar(names[i]))) sprintf("\ni With name: %s.", names[i])
  error$message <- paste0(error$message, sprintf("\ni In index: %d.", i), name)
  error
}

# `element(i, record)` relays one element. That random numbers were drawn without a seed is reported once, and so is
# each kind of thing that elements have left behind, for the first: as a warning at the end or before the error, as an
# error at once. `here`: elements are evaluated in this session, so that an interrupt means the map.
new_map_relay <- function(job, failure, here) {
  misuse <- list()
  finish <- function() {
    reports <- misuse
    misuse <<- list()
    for (report in reports) warning(report)
  }
  note <- function(i, report) {
    kind <- class(report)[1L]
    if (is.null(report) || !is.null(misuse[[kind]])) return()
    if (inherits(report, "error")) fail(i, report)
    misuse[[kind]] <<- report
  }
  fail <- function(i, error) {
    if (!inherits(error, "interrupt")) failure$element <- as.integer(i)
    stop(as_map_error(error, job))
  }
  show <- function(i, record) {
    relay_stdout(record$stdout)
    relay_conditions(record$conditions)
    what <- sprintf("Element %d of %s()", as.integer(i), job$name %||% "a map")
    for (report in left_behind_reports(record$misuse, NULL, what)) note(i, report)
    if (isTRUE(record$rng)) note(i, map_rng_misuse(job$label, job$seed_name))
  }
  keeps <- function(error) {
    job$keep_going && !inherits(error, c("avenir_worker_start_error", if (here) "interrupt"))
  }
  element <- function(i, record) {
    show(i, record)
    error <- record$error %||% element_reference(record, i, job)
    if (is.null(error)) return(NULL)
    if (keeps(error)) return(list(kept_error(as_map_error(error, job), failure, job, i)))
    finish()
    fail(i, error)
  }
  list(element = element, finish = finish)
}

as_map_error <- function(error, job) if (inherits(error, "interrupt")) map_interrupted(job) else error

map_rng_misuse <- function(label, seed_name) {
  label <- if (is.null(label)) "<unnamed>" else sQuote(label)
  rng_misuse(sprintf("One of the %s iterations (%s)", sQuote("avenir"), label), seed_name)
}

# Of a value that is a reference: the error that it is to be, or NULL after the warning.
element_reference <- function(record, i, job) {
  if (!isTRUE(record$reference)) return(NULL)
  misuse <- reference_misuse(sprintf("element %d of %s()", as.integer(i), job$name), record$value)
  if (inherits(misuse, "error")) return(misuse)
  if (!is.null(misuse)) warning(misuse)
  NULL
}
