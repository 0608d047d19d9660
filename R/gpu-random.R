# Random numbers on a device: the draws of R's own generator, from a state.

#' Random numbers on a GPU
#'
#' `gpu_runif()` and `gpu_rnorm()` give the numbers that [runif()] and [rnorm()] draw from a state of R's L'Ecuyer-CMRG
#' generator, as [thread_runif()] and [thread_rnorm()] do, made on the device.
#'
#' @details
#' The numbers do not depend on the device. Uniform ones are the same bits everywhere; normal ones are so on the CPU,
#' and differ on a GPU by its rounding of logarithms. Floats are these numbers, rounded.
#'
#' The state from which to draw the next numbers is `rng_advance(state, n)` after `n` uniform numbers and
#' `rng_advance(state, 2 * n)` after `n` normal ones. The session's own generator is neither used nor changed.
#'
#' @param n How many numbers.
#' @param state A state of the L'Ecuyer-CMRG generator, as from [rng_streams()].
#' @param min,max,mean,sd Single finite numbers, `min` not above `max`, `sd` not negative.
#' @param type `"double"` or `"float"`.
#' @param device As for [gpu_array()].
#' @return A `gpu_array` of `n` numbers.
#' @section Errors:
#' `avenir_invalid_argument`, as for [thread_runif()].
#' @seealso [rng_streams()]
#' @examples
#' state <- rng_streams(1, seed = 42)[[1]]
#' x <- gpu_runif(1e4, state)
#' identical(as.vector(x), thread_runif(1e4, state))
#' mean(gpu_rnorm(1e4, state, mean = 10))
#' @export
gpu_runif <- function(n, state, min = 0, max = 1, type = "double", device = "auto") {
  min <- check_parameter(min, "min")
  max <- check_parameter(max, "max")
  if (min > max) stop_rng("`min` must not be above `max`", max, "Exchange the two.", sys.call())
  draw_on_device(n, state, FALSE, min, max - min, type, device)
}

#' @rdname gpu_runif
#' @export
gpu_rnorm <- function(n, state, mean = 0, sd = 1, type = "double", device = "auto") {
  mean <- check_parameter(mean, "mean")
  sd <- check_parameter(sd, "sd")
  if (sd < 0) stop_rng("`sd` must not be negative", sd, "Standard deviations are at least 0.", sys.call())
  draw_on_device(n, check_inversion(check_rng_state(state)), TRUE, mean, sd, type, device)
}

draw_on_device <- function(n, state, normal, offset, factor, type, device) {
  n <- check_rng_count(n, "n", 52L)
  state <- check_rng_state(state)
  if (!identical(type, "double") && !identical(type, "float")) {
    invalid_argument("`type` must be \"double\" or \"float\"", type)
  }
  install_methods()
  cpp_gpu_draws(state, n, normal, offset, factor, type, check_device(device))
}

check_parameter <- function(x, name, call = sys.call(sys.parent())) {
  if (is_number(x) && is.finite(x)) return(as.double(x))
  stop_rng(sprintf("`%s` must be one finite number", name), x, "thread_runif() and thread_rnorm() take several.", call)
}
