# threaded() against base R on random expressions. With the C library's own mathematics the bits are the same; with the
# vectorised libraries each function is at most 4 units in the last place away.

random_run <- function(count, name) {
  seed <- varied_seed()
  cat(sprintf("%s: %d, seed %d\n", name, count, seed), file = stderr())
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
  seed
}

test_that("10,000 random expressions give base R's bits, attributes and warnings", {
  local_options(avenir.threads.math = "scalar", avenir.threads = 2L)
  local_minimum(2)
  seed <- random_run(10000L, "random expressions")
  unlike <- character(10000L)
  for (i in seq_along(unlike)) {
    if (i %% 20L == 1L) env <- list2env(random_variables(sample(c(12L, 36L, 40L), 1L), sample(c(2L, 4L), 1L)))
    unlike[i] <- unlike_base(random_expression(sample(4L, 1L)), env)
  }
  expect_identical(unlike[!unlike %in% c(NA, "")], character(), info = paste("seed", seed))
  expect_gt(sum(unlike %in% ""), 7000)
})

test_that("longer vectors, in several pieces, give the same bits on 1, 2 and 7 threads and under each library", {
  seed <- random_run(30L, "long random expressions")
  sources <- c("scalar", Filter(has_mathematics, c("SLEEF", "libmvec")))
  env <- list2env(random_variables(40000L, 8L))
  for (i in seq_len(30L)) {
    code <- random_expression(3L)
    for (source in sources) {
      on_threads <- function(n) with_options(list(avenir.threads = n, avenir.threads.math = source),
                                             outcome_of(code, env, threads = TRUE))
      one <- on_threads(1L)
      for (n in c(2L, 7L)) expect_identical(on_threads(n), one, info = paste(seed, n, source, deparse1(code)))
    }
  }
})

# Arguments over all of a function's domain and beyond, as many as fill a few tiles.
arguments_of <- function(name) {
  wide <- c(special_numbers, 10^runif(1500L, -320, 308) * sample(c(-1, 1), 1500L, TRUE))
  c(wide, rnorm(1500L, sd = 3), runif(1500L, -1, 1), runif(500L, -750, 750))
}

test_that("each function of each library is at most 4 units in the last place from base R, with R's NA and NaN", {
  seed <- random_run(1L, "functions")
  kinds <- c("scalar", paste0(rep(c("SLEEF", "libmvec"), each = 3L), ":", c("narrow", "AVX2", "AVX-512")))
  kinds <- Filter(has_mathematics, kinds)
  for (name in names_of_mathematics) {
    x <- arguments_of(name)
    code <- call(name, quote(x))
    base <- suppressWarnings(eval(code))
    for (kind in kinds) {
      ours <- with_options(list(avenir.threads.math = kind),
                           suppressWarnings(avenir:::cpp_threaded(code, environment())))
      worst <- which.max(units_apart(ours, base))
      info <- sprintf("seed %d: %s, %s(%.17g) is %.17g, not %.17g", seed, kind, name, x[worst], ours[worst],
                      base[worst])
      expect_lte(units_apart(ours, base)[worst], if (kind == "scalar") 0 else 4, label = info)
      expect_identical(is.nan(ours), is.nan(base), info = info)
      expect_identical(1 / ours[x %in% 0], 1 / base[x %in% 0], info = info)
    }
  }
})

test_that("powers and atan2() of each library are at most 4 units in the last place from base R", {
  seed <- random_run(1L, "powers")
  x <- arguments_of("^")
  y <- sample(c(x[abs(x) < 40], round(x[abs(x) < 5])), length(x), TRUE)
  kinds <- Filter(has_mathematics, c("scalar", paste0(rep(c("SLEEF", "libmvec"), each = 3L), ":",
                                                      c("narrow", "AVX2", "AVX-512"))))
  for (kind in kinds) {
    local_options(avenir.threads.math = kind)
    for (code in expression(abs(x)^y, x^y, x^3, 2^y, atan2(y, x), atan2(x, y))) {
      ours <- suppressWarnings(avenir:::cpp_threaded(code, environment()))
      base <- suppressWarnings(eval(code))
      worst <- which.max(units_apart(ours, base))
      info <- sprintf("seed %d: %s %s of %.17g and %.17g is %.17g, not %.17g", seed, kind, deparse(code), x[worst],
                      y[worst], ours[worst], base[worst])
      expect_lte(units_apart(ours, base)[worst], if (kind == "scalar") 0 else 4, label = info)
    }
  }
})

test_that("reductions of each library's width are base R's within the last digits", {
  seed <- random_run(1L, "reductions")
  for (kind in Filter(has_mathematics, paste0("scalar:", c("narrow", "AVX2", "AVX-512")))) {
    local_options(avenir.threads.math = kind)
    x <- rnorm(50001L)
    expect_lte(abs(threaded(sum(x)) - sum(x)), 4e-16 * sum(abs(x)))
    expect_lte(abs(threaded(mean(x)) - mean(x)), 4e-16)
    expect_equal(threaded(prod(1 + x * 1e-6)), prod(1 + x * 1e-6), tolerance = 1e-12)
    expect_identical(threaded(range(x)), range(x))
    x[40000] <- Inf
    expect_identical(threaded(sum(x)), Inf)
    x[2] <- -Inf
    expect_identical(threaded(sum(x)), NaN)
    x[50001] <- NA
    expect_identical(threaded(sum(x)), NA_real_)
    expect_identical(threaded(c(max(x), 0)[1]), max(x))
    expect_identical(threaded(max(x, na.rm = TRUE)), Inf)
  }
  huge <- rep(c(1.7e308, -1.7e308), 1000L)
  expect_identical(threaded(sum(huge)), sum(huge))
})
