# Random streams, and numbers on several threads.

first_state <- function() avenir::rng_streams(1, seed = 1)[[1L]]

iterated_streams <- function(state, n) {
  states <- vector("list", n)
  for (i in seq_len(n)) {
    states[[i]] <- state
    state <- parallel::nextRNGStream(state)
  }
  states
}

bench_row("streams-100k", "100,000 streams of L'Ecuyer's generator", function(at) {
  n <- at$size(1e5, 1000)
  state <- first_state()
  list(avenir = function() avenir::rng_streams(n, state),
       nextRNGStream = function() iterated_streams(state, n),
       .serial = function() iterated_streams(state, n))
}, runs = 5,
goals = list(goal("\u2265 20 \u00d7 faster than nextRNGStream()", function(m) {
  m[["nextRNGStream"]] >= 20 * m[["avenir"]]
})))

bench_row("streams-jump", "the millionth stream", function(at) {
  n <- 1000
  state <- first_state()
  list(avenir = function() for (i in seq_len(n)) avenir::rng_jump(state, 1e6),
       nextRNGStream = smaller(function() iterated_streams(state, at$size(1e4, 100)), at$size(100, 1e4) * n))
}, per = function(at) 1000)

# By forks: each draws its part, from the state where that begins.
forked_numbers <- function(state, n, workers, draw, draws_each) {
  size <- n / workers
  starts <- lapply(seq_len(workers) - 1, function(i) avenir::rng_advance(state, i * size * draws_each))
  unlist(parallel::mclapply(starts, function(start) avenir::with_rng_stream(start, draw(size)), mc.cores = workers))
}

# The same numbers by all sides; `.serial` is R's own generator.
number_sides <- function(at, n, own, draw, draws_each) {
  state <- first_state()
  list(avenir = function() avenir::with_cpu_threads(at$workers, own(n, state)),
       `avenir 1 thread` = function() avenir::with_cpu_threads(1, own(n, state)),
       mclapply = function() forked_numbers(state, n, at$workers, draw, draws_each),
       .serial = function() avenir::with_rng_stream(state, draw(n)),
       .fill = fresh_fill(n, at$workers))
}

fill_floor <- function(m) if (".fill" %in% names(m)) m[[".fill"]]

bench_row("thread-runif", "1e8 uniform numbers of a stream", function(at) {
  number_sides(at, at$size(1e8, 1e5), avenir::thread_runif, stats::runif, 1)
}, runs = 5, floor = fill_floor, floor_is = "fresh memory, filled by as many threads",
goals = list(goal("\u2265 4 \u00d7 faster than runif()", function(m) m[[".serial"]] >= 4 * m[["avenir"]])))

bench_row("thread-rnorm", "5e7 normal numbers of a stream", function(at) {
  number_sides(at, at$size(5e7, 1e5), avenir::thread_rnorm, stats::rnorm, 2)
}, runs = 5, floor = fill_floor, floor_is = "fresh memory, filled by as many threads",
goals = list(goal("\u2265 4 \u00d7 faster than rnorm()", function(m) m[[".serial"]] >= 4 * m[["avenir"]])))
