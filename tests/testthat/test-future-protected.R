test_that("Future() makes a future that is not started", {
  a <- 2
  f <- Future(a + 1, label = "mine")
  expect_identical(f$state, "created")
  expect_false(f$lazy)
  a <- 0
  expect_identical(value(run(f)), 3)
})

test_that("FutureResult() is what result() gives, and prints", {
  r <- FutureResult(1, stdout = "o\n")
  expect_s3_class(r, "FutureResult")
  expect_identical(r$value, 1)
  expect_error(FutureResult(1, rng = NA), "rng", class = "avenir_invalid_argument")
})

test_that("minifuture() evaluates what it is given, without globals", {
  expect_identical(value(minifuture(1 + 1)), 2)
  expect_identical(value(minifuture(a + 1, globals = list(a = 1))), 2)
})

test_that("sessionDetails() tells environment variables only when asked", {
  expect_false("Sys.getenv()" %in% names(sessionDetails()))
  expect_true("Sys.getenv()" %in% names(sessionDetails(env = TRUE)))
  expect_output(print(sessionDetails()["getwd()"]), getwd(), fixed = TRUE)
  expect_message(print(sessionDetails()["getwd()"], output = "message"), getwd(), fixed = TRUE)
})

for (name in names(conformance_plans())) {
  local_test("backtrace() gives the calls that led to the error", {
    set_plan_of(conformance_plans()[[name]])
    half <- function(x) stop("no half of ", x)
    f <- future(half("a"))
    expect_error(value(f), "no half of a")
    expect_identical(backtrace(f)[[1]], quote(half("a")))
    v %<-% half("b")
    resolve(futureOf(v))
    expect_identical(backtrace(v)[[1]], quote(half("b")))
    expect_error(backtrace(future(1)), class = "avenir_invalid_argument")
  })
}
plan(sequential)
