# Our writer gives the bytes that R's own gives, and our reader what R's own reads.

expect_same_bytes <- function(x) {
  bytes <- serialize(x, NULL, xdr = FALSE, version = 3)
  expect_identical(cpp_serialize(x), bytes)
  expect_same_read(bytes)
}

expect_same_read <- function(bytes) {
  x <- cpp_unserialize(bytes)
  expect_equal(x, unserialize(bytes))
  expect_identical(lapply(x, encoding_of), lapply(unserialize(bytes), encoding_of))
}

encoding_of <- function(x) if (is.character(x)) Encoding(x)

test_that("vectors without attributes are written as R writes them", {
  for (x in list(NULL, TRUE, NA, c(TRUE, FALSE, NA), 1L, NA_integer_, c(3L, 1L), 1.5, c(NA, NaN, Inf, -0), 1i, raw(0),
                 as.raw(0:255), integer(0), character(0), list())) {
    expect_same_bytes(x)
  }
})

test_that("strings of every encoding and missing ones are written as R writes them", {
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  bytes <- "\xff\x01"
  Encoding(bytes) <- "bytes"
  expect_same_bytes(c("", "plain", NA, "\u00e9t\u00e9", latin1, bytes, "NA"))
})

test_that("lists of plain values are written as R writes them", {
  expect_same_bytes(list(1, "a", list(NULL, TRUE, list(2L))))
})

test_that("everything else goes through R's writer", {
  global <- function(x) {
    environment(x) <- globalenv()
    x
  }
  for (x in list(1:10, c(a = 1), factor("u"), Sys.Date(), mtcars, quote(a + b), as.name("s"), global(function(x) x),
                 globalenv(), list(a = 1), global(y ~ x), matrix(1:4, 2), as.list(1:100))) {
    expect_same_bytes(x)
    expect_equal(unserialize(cpp_serialize(x)), x)
  }
})

test_that("random plain objects are written as R writes them", {
  seed <- sample.int(1e6, 1)
  set.seed(seed)
  for (i in 1:300) {
    x <- switch(sample(6, 1), rnorm(sample(0:50, 1)), sample(c(NA, 1:9), 5, TRUE) + 0L, sample(c(TRUE, NA), 3, TRUE),
                sample(c(letters, NA, "\u20ac"), 4, TRUE), as.raw(sample(0:255, 7)), list(runif(2), "x", NULL))
    expect_identical(cpp_serialize(x), serialize(x, NULL, xdr = FALSE, version = 3), info = paste("seed", seed))
  }
})

test_that("bytes that end early or hold something else are R's to refuse", {
  bytes <- serialize(list(c(1, 2), "text", list(3L)), NULL, xdr = FALSE)
  for (size in c(0, 13, seq(14, length(bytes) - 1))) expect_error(cpp_unserialize(bytes[seq_len(size)]))
  long <- serialize(c(1, 2), NULL, xdr = FALSE)
  long[length(long) - 16 - 3:0] <- as.raw(c(0xff, 0xff, 0xff, 0x7f)) # the length
  expect_error(cpp_unserialize(long))
})
