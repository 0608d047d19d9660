test_that("a lazy future keeps the globals that it was made with, also for functions that use them", {
  env <- globalenv()
  assign("a_of_test", 1, env)
  assign("f_of_test", eval(quote(function() a_of_test), env), env)
  on.exit(rm("a_of_test", "f_of_test", envir = env))
  f <- future(f_of_test(), lazy = TRUE)
  assign("a_of_test", 2, env)
  expect_identical(value(f), 1)
  expect_identical(get("a_of_test", env), 2)
})

test_that("globals of a future are not left behind", {
  value(future(x_of_future, globals = list(x_of_future = 1)))
  expect_false(exists("x_of_future", globalenv(), inherits = FALSE))
})

test_that("future(substitute = FALSE) takes an expression by value", {
  expr <- quote(1 + 2)
  expect_identical(value(future(expr, substitute = FALSE)), 3)
})

test_that("a future of another process that is not collected cannot be queried", {
  local_plan("sequential")
  f <- future(1, lazy = TRUE)
  f$state <- "running"
  f$handle <- 1
  f$backend <- plan("backend")
  f$owner <- structure("another", source = list(host = "h", pid = 1L))
  expect_error(value(f), "was made by process 1", class = "FutureError")
  expect_error(resolved(f), class = "FutureError")
})

test_that("a collected future can be read in another process", {
  f <- future(7)
  path <- tempfile()
  on.exit(unlink(path))
  saveRDS(f, path)
  expect_identical(value(readRDS(path)), 7)
})

test_that("an interrupted future is an error of class FutureInterruptError", {
  raise_interrupt <- function() {
    signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
  }
  local_plan("sequential")
  f <- future(raise_interrupt())
  expect_error(value(f), "was interrupted", class = "FutureInterruptError")
  expect_identical(f$state, "interrupted")
})

test_that("a future that cannot be started says so each time", {
  local_plan("sequential")
  f <- future(1, packages = "no.such.package", lazy = TRUE)
  expect_error(value(f), "no.such.package", class = "FutureLaunchError")
  expect_identical(f$state, "failed")
  expect_error(value(f), class = "FutureError")
})

test_that("cancel() leaves lazy and finished futures alone", {
  f <- future(1)
  expect_identical(cancel(f), f)
  expect_identical(value(f), 1)
  lazy <- future(2, lazy = TRUE)
  cancel(list(lazy))
  expect_identical(value(lazy), 2)
})

test_that("a cancelled future raises FutureCanceledError and keeps its state", {
  backend <- new_backend("doomed", c("MultisessionFuture", "MultiprocessFuture"))
  methods <- list(
    submit = function(backend, task) 1L, cancel = function(backend, handle, interrupt) invisible(),
    collect = function(backend, handle) {
      new_record(error = future_error("cancelled", c("FutureCanceledError", "FutureInterruptError")))
    },
    close = function(backend) invisible()
  )
  for (name in names(methods)) {
    registerS3method(paste0("backend_", name), "doomed_backend", methods[[name]], asNamespace("avenir"))
  }
  local_plan("sequential", split = TRUE)
  level <- plan_levels()[[1]]
  level$backend <- backend
  f <- future(1)
  expect_identical(f$state, "running")
  cancel(f)
  expect_identical(f$state, "canceled")
  e <- tryCatch(value(f), error = identity)
  expect_s3_class(e, "FutureCanceledError")
  expect_identical(attr(e, "uuid"), f$uuid)
})

test_that("output and conditions are dropped when asked for", {
  f <- future({
    cat("o\n")
    message("m")
  }, stdout = structure(TRUE, drop = TRUE), conditions = structure("condition", drop = TRUE))
  expect_identical(transcript(value(f)), c("out: o", "message: m"))
  expect_identical(transcript(value(f)), character())
})

test_that("deprecated arguments of future() warn", {
  expect_warning(future(1, gc = TRUE), "deprecated")
  expect_warning(future(1, earlySignal = TRUE), "deprecated")
})

test_that("futures of other packages are refused by value() and resolved()", {
  foreign <- structure(new.env(), class = c("ClusterFuture", "Future", "environment"))
  expect_error(value(foreign), "future::value", class = "avenir_invalid_argument")
  expect_error(resolved(foreign), "future::resolved", class = "avenir_invalid_argument")
})

test_that("resolve() goes into lists as deep as asked", {
  inner <- future(1, lazy = TRUE)
  resolve(list(list(inner)))
  expect_identical(inner$state, "created")
  resolve(list(list(inner)), recursive = 1)
  expect_identical(inner$state, "finished")
})

test_that("value() of a list checks its arguments", {
  expect_error(value(list(), interrupt = TRUE, cancel = FALSE), class = "avenir_invalid_argument")
  expect_error(value(list(1), idxs = 3), "idxs", class = "avenir_invalid_argument")
  expect_error(value(list(a = 1), idxs = "b"), class = "avenir_invalid_argument")
  expect_error(value(list(), stdout = NA), class = "avenir_invalid_argument")
})

test_that("a future prints without being started", {
  f <- future(1 + 1, lazy = TRUE, label = "shown")
  expect_output(print(f), "shown.*created")
  expect_identical(f$state, "created")
})

test_that("globals over the limit are refused where they would travel", {
  backend <- new_backend("far", "MultisessionFuture")
  big <- list(big = numeric(1e5))
  local_options(future.globals.maxSize = 1e5)
  expect_error(check_travel_size(big, backend), "big", class = "FutureError")
  expect_error(check_travel_size(big, backend, pieces = 100), NA)
  backend$max_size <- Inf
  expect_error(check_travel_size(big, backend), NA)
  expect_identical(value(future(length(x), globals = list(x = numeric(1e5)))), 100000L)
})

test_that("retries and time limits that make no sense are refused", {
  for (bad in list(list(retries = -1), list(retries = NA), list(timeout = 0), list(timeout = "1"))) {
    pattern <- sprintf("^`%s` must be", names(bad))
    expect_error(do.call(future, c(1, bad)), pattern, class = "avenir_invalid_argument")
    expect_error(do.call(futureCall, c(sum, bad)), pattern, class = "avenir_invalid_argument")
    expect_error(do.call(futureAssign, c("x_of_test", 1, bad)), pattern, class = "avenir_invalid_argument")
  }
})

test_that("retries and time limit go with the task, also when the future starts over", {
  limits_of <- function(future) future_task(future, plan("backend"))[c("retries", "timeout")]
  asked <- list(retries = 2L, timeout = 3)
  f <- future(1, lazy = TRUE, retries = 2, timeout = 3)
  expect_identical(limits_of(f), asked)
  value(f)
  expect_identical(limits_of(reset(f)), asked)
  expect_identical(limits_of(future(1, lazy = TRUE)), list(retries = 0L, timeout = Inf))
  expect_identical(limits_of(futureCall(sum, list(1), lazy = TRUE, retries = 2, timeout = 3)), asked)
  envir <- new.env()
  expect_identical(limits_of(futureAssign("x", 1, lazy = TRUE, retries = 2, timeout = 3, assign.env = envir)), asked)
})

test_that("a lost worker's error is about the future", {
  f <- future(1, label = "mine")
  lost <- future_interrupt_error("worker 1 was killed", "WorkerLostError")
  e <- about_future(lost, f)
  expect_identical(e$label, "mine")
  expect_identical(attr(e, "label"), "mine")
  expect_identical(attr(e, "uuid"), f$uuid)
})

test_that("a value that is a reference is reported each time that it is asked for, or is an error", {
  f <- future(1, label = "mine", lazy = TRUE)
  class(f) <- future_class("MultisessionFuture")
  pointer <- new_record(methods::new("externalptr"))
  collected <- function() {
    record <- report_reference(pointer, f)
    f$state <- "finished"
    f$result <- new_future_result(record, record$error, f)
  }
  collected()
  for (times in 1:2) {
    expect_warning(value(f), "The value of future \\(.mine.\\) is an external pointer",
                   class = "avenir_reference_warning")
  }
  local_options(avenir.results.onReference = "error")
  collected()
  expect_error(value(f), "mine", class = "avenir_reference_error")
  options(avenir.results.onReference = "ignore")
  collected()
  expect_silent(value(f))
})

test_that("cancel() of a finished or lazy future, of values and of nothing does nothing", {
  f <- future(1)
  expect_identical(withVisible(cancel(f)), list(value = f, visible = FALSE))
  expect_identical(f$state, "finished")
  lazy <- future(2, lazy = TRUE)
  expect_identical(cancel(list(f, lazy, 3, NULL)), list(f, lazy, 3, NULL))
  expect_identical(lazy$state, "created")
  expect_identical(cancel(3), 3)
  expect_error(cancel(f, interrupt = NA), class = "avenir_invalid_argument")
})
