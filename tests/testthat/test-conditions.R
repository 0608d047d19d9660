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
