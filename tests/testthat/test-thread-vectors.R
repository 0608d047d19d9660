# thread_sum() and its relatives, thread_sort(), thread_order() and thread_table() against base R.

expect_refused <- function(object, message) {
  expect_error(object, message, class = "avenir_invalid_argument", fixed = TRUE)
}

# Vectors with all that is odd in them: ties, zeros of both signs, missing elements of both kinds, far apart numbers.
random_doubles <- function(n) {
  switch(sample(6L, 1L),
    runif(n), rnorm(n), round(rnorm(n), 2),
    sample(c(-1, 0, -0, 1, NA, NaN, Inf, -Inf), n, TRUE),
    c(1e300, rnorm(n - 1L) * 10^sample(-300:300, n - 1L, TRUE)),
    sample(c(rep(5, 8), runif(3)), n, TRUE))
}

random_integers <- function(n) {
  largest <- .Machine$integer.max
  switch(sample(4L, 1L),
    sample.int(n), sample(c(NA, 1:50), n, TRUE), sample(c(-largest, largest, 0L), n, TRUE),
    sample(-5:5, n, TRUE) * 1000000L)
}

random_vectors <- function() {
  n <- sample(c(10000L, 16384L, 16385L, 50000L, 150001L), 1L)
  list(random_doubles(n), random_integers(n), sample(c(TRUE, FALSE, NA), n, TRUE))
}

on_some_threads <- function(expr) with_cpu_threads(sample(c(1L, 2L, 7L), 1L), expr)

seeded <- function(name, runs, check) {
  seed <- varied_seed()
  cat(sprintf("%s: %d, seed %d\n", name, runs, seed), file = stderr())
  set.seed(seed)
  for (i in seq_len(runs)) on_some_threads(check(sprintf("AVENIR_TEST_SEED=%d, run %d", seed, i)))
}

# Zeros of the two signs are identical() and not the same.
expect_same_numbers <- function(x, y, info) {
  expect_identical(x, y, info = info)
  if (is.double(x)) expect_identical(1 / x, 1 / y, info = info)
}

test_that("sorted vectors are R's, to the sign of a zero", {
  seeded("sorts", 12L, function(info) {
    for (x in random_vectors()) for (na.last in list(TRUE, FALSE, NA)) {
      decreasing <- runif(1) < 0.5
      expect_same_numbers(thread_sort(x, decreasing, na.last), sort(x, decreasing, na.last = na.last), info)
    }
  })
})

test_that("orders by one key and by several are R's, ties and missing elements included", {
  seeded("orders", 8L, function(info) {
    keys <- random_vectors()
    for (na.last in list(TRUE, FALSE, NA)) {
      down <- runif(3) < 0.5
      for (i in 1:3) {
        expect_identical(thread_order(keys[[i]], decreasing = down[i], na.last = na.last),
                         order(keys[[i]], decreasing = down[i], na.last = na.last), info = info)
      }
      expect_identical(thread_order(keys[[3]], round(keys[[1]]), keys[[2]], decreasing = down, na.last = na.last),
                       order(keys[[3]], round(keys[[1]]), keys[[2]], decreasing = down, na.last = na.last,
                             method = "radix"), info = info)
    }
  })
})

test_that("tables are R's, whatever is counted", {
  seeded("tables", 8L, function(info) {
    vectors <- random_vectors()
    letter <- factor(sample(c(letters, NA), length(vectors[[1]]), TRUE), levels = letters[3:26])
    digit <- round(runif(length(letter)), 1) * 3 # some print alike and differ
    flag <- vectors[[3]]
    for (useNA in c("no", "ifany", "always")) {
      for (x in c(vectors[2:3], list(letter, digit))) {
        expect_identical(thread_table(x, useNA = useNA), table(x, useNA = useNA), info = info)
      }
      expect_identical(thread_table(letter, flag, big = vectors[[1]] > 0, digit, useNA = useNA),
                       table(letter, flag, big = vectors[[1]] > 0, digit, useNA = useNA), info = info)
    }
  })
})

test_that("numbers that print alike are one value of a table, and NaN is a value of its own", {
  x <- rep(c(0.3, 0.1 + 0.2, 1, NaN, NA), 4000)
  expect_identical(thread_table(x), table(x))
  expect_identical(thread_table(x, x), table(x, x))
  expect_identical(thread_table(x, useNA = "ifany"), table(x, useNA = "ifany"))
  wide <- sample(c(-2e9, 0, 2e9), 20000, TRUE)
  expect_identical(thread_table(as.integer(wide)), table(as.integer(wide), dnn = ""))
  expect_identical(thread_table(x > 0, dnn = "positive"), table(x > 0, dnn = "positive"))
})

test_that("sums, means and extremes are R's; sums of doubles lose nothing on the way", {
  seeded("sums", 10L, function(info) {
    vectors <- random_vectors()
    for (na.rm in c(TRUE, FALSE)) for (i in 1:3) suppressWarnings({
      x <- vectors[[i]]
      expect_identical(thread_min(x, na.rm), min(x, na.rm = na.rm), info = info)
      expect_identical(thread_max(x, na.rm), max(x, na.rm = na.rm), info = info)
      expect_identical(thread_range(x, na.rm), range(x, na.rm = na.rm), info = info)
      expect_equal(thread_mean(x, na.rm), mean(x, na.rm = na.rm), info = info)
      if (i > 1L) expect_identical(thread_sum(x, na.rm), sum(x, na.rm = na.rm), info = info)
    })
  })
  expect_identical(thread_sum(rep(c(1e16, 1, -1e16), 10000)), 10000)
  expect_identical(thread_sum(rep(0.1, 1e5)), 1e5 * 0.1)
})

test_that("where integers do not suffice results and warnings are R's", {
  x <- rep(.Machine$integer.max, 20000)
  expect_identical(thread_sum(x), sum(x))
  expect_warning(sums <- thread_cumsum(x), "integer overflow in 'cumsum'")
  expect_identical(sums, suppressWarnings(cumsum(x)))
})

test_that("cumulative sums are R's up to the last digit, the same on any number of threads, with names", {
  x <- rnorm(300000)
  one <- with_cpu_threads(1, thread_cumsum(x))
  for (threads in c(2L, 7L)) expect_identical(with_cpu_threads(threads, thread_cumsum(x)), one)
  expect_equal(one, cumsum(x), tolerance = 1e-14)
  i <- sample(-10:10, 200000, TRUE)
  expect_identical(thread_cumsum(i), cumsum(i))
  i[150000] <- NA
  expect_identical(thread_cumsum(i), cumsum(i))
  expect_identical(thread_cumsum(i > 0), cumsum(i > 0))
  x[100000] <- NA
  expect_identical(is.na(thread_cumsum(x)), is.na(cumsum(x)))
  names(i) <- seq_along(i)
  expect_identical(thread_cumsum(i), cumsum(i))
})

test_that("names stay with their elements, and other attributes go, as in sort()", {
  x <- stats::setNames(runif(20000), seq_len(20000))
  expect_identical(thread_sort(x), sort(x))
  m <- matrix(runif(20000), 100)
  expect_identical(thread_sort(m), sort(m))
  sorted <- sort(runif(20000))
  expect_identical(thread_sort(sorted), sorted)
})

test_that("objects with a class are sorted and summed as R does it", {
  set.seed(1)
  day <- as.Date("2020-01-01") + sample(3000, 20000, TRUE)
  code <- factor(sample(letters, 20000, TRUE))
  expect_identical(thread_sort(day), sort(day))
  expect_identical(thread_range(day), range(day))
  expect_identical(thread_sort(code, decreasing = TRUE), sort(code, decreasing = TRUE))
  expect_identical(thread_order(code, day), order(code, day))
  expect_error(thread_sum(day), "not defined")
})

test_that("short and empty vectors and compact sequences are R's own", {
  for (x in list(numeric(), integer(), c(2, NA, 1), c(TRUE, FALSE))) {
    expect_identical(thread_sort(x), sort(x))
    expect_identical(thread_order(x), order(x))
    expect_identical(thread_table(x), table(x))
    expect_identical(thread_cumsum(x), cumsum(x))
    expect_identical(thread_sum(x), sum(x))
  }
  expect_warning(thread_max(numeric()), "-Inf")
  expect_identical(thread_sum(1:1e9), sum(1:1e9))
  expect_identical(thread_mean(1:1e9), mean(1:1e9))
})

test_that("what cannot be summed, sorted or counted is named, with a remedy", {
  code <- factor(c("a", "b"))
  expect_refused(thread_sum(code), "as.integer() gives a factor's codes")
  expect_refused(thread_sum(list(1)), "no object of type list")
  expect_refused(thread_mean("a"), "no object of type character")
  expect_refused(thread_cumsum(1i), "no object of type complex")
  expect_refused(thread_sort(c("b", "a")), "sort() sorts strings")
  expect_refused(thread_sort(list(2, 1)), "no object of type list")
  expect_refused(thread_order(1:2, c("b", "a")), "`..2` must be")
  expect_refused(thread_order(1:2, 1:3), "one length")
  expect_refused(thread_order(), "at least one vector")
  expect_refused(thread_table(letters), "a factor of them is counted fast")
  expect_refused(thread_table(1:2, 1:3), "one length")
  expect_refused(thread_sum(1, na.rm = NA), "`na.rm`")
  expect_refused(thread_sort(1, decreasing = NA), "`decreasing`")
  expect_refused(thread_sort(1, na.last = "yes"), "`na.last`")
  expect_refused(thread_order(1, 2, decreasing = c(TRUE, FALSE, TRUE)), "`decreasing`")
})

test_that("a factor whose codes are broken is refused, and nothing is read outside of the table", {
  broken <- structure(rep(c(1L, 7L), 10000), levels = c("a", "b"), class = "factor")
  expect_refused(thread_table(broken), "a factor's codes")
  many <- rep(1:50000, 2)
  expect_refused(thread_table(many, many), "fewer than 2^31 cells")
})
