test_that("conditions have the classes of future's", {
  classes <- function(x) setdiff(class(x), "avenir_error")
  expect_identical(classes(FutureCondition("m")), c("FutureCondition", "condition"))
  expect_identical(classes(FutureMessage("m")), c("FutureMessage", "message", "FutureCondition", "condition"))
  expect_identical(classes(FutureWarning("m")), c("FutureWarning", "warning", "FutureCondition", "condition"))
  error <- c("FutureError", "error", "FutureCondition", "condition")
  expect_identical(classes(FutureError("m")), error)
  expect_identical(classes(FutureLaunchError("m")), c("FutureLaunchError", error))
  expect_identical(classes(FutureInterruptError("m")), c("FutureInterruptError", error))
  expect_identical(classes(FutureCanceledError("m")), c("FutureCanceledError", "FutureInterruptError", error))
  expect_identical(classes(FutureDroppedError("m")), c("FutureDroppedError", error))
  expect_s3_class(UnexpectedFutureResultError(Future(1), "odd"), c("UnexpectedFutureResultError", error), exact = TRUE)
})

test_that("conditions about misuse come as condition, warning and error", {
  makers <- mget(outer(c("Rng", "GlobalEnvMisuse", "ConnectionMisuse", "DeviceMisuse", "DefaultDeviceMisuse"),
                       c("FutureCondition", "FutureWarning", "FutureError"), paste0), envir = asNamespace("avenir"))
  f <- Future(1, label = "mine")
  for (name in names(makers)) {
    condition <- makers[[name]](future = f)
    expect_s3_class(condition, c(name, "FutureCondition", "condition"))
    expect_identical(inherits(condition, "warning"), endsWith(name, "Warning"))
    expect_identical(inherits(condition, "error"), endsWith(name, "Error"))
    expect_match(conditionMessage(condition), "mine")
  }
})

test_that("conditions know their future, and drop it where the option says so", {
  f <- Future(1, label = "mine")
  e <- FutureError("m", future = f)
  expect_identical(attr(e, "uuid"), f$uuid)
  expect_identical(attr(e, "label"), "mine")
  expect_identical(attr(e, "future"), f)
  local_options(future.onFutureCondition.keepFuture = FALSE)
  expect_null(attr(FutureCondition("m", future = f, drop = TRUE), "future"))
})

test_that("a condition in place of the message gives its message and classes", {
  e <- FutureError(simpleCondition("inner"))
  expect_identical(conditionMessage(e), "inner")
  expect_s3_class(e, c("FutureError", "simpleCondition"))
  expect_error(FutureError(1), "`message`", class = "avenir_invalid_argument")
  expect_error(FutureError("m", future = 1), "`future`", class = "avenir_invalid_argument")
})
