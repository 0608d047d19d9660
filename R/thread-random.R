# Random numbers on several threads. All arithmetic is in C++ (src/rng).

#' Random numbers on several threads
#'
#' `thread_runif()` and `thread_rnorm()` give, bit for bit, what [runif()] and [rnorm()] draw from a state of R's
#' L'Ecuyer-CMRG generator, computed by [cpu_threads()] threads. The result does not depend on their number.
#'
#' @details
#' `thread_runif(n, state, ...)` is `with_rng_stream(state, runif(n, ...))`, and likewise for `thread_rnorm()`, whose
#' state must be one of R's default method for normal numbers, inversion. The session's own generator is neither used
#' nor changed.
#'
#' The state from which to draw the next numbers is `rng_advance(state, n)` after `n` numbers of `thread_runif()` and
#' `rng_advance(state, 2 * n)` after `n` numbers of `thread_rnorm()`, which takes two draws for each. As in R nothing is
#' drawn for a number that is certain: where `min` is `max`, where `sd` is 0 and where `mean` is infinite.
#'
#' `min`, `max`, `mean` and `sd` may be vectors, which are recycled. Where some of their numbers are certain, R itself
#' draws, on one thread.
#'
#' The numbers are those of R on a processor of the x86-64 family; elsewhere a compiler may round differently in R.
#'
#' @param n How many numbers: one whole number from 0, below 2^52; each takes 8 bytes.
#' @param state A state of the L'Ecuyer-CMRG generator, as from [rng_streams()].
#' @param min,max,mean,sd As for [runif()] and [rnorm()].
#' @return A numeric vector of length `n`.
#' @section Errors:
#' `avenir_invalid_argument` for a state that R would not accept, an `n` that is no such number, limits that are not
#' finite or `min` above `max`, a `mean` that is `NA`, an `sd` that is negative or not finite, and for a state of
#' another method than inversion in `thread_rnorm()`. What R answers with `NaN` and a warning is an error here.
#' @references
#' L'Ecuyer, P. (1999) Good parameters and implementations for combined multiple recursive random number
#' generators. *Operations Research* **47**, 159--164.
#'
#' Wichura, M. J. (1988) Algorithm AS 241: The percentage points of the normal distribution. *Applied Statistics*
#' **37**, 477--484.
#' @seealso [rng_streams()], [cpu_threads()]
#' @examples
#' state <- rng_streams(1, seed = 42)[[1]]
#' x <- thread_runif(1e5, state)
#' identical(x, with_rng_stream(state, runif(1e5)))
#'
#' # the numbers after those
#' thread_rnorm(3, rng_advance(state, 1e5), mean = 10)
#' @export
thread_runif <- function(n, state, min = 0, max = 1) {
  n <- check_rng_count(n, "n", 52L)
  state <- check_rng_state(state)
  min <- check_draw_numbers(min, "min", is.finite, "finite")
  max <- check_draw_numbers(max, "max", is.finite, "finite")
  given <- recycle_alike(min, max, n)
  width <- given[[2L]] - given[[1L]]
  if (any(width < 0)) stop_rng("`min` must not be above `max`", max, "Exchange the two.", sys.call())
  if (any(given[[1L]] == given[[2L]])) return(with_rng_stream(state, stats::runif(n, min, max)))
  draw_on_threads(n, state, FALSE, given[[1L]], width)
}

#' @rdname thread_runif
#' @export
thread_rnorm <- function(n, state, mean = 0, sd = 1) {
  n <- check_rng_count(n, "n", 52L)
  state <- check_inversion(check_rng_state(state))
  mean <- check_draw_numbers(mean, "mean", function(x) !is.nan(x), "not NA")
  sd <- check_draw_numbers(sd, "sd", function(x) is.finite(x) & x >= 0, "finite and not negative")
  if (any(sd == 0) || any(is.infinite(mean))) return(with_rng_stream(state, stats::rnorm(n, mean, sd)))
  draw_on_threads(n, state, TRUE, mean, sd)
}

draw_on_threads <- function(n, state, normal, offset, factor) {
  on_threads(cpp_thread_draws, state, n, normal, offset, factor)
}

# Both as long as the pairs that runif() makes of them, unless one is a single number.
recycle_alike <- function(a, b, n) {
  if (length(a) == 1L || length(b) == 1L || length(a) == length(b)) return(list(a, b))
  list(rep_len(a, n), rep_len(b, n))
}

# ---- Checks ----

check_draw_numbers <- function(x, name, holds, what, call = sys.call(sys.parent())) {
  if (is.numeric(x) && !is.object(x) && length(x) && !anyNA(x) && all(holds(x))) return(as.double(x))
  stop_rng(sprintf("`%s` must be one number or several, all %s", name, what), x,
           "Numbers are recycled to the length of the result.", call)
}

check_inversion <- function(state, call = sys.call(sys.parent())) {
  if (state[1L] %/% 100L %% 100L == 4L) return(state)
  stop_rng("`state` must be one of the method \"Inversion\" for normal numbers, with 4 in its kind word's hundreds",
           state,
           "with_rng_stream(state, rnorm(n)) draws by the other methods.", call)
}
