# Random numbers: states of the L'Ecuyer-CMRG generator, the seeds of futures and of the elements of maps, and
# what a map does to the session's own generator. All arithmetic on states is in C++ (src/rng).

# ---- Exported ----

#' Streams of random numbers
#'
#' `rng_streams()` makes the starting states of `n` independent streams of R's L'Ecuyer-CMRG generator
#' (MRG32k3a). `rng_jump()`, `rng_jump_sub()` and `rng_advance()` move one state ahead: by streams, by
#' substreams, by draws. However far they move, they take microseconds.
#'
#' A state is what R keeps in `.Random.seed` under `RNGkind("L'Ecuyer-CMRG")`: seven integers, of which the
#' first holds the kinds of generator and of normal and sampling method and stays as it is. Streams lie 2^127
#' draws apart and substreams 2^76, so that none runs into the next. The states are those that
#' [parallel::nextRNGStream()] and [parallel::nextRNGSubStream()] give one after the other.
#'
#' @param n For `rng_streams()` the number of states, for the others how many streams or substreams to move
#'   ahead. A whole number from 0: below 2^31 for `rng_streams()`, 2^64 for `rng_jump()`, 2^115 for `rng_jump_sub()`;
#'   further than that the generator's period begins again. Above 2^53 numbers of R are whole by themselves, and what
#'   is taken is the number that R has: not `2^53 + 1`, for instance, which R rounds to `2^53`.
#' @param seed Where the first stream starts. One number: the state after `set.seed(seed)` under
#'   L'Ecuyer-CMRG, with the session's normal and sampling kinds. A state: that state. `NULL`: the session's
#'   generator, its own state when it is L'Ecuyer-CMRG and otherwise one that R derives from its next draw;
#'   the generator then moves on, past the streams given out or by that draw, so that the next call gives
#'   others. A number or a state leaves the session's generator untouched.
#' @param substreams `TRUE` gives substreams of one stream instead of streams.
#' @param state A state: seven integers.
#' @param k How many draws to move ahead: a whole number from 0, below 2^191. Most functions use one draw for one
#'   uniform number; `rnorm()` with R's default method uses two.
#'
#' @return `rng_streams()` a list of `n` states of which the first is the start itself; the others one state.
#' @section Errors:
#' A state that R would not accept (not seven integers, another kind, words out of range, only zeros in one
#' half) and a count that is negative or not whole are errors of class `avenir_invalid_argument`. R itself
#' replaces such a state without a word by one made from the clock.
#' @references
#' L'Ecuyer, P. (1999) Good parameters and implementations for combined multiple recursive random number
#' generators. *Operations Research* **47**, 159--164.
#'
#' L'Ecuyer, P., Simard, R., Chen, E. J. and Kelton, W. D. (2002) An object-oriented random-number package
#' with many long streams and substreams. *Operations Research* **50**, 1073--1075.
#' @seealso [with_rng_stream()] to draw from a state, [thread_runif()] to do so on several threads.
#' @examples
#' streams <- rng_streams(3, seed = 42)
#' identical(streams[[2]], parallel::nextRNGStream(streams[[1]]))
#'
#' # the millionth stream at once, and the second substream in it
#' state <- rng_jump(streams[[1]], 1e6 - 1)
#' rng_jump_sub(state, 1)
#'
#' # skipping draws
#' tail(with_rng_stream(state, runif(5)), 2)
#' with_rng_stream(rng_advance(state, 3), runif(2))
#' @export
rng_streams <- function(n, seed = NULL, substreams = FALSE) {
  n <- check_rng_count(n, "n", 31L)
  substreams <- check_rng_flag(substreams, "substreams")
  state <- if (is.null(seed)) take_streams(n, substreams) else check_rng_start(seed)
  cpp_rng_streams(state, n, substreams)
}

#' @rdname rng_streams
#' @export
rng_jump <- function(state, n) cpp_rng_jump(check_rng_state(state), check_rng_count(n, "n", 64L))

#' @rdname rng_streams
#' @export
rng_jump_sub <- function(state, n) cpp_rng_jump_sub(check_rng_state(state), check_rng_count(n, "n", 115L))

#' @rdname rng_streams
#' @export
rng_advance <- function(state, k) cpp_rng_advance(check_rng_state(state), check_rng_count(k, "k", 191L))

#' Draw from a stream of random numbers
#'
#' Evaluates an expression with the session's generator set to a given state, and afterwards gives the session
#' its generator back as it was: kind and state, or no state where there was none. Also after an error.
#'
#' @param state A state of the L'Ecuyer-CMRG generator: seven integers, as from [rng_streams()]. Anything else
#'   is an error of class `avenir_invalid_argument`.
#' @param expr An expression, evaluated where it is written.
#' @return The value of `expr`.
#' @seealso [rng_streams()]
#' @examples
#' streams <- rng_streams(2, seed = 1)
#' with_rng_stream(streams[[1]], rnorm(3))
#' with_rng_stream(streams[[1]], rnorm(3))  # the same numbers
#' with_rng_stream(streams[[2]], rnorm(3))  # independent ones
#' @export
with_rng_stream <- function(state, expr) {
  state <- check_rng_state(state)
  keep_random_seed({
    set_random_seed(state)
    expr
  })
}

# ---- The session's generator ----

# The state of the session's generator; NULL when it has not been used yet.
get_random_seed <- function() globalenv()[[".Random.seed"]]

# Gives the session's generator a state and its kinds. NULL removes the state and sets the kinds back to
# `kind` (as RNGkind() gives them; NULL: R's defaults). R remembers the kinds apart from the state and would
# make a new state of them when there is none; RNGkind() lets it read them now instead of at the next draw.
set_random_seed <- function(seed, kind = NULL) {
  if (is.null(seed)) {
    remove_random_seed(if (is.null(kind)) rep("default", 3L) else kind)
  } else {
    env <- globalenv()
    env[[".Random.seed"]] <- seed
    RNGkind()
  }
  invisible()
}

# The state goes first, so that RNGkind() tells the kinds that R itself remembers; setting them writes a state
# again.
remove_random_seed <- function(kind) {
  drop_state <- function() {
    if (!is.null(get_random_seed())) rm(list = ".Random.seed", envir = globalenv())
  }
  drop_state()
  if (!identical(RNGkind(), kind)) suppressWarnings(RNGkind(kind[1L], kind[2L], kind[3L]))
  drop_state()
}

# Evaluates `expr`; afterwards the session's generator is as it was before.
keep_random_seed <- function(expr) {
  seed <- get_random_seed()
  kind <- if (is.null(seed)) RNGkind()
  on.exit(set_random_seed(seed, kind))
  expr
}

# Moves the session's generator k draws ahead, in its own kind.
forward_rng <- function(k) {
  for (i in seq_len(k)) sample.int(n = 1L, size = 1L)
  invisible()
}

# ---- Seeds of futures and maps, by the rules of future and future.apply ----

# TRUE for what future takes for a state: seven numbers, Inversion for normal numbers.
is_lecuyer_seed <- function(seed) is.numeric(seed) && length(seed) == 7L && isTRUE(seed[[1L]] %% 10000 == 407)

# The L'Ecuyer-CMRG state that `seed` stands for: TRUE (the session's generator), one number (set.seed()) or a
# state. The session's generator stays as it is. `name` is the argument that errors are about.
as_lecuyer_seed <- function(seed, name = "seed") {
  if (isTRUE(seed)) return(session_lecuyer_seed())
  if (is_lecuyer_seed(seed)) return(check_rng_state(seed, name, NULL))
  if (is_set_seed_number(seed)) return(numbered_lecuyer_seed(seed))
  problem <- "`%s` must be TRUE, FALSE, NULL, one number as for set.seed() or an L'Ecuyer-CMRG state"
  remedy <- "`%s = TRUE` gives reproducible numbers after set.seed(); rng_streams() makes states."
  stop_rng(sprintf(problem, name), seed, sprintf(remedy, name), NULL)
}

# The state of the session's generator, or one that R derives from its next draw when it is of another kind.
session_lecuyer_seed <- function() {
  seed <- get_random_seed()
  if (is_lecuyer_seed(seed)) return(check_rng_state(seed, ".Random.seed", NULL))
  keep_random_seed({
    RNGkind("L'Ecuyer-CMRG")
    get_random_seed()
  })
}

is_set_seed_number <- function(seed) {
  is.numeric(seed) && length(seed) == 1L && isTRUE(abs(seed) <= .Machine$integer.max)
}

numbered_lecuyer_seed <- function(number) {
  keep_random_seed({
    RNGkind("L'Ecuyer-CMRG")
    set.seed(number)
    get_random_seed()
  })
}

# The seeds of a map over n elements: NULL (none), list(base = state) from which element_seed() derives them,
# or list(seeds = states given one by one). Moves the session's generator as future.apply does: two draws, one
# for given states, none for no elements, none on an error. The map must restore that state when it ends.
map_seeds <- function(seed, n, name = "future.seed") {
  if (n == 0 || is.null(seed) || isFALSE(seed)) return(NULL)
  if (is.list(seed)) return(listed_map_seeds(as.list(seed), n, name))
  base <- as_lecuyer_seed(seed, name)
  forward_rng(2L)
  list(base = base)
}

listed_map_seeds <- function(seeds, n, name) {
  check_listed_seeds(seeds, n, name)
  forward_rng(1L)
  list(seeds = seeds)
}

# The `.Random.seed` in which element i (from 1) of a map starts; NULL when the map has no seeds.
element_seed <- function(seeds, i) {
  if (is.null(seeds)) return(NULL)
  if (is.null(seeds$base)) seeds$seeds[[i]] else cpp_element_seed(seeds$base, i)
}

# The `.Random.seed` in which a single future starts; NULL when it has none. TRUE moves the session's
# generator by one draw, before its state is taken; a state is used as it is.
future_seed <- function(seed, name = "seed") {
  if (is.null(seed) || isFALSE(seed)) return(NULL)
  if (is_lecuyer_seed(seed)) return(as_lecuyer_seed(seed, name))
  if (isTRUE(seed)) forward_rng(1L)
  cpp_rng_jump(as_lecuyer_seed(seed, name), 1)
}

# Where rng_streams() starts without a seed. Moves the session's generator past the streams that begin there,
# or past the draw from which the start was derived.
take_streams <- function(n, substreams) {
  state <- session_lecuyer_seed()
  if (n == 0) return(state)
  if (is_lecuyer_seed(get_random_seed())) {
    set_random_seed(cpp_rng_jump(state, if (substreams) 1 else n))
  } else {
    forward_rng(1L)
  }
  state
}

# ---- Checks ----

# The kind words of an L'Ecuyer-CMRG `.Random.seed`: 10000 * sampling + 100 * normal + 7.
lecuyer_kinds <- c(outer(100L * (0:5), 10000L * (0:1), `+`)) + 7L

# A bare integer state, or an error that tells what is wrong with it.
check_rng_state <- function(state, name = "state", call = sys.call(sys.parent())) {
  remedy <- "rng_streams() makes states; `.Random.seed` is one under RNGkind(\"L'Ecuyer-CMRG\")."
  words <- seven_integers(state)
  if (is.null(words)) {
    stop_rng(sprintf("`%s` must be an L'Ecuyer-CMRG state of seven integers", name), state, remedy, call)
  }
  if (!words[1L] %in% lecuyer_kinds) {
    problem <- sprintf("`%s` must begin with the kind word of an L'Ecuyer-CMRG state, such as 10407", name)
    stop_rng(problem, state, remedy, call)
  }
  check_rng_words(words, name, remedy, call)
}

check_rng_words <- function(words, name, remedy, call) {
  fault <- cpp_rng_fault(words)
  if (!nzchar(fault)) return(words)
  stop_rng(sprintf("`%s` cannot be used as a state: it %s", name, fault), words, remedy, call)
}

# NULL when x is not seven whole numbers in R's range. NA_integer_ stands for a word like any other (2^31).
seven_integers <- function(x) {
  if (!is.numeric(x) || length(x) != 7L) return(NULL)
  if (is.integer(x)) return(as.integer(x))
  if (!all(is.finite(x)) || any(x != trunc(x)) || any(abs(x) > .Machine$integer.max)) return(NULL)
  as.integer(x)
}

# The state at which `rng_streams(seed =)` starts.
check_rng_start <- function(seed, call = sys.call(sys.parent())) {
  if (length(seed) == 7L) return(check_rng_state(seed, "seed", call))
  if (is_set_seed_number(seed)) return(numbered_lecuyer_seed(seed))
  stop_rng("`seed` must be NULL, one number as for set.seed() or an L'Ecuyer-CMRG state", seed,
           "`seed = 42` gives the same streams in every session.", call)
}

# From 0, below 2^bits.
check_rng_count <- function(x, name, bits, call = sys.call(sys.parent())) {
  if (is.numeric(x) && length(x) == 1L && isTRUE(x >= 0 && x < 2^bits && x == trunc(x))) return(as.numeric(x))
  stop_rng(sprintf("`%s` must be one whole number from 0, below 2^%d", name, bits), x,
           "Give a count such as 3; states only move ahead.", call)
}

check_rng_flag <- function(x, name, call = sys.call(sys.parent())) {
  if (isTRUE(x) || isFALSE(x)) return(isTRUE(x))
  stop_rng(sprintf("`%s` must be TRUE or FALSE", name), x, "Give one of the two.", call)
}

check_listed_seeds <- function(seeds, n, name) {
  if (length(seeds) != n) {
    problem <- "`%s` must hold one state for each of the %.0f elements, not %d"
    stop_rng(sprintf(problem, name, n, length(seeds)), seeds, "rng_streams(n) makes n states.", NULL)
  }
  check_seed_shapes(seeds, name)
  if (!is_accepted_by_r(seeds[[1L]])) stop_listed_seed(seeds, 1L, name, "is not a state that R accepts")
  bad <- cpp_rng_first_fault(seeds)
  if (bad > 0) stop_listed_seed(seeds, bad, name, cpp_rng_fault(seeds[[bad]]))
}

# All integers, all of one length above 1: numbers for set.seed() are no states.
check_seed_shapes <- function(seeds, name) {
  sizes <- lengths(seeds)
  bad <- which(!vapply(seeds, is.integer, NA) | sizes < 2L | sizes != sizes[1L])
  if (length(bad)) stop_listed_seed(seeds, bad[1L], name, "is not an integer state as long as the first")
}

stop_listed_seed <- function(seeds, i, name, fault) {
  stop_rng(sprintf("`%s` must be a list of states, but element %.0f %s", name, i, fault), seeds[[i]],
           "Elements are values of `.Random.seed`; rng_streams(n) makes n of them.", NULL)
}

# R ignores with a warning, or refuses, what it cannot use as `.Random.seed`.
is_accepted_by_r <- function(seed) {
  refused <- function(condition) FALSE
  keep_random_seed(tryCatch({
    set_random_seed(seed)
    forward_rng(1L)
    TRUE
  }, warning = refused, error = refused))
}

# States the problem (which names the argument), the value it has and the remedy.
stop_rng <- function(problem, value, remedy, call) {
  message <- sprintf("%s; it is %s.\ni %s", problem, deparse_short(value), remedy)
  stop_avenir(message, class = "avenir_invalid_argument", call = call)
}

deparse_short <- function(x) {
  text <- paste(deparse(x, width.cutoff = 60L, nlines = 2L), collapse = " ")
  if (nchar(text) > 80L) paste0(substr(text, 1L, 77L), "...") else text
}
