# Known answers: R's own runif() and rnorm() from the same state.

state <- rng_streams(1, seed = 42)[[1L]]
normal_state <- function(kind) replace(state, 1L, 10007L + 100L * kind)

expect_refused <- function(object, message) {
  expect_error(object, message, class = "avenir_invalid_argument", fixed = TRUE)
}


test_that("uniform and normal numbers of any length are R's, to the bit", {
  for (n in c(0, 1, 2, 511, 513, 8207, 65665)) {
    expect_identical(thread_runif(n, state), with_rng_stream(state, runif(n)))
    expect_identical(thread_rnorm(n, state), with_rng_stream(state, rnorm(n)))
  }
})

test_that("the number of threads changes nothing", {
  expected <- with_rng_stream(state, list(runif(1e6), rnorm(1e6)))
  after <- rng_advance(state, 1e6)
  for (threads in c(1L, 2L, 7L)) {
    with_cpu_threads(threads, {
      expect_identical(thread_runif(1e6, state), expected[[1L]])
      expect_identical(thread_rnorm(1e6, after), expected[[2L]])
    })
  }
})

test_that("the numbers are nobody else's: an assignment writes into them", {
  x <- thread_runif(1e5, state)
  before <- utils::capture.output(.Internal(address(x)))
  x[1] <- 0
  expect_identical(utils::capture.output(.Internal(address(x))), before)
})

test_that("numbers go on from rng_advance(): one draw for a uniform number, two for a normal one", {
  expect_identical(c(thread_runif(1000, state), thread_runif(500, rng_advance(state, 1000))), thread_runif(1500, state))
  expect_identical(c(thread_rnorm(1000, state), thread_rnorm(500, rng_advance(state, 2000))), thread_rnorm(1500, state))
})

test_that("limits, means and deviations are R's, single, recycled and integer", {
  for (limits in list(c(-1, 1), list(-3:-1, c(0.1, 5)), list(2L, 4:8), list(-1e308, 1e308), list(numeric(9), 1:2))) {
    expect_identical(thread_runif(1003, state, limits[[1L]], limits[[2L]]),
                     with_rng_stream(state, runif(1003, limits[[1L]], limits[[2L]])))
  }
  for (moments in list(c(3, 2), list(1:3, 0.1), list(-1, c(2, 1e-300)), list(1:5, 1:2))) {
    expect_identical(thread_rnorm(1003, state, moments[[1L]], moments[[2L]]),
                     with_rng_stream(state, rnorm(1003, moments[[1L]], moments[[2L]])))
  }
})

test_that("as in R nothing is drawn for numbers that are certain", {
  expect_identical(thread_runif(10, state, c(1, 0), 1), with_rng_stream(state, runif(10, c(1, 0), 1)))
  expect_identical(thread_rnorm(10, state, c(0, Inf), 1:3), with_rng_stream(state, rnorm(10, c(0, Inf), 1:3)))
  expect_identical(thread_rnorm(10, state, 5, c(0, 1)), with_rng_stream(state, rnorm(10, 5, c(0, 1))))
})

test_that("any words that R takes give R's numbers", {
  set.seed(varied_seed())
  for (i in 1:20) {
    words <- rng_advance(rng_jump(state, sample.int(1e6, 1L)), sample.int(1e6, 1L))
    expect_identical(thread_rnorm(2000, words), with_rng_stream(words, rnorm(2000)), info = deparse(words))
  }
  largest <- c(10407L, rep(-210L, 3L), rep(-22854L, 3L)) # both moduli less 1
  expect_identical(thread_runif(5000, largest), with_rng_stream(largest, runif(5000)))
})

test_that("the session's generator is left alone", {
  set.seed(1)
  before <- random_seed()
  thread_runif(1e5, state)
  thread_rnorm(10, state, c(0, Inf))
  try(thread_runif(-1, state), silent = TRUE)
  expect_identical(random_seed(), before)
})

test_that("in a fork of a session that has used threads the numbers are the same", {
  skip_on_os("windows")
  thread_runif(1e6, state)
  forked <- parallel::mcparallel(thread_rnorm(3e5, state))
  expect_identical(parallel::mccollect(forked)[[1L]], thread_rnorm(3e5, state))
})

test_that("a count that is none is refused", {
  for (n in list(-1, 1.5, NA, NaN, Inf, "3", 1:2, NULL, 2^52)) {
    expect_refused(thread_runif(n, state), "`n` must be one whole number from 0, below 2^52; it is ")
    expect_refused(thread_rnorm(n, state), "`n` must be one whole number from 0, below 2^52; it is ")
  }
})

test_that("more numbers than memory holds are R's own error", {
  expect_error(thread_runif(2^51, state), "cannot allocate")
})

test_that("a state that is none is refused", {
  expect_refused(thread_runif(1, 1:3), "`state` must be an L'Ecuyer-CMRG state of seven integers; it is 1:3")
  expect_refused(thread_rnorm(1, replace(state, 1L, 10403L)), "`state` must begin with the kind word")
  expect_refused(thread_rnorm(1, c(10407L, 0L, 0L, 0L, 1:3)), "has only zeros in words 1 to 3")
  expect_refused(thread_runif(1, c(10407L, -1L, 2:6)), "word 1 = 4294967295, which must be below 4294967087")
})

test_that("thread_rnorm() refuses a state of another method than inversion; thread_runif() has no need to", {
  for (kind in c(0:3, 5)) expect_refused(thread_rnorm(1, normal_state(kind)), "\"Inversion\" for normal numbers")
  expect_identical(thread_runif(9, normal_state(2)), thread_runif(9, state))
})

test_that("limits and moments for which R gives NaN are refused by name and value", {
  for (bad in list(NA, Inf, "a", numeric(), NULL, c(1, NA), factor(1))) {
    expect_refused(thread_runif(2, state, bad), "`min` must be one number or several, all finite; it is ")
    expect_refused(thread_runif(2, state, 0, bad), "`max` must be one number or several, all finite; it is ")
    expect_refused(thread_rnorm(2, state, 0, bad), "`sd` must be one number or several, all finite and not negative")
  }
  expect_refused(thread_rnorm(2, state, NA_real_), "`mean` must be one number or several, all not NA; it is NA_real_")
  expect_refused(thread_rnorm(2, state, 0, -1), "`sd` must be one number or several, all finite and not negative; it")
  expect_refused(thread_runif(2, state, 2, 1), "`min` must not be above `max`; it is 1")
  error <- tryCatch(thread_runif(2, state, 2, 1), error = identity)
  expect_identical(conditionCall(error), quote(thread_runif(2, state, 2, 1)))
})
