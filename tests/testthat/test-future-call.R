# futureCall(), reset(), futureSessionInfo().

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])
  local_test("futureCall() is do.call() in a future", {
    expect_identical(value(futureCall(sum, list(1, NA, na.rm = TRUE))), 1)
    expect_identical(value(futureCall(function(x, y) x - y, list(y = 1, x = 3))), 2)
    expect_identical(value(futureCall(stats::median, list(c(1, 2, 9)))), 2)
    f <- futureCall(function() 1, label = "mine")
    expect_identical(f$label, "mine")
    expect_true(is.function(f$globals$FUN))
  })

  local_test("a called function finds its globals, lazy or not", {
    for (lazy in c(FALSE, TRUE)) {
      a <- 3
      f <- futureCall(function(x, y) a * (x - y), list(x = 42, y = 12), lazy = lazy)
      rm("a")
      expect_identical(value(f), 90)
    }
  })

  local_test("a called function sees globals that are given before those of its own environment", {
    a <- 3
    times <- function(x) a * x
    expect_identical(value(futureCall(times, list(2), globals = list(a = 10))), 20)
    expect_identical(value(futureCall(times, list(2), globals = structure(TRUE, add = list(a = 10)))), 6)
    f <- futureCall(times, list(2), globals = "a", lazy = TRUE)
    rm("a")
    expect_identical(value(f), 6)
  })

  local_test("without globals a called function has its arguments", {
    expect_identical(value(futureCall(function(x) x, list(x = 1), globals = FALSE)), 1)
    times <- eval(quote(function(x) a_of_nobody * x), globalenv())
    expect_error(value(futureCall(times, list(1), globals = FALSE)), "a_of_nobody")
  })

  local_test("futureCall() takes seeds and output as future() does", {
    expect_identical(value(futureCall(rnorm, list(2), seed = 42)), value(future(rnorm(2), seed = 42)))
    expect_identical(transcript(value(futureCall(cat, list("o\n"), stdout = FALSE))), character())
  })

  local_test("reset() makes a finished, failed or cancelled future start over", {
    path <- tempfile()
    f <- future(readLines(path), conditions = character())
    expect_error(value(f))
    writeLines("here", path)
    on.exit(unlink(path))
    uuid <- f$uuid
    expect_identical(reset(f)$state, "created")
    expect_false(identical(f$uuid, uuid))
    expect_true(f$lazy)
    expect_identical(value(f), "here")
    expect_identical(value(reset(f)), "here")
  })

  local_test("a future that draws without a seed is reported again after reset()", {
    f <- future(runif(1))
    expect_warning(value(f), class = "RngFutureWarning")
    expect_warning(value(reset(f)), class = "RngFutureWarning")
  })
}

for (name in setdiff(names(conformance_plans()), "sequential")) {
  test_that(paste0(name, ": a running future cannot be reset, a cancelled one can"), {
    do.call(local_plan, conformance_plans()[[name]])
    path <- tempfile()
    on.exit(unlink(path), add = TRUE)
    f <- future(if (file.exists(path)) 1 else Sys.sleep(60))
    expect_error(reset(f), "is running", class = "FutureError")
    cancel(f)
    file.create(path)
    expect_error(value(f), class = "FutureCanceledError")
    expect_identical(value(reset(f)), 1)
  })
}
plan(sequential)

test_that("futureCall() checks its arguments", {
  expect_error(futureCall("sum"), "`FUN` must be a function", class = "avenir_invalid_argument")
  expect_error(futureCall(sum, 1:3), "`args` must be a list", class = "avenir_invalid_argument")
  expect_error(futureCall(sum, globals = 3), "globals", class = "avenir_invalid_argument")
})

test_that("reset() goes through containers and leaves other things alone", {
  env <- new.env()
  env$a %<-% 1
  fs <- reset(list(x = future(2), y = 3))
  expect_identical(fs$x$state, "created")
  expect_identical(fs$y, 3)
  expect_identical(reset(env)$a$state, "created")
  expect_identical(env$a, 1)
  expect_identical(reset(5), 5)
})

test_that("a future can be reset in another process", {
  f <- future(7)
  path <- tempfile()
  on.exit(unlink(path))
  saveRDS(f, path)
  g <- reset(readRDS(path))
  expect_identical(g$state, "created")
  expect_identical(value(g), 7)
})

test_that("a dropped future cannot be reset", {
  f <- future(7)
  value(f, drop = TRUE)
  expect_error(reset(f), "was dropped", class = "FutureError")
})

test_that("futureSessionInfo() tells about versions, cores, options, plan and processes", {
  local_options(future.futureSessionInfo.delay = 0, future.rng.onMisuse = "ignore")
  said <- paste(transcript(shown <- withVisible(futureSessionInfo())), collapse = "\n")
  expect_false(shown$visible)
  for (part in c("avenir [0-9]", "parallelly", "cgroups|system", "future.rng.onMisuse=ignore",
                 "Number of workers: 1", "sequential", as.character(Sys.getpid()), "user001")) {
    expect_match(said, part)
  }
  expect_no_match(paste(transcript(futureSessionInfo(test = FALSE)), collapse = "\n"), "pid")
  expect_match(paste(transcript(futureSessionInfo(anonymize = FALSE)), collapse = "\n"), Sys.info()[["nodename"]])
  expect_error(futureSessionInfo(test = NA), class = "avenir_invalid_argument")
})

test_that("futureSessionInfo() asks each worker", {
  local_plan("multisession", workers = I(2))
  local_options(future.futureSessionInfo.delay = 0)
  said <- paste(transcript(futureSessionInfo()), collapse = "\n")
  expect_match(said, "Number of workers: 2")
  expect_match(said, "host001")
})
