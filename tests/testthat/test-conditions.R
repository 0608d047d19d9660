test_that("errors about futures have future's classes and attributes", {
  f <- future(1, label = "mine")
  e <- future_interrupt_error("gone", future = f)
  expect_s3_class(e, c("FutureInterruptError", "FutureError", "avenir_error", "error", "FutureCondition",
                       "condition"),
                  exact = TRUE)
  expect_identical(attr(e, "label"), "mine")
  expect_identical(attr(e, "uuid"), f$uuid)
  expect_s3_class(future_launch_error("no"), "FutureLaunchError")
})

test_that("stop_avenir() raises a classed error with fields and without a call", {
  e <- tryCatch(stop_avenir("text", "some_class", value = 3), some_class = identity)
  expect_s3_class(e, c("some_class", "avenir_error", "simpleError", "error", "condition"), exact = TRUE)
  expect_identical(e$value, 3)
  expect_null(conditionCall(e))
})

test_that("misuse of random numbers has the classes that the option asks for", {
  local_options(future.rng.onMisuse = NULL)
  w <- rng_misuse("Something", "seed")
  expect_s3_class(w, c("RngFutureWarning", "FutureWarning", "warning", "RngFutureCondition"), exact = FALSE)
  expect_match(conditionMessage(w), "^UNRELIABLE VALUE: Something unexpectedly generated random numbers")
  options(future.rng.onMisuse = "error")
  expect_s3_class(rng_misuse("Something", "seed"), "RngFutureError")
  options(future.rng.onMisuse = "ignore")
  expect_null(rng_misuse("Something", "seed"))
})

test_that("a future without a label is named by its number", {
  f <- future(1)
  expect_identical(label_of(f), sprintf("<unnamed-%s>", f$uuid[2]))
})

test_that("a limit that was hit is said with what to do about it", {
  e <- timeout_error("Future ('a')", 2)
  expect_s3_class(e, c("FutureTimeoutError", "FutureInterruptError", "FutureError", "avenir_error", "error",
                       "FutureCondition", "condition"), exact = TRUE)
  expect_identical(conditionMessage(e), paste0("Future ('a') took longer than its time limit of 2 seconds and was ",
                                               "interrupted\ni Raise `timeout` if that is how long it takes."))
  killed <- timeout_error("element 3 of future_lapply()", 1, killed = TRUE)
  expect_s3_class(killed, c("FutureTimeoutError", "WorkerLostError", "FutureInterruptError", "FutureError",
                            "avenir_error", "error", "FutureCondition", "condition"), exact = TRUE)
  message <- conditionMessage(killed)
  expect_match(message, "^Element 3 of future_lapply\\(\\) took longer than its time limit of 1 second and did not")
  expect_match(message, "worker was killed\ni Raise `future.timeout`")
})

test_that("values that are references are told from those that hold some", {
  connection <- textConnection("a")
  on.exit(close(connection))
  expect_true(is_reference(connection))
  expect_true(is_reference(methods::new("externalptr")))
  for (x in list(1L, stdout(), list(connection), globalenv(), NULL, factor("a"), structure(1L, class = "mine"))) {
    expect_false(is_reference(x))
  }
})

test_that("the option says what becomes of a value that is a reference", {
  pointer <- structure(methods::new("externalptr"), class = "handle")
  w <- reference_misuse("future ('a')", pointer)
  expect_s3_class(w, c("avenir_reference_warning", "FutureWarning", "warning", "FutureCondition", "condition"),
                  exact = TRUE)
  expect_match(conditionMessage(w), "^The value of future \\('a'\\) is an external pointer \\(class `handle`\\), which")
  expect_match(conditionMessage(w), "\ni Return what it was made from", fixed = TRUE)
  local_options(avenir.results.onReference = "error")
  expect_s3_class(reference_misuse("x", pointer), c("avenir_reference_error", "FutureError"))
  options(avenir.results.onReference = "ignore")
  expect_null(reference_misuse("x", pointer))
})
