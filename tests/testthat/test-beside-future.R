# The package future in the same session, loaded before or after avenir: both work, and neither takes the other's
# futures for its own.

both_work <- c(
  "options(warn = 1)",
  "a <- 2",
  "avenir::plan(avenir::multisession, workers = I(1))", "future::plan(future::multicore, workers = 2)",
  "ours <- avenir::future({ message('m'); a * 10 })", "theirs <- future::future({ message('m'); a * 100 })",
  "conditions <- character()",
  "values <- withCallingHandlers(list(avenir::value(ours), future::value(theirs)), message = function(m) {",
  "  conditions <<- c(conditions, conditionMessage(m))", "  invokeRestart('muffleMessage')", "})",
  "mixed <- lapply(list(quote(avenir::value(theirs)), quote(future::value(ours))), function(call) {",
  "  tryCatch(eval(call), error = function(e) class(e)[1])", "})",
  "plans <- list(inherits(avenir::plan(), 'multisession'), inherits(future::plan(), 'multicore'))",
  "shown <- utils::capture.output(print(ours), print(theirs), print(avenir::plan()), print(future::plan()))",
  "mark('result', list(values = values, conditions = conditions, mixed = mixed, plans = plans, shown = shown))"
)

expect_both_work <- function(found) {
  expect_identical(found$values, list(20, 200))
  expect_identical(found$conditions, c("m\n", "m\n"))
  expect_identical(found$plans, list(TRUE, TRUE))
  expect_identical(found$mixed, list("avenir_invalid_argument", 20))
  expect_match(found$shown, "MultisessionFuture", all = FALSE)
  expect_match(found$shown, "MulticoreFuture", all = FALSE)
}

test_that("future loaded before avenir", {
  skip_if_not_installed("future")
  child <- start_child(c("detach('package:avenir')", "unloadNamespace('avenir')", "library(future)", "library(avenir)",
                         both_work))
  on.exit(kill_child(child))
  expect_both_work(child_value(child, "result"))
  expect_false(grepl("overwritten", child_output(child)))
})

test_that("future loaded after avenir", {
  skip_if_not_installed("future")
  child <- start_child(c("library(future)", both_work))
  on.exit(kill_child(child))
  expect_both_work(child_value(child, "result"))
  expect_false(grepl("overwritten", child_output(child)))
})

test_that("future's functions know futures of avenir that are not collected", {
  skip_if_not_installed("future")
  found <- in_child(c(
    "f <- future({ message('m'); 42 }, lazy = TRUE)", "g <- future(stop('no'))", "loadNamespace('future')",
    "states <- c(f$state, future::resolved(f), inherits(future::result(f), 'FutureResult'))",
    "value_of_f <- suppressMessages(future::value(f))",
    "mark('result', list(states, value_of_f, tryCatch(future::value(g), error = conditionMessage)))"
  ))
  expect_identical(found, list(c("created", "TRUE", "TRUE"), 42, "no"))
})

# Future's functions for our futures under each plan, and for its own.
asked_of_future <- c(
  "of_plan <- function(name) {",
  "  avenir::plan(name, workers = I(2))",
  "  ours <- avenir::future({ message('m'); 40 + 2 })",
  "  strategy <- getExportedValue('future', if (name == 'cluster') 'multisession' else name)",
  "  future::plan(strategy)",
  "  theirs <- future::future({ message('m'); 40 + 2 })",
  "  lapply(list(ours, theirs), function(f) {",
  "    while (!future::resolved(f)) Sys.sleep(0.01)",
  "    suppressMessages(list(future::value(f), class(future::result(f)), future::resolved(f)))",
  "  })",
  "}",
  "mark('result', suppressWarnings(lapply(c('sequential', 'multisession', 'multicore', 'cluster'), of_plan)))"
)

test_that("future's functions know running futures of all plans, whichever package was loaded first", {
  skip_if_not_installed("future")
  of_each <- list(42, "FutureResult", TRUE)
  expected <- rep(list(list(of_each, of_each)), 4L)
  first <- c("detach('package:avenir')", "unloadNamespace('avenir')", "loadNamespace('future')", "library(avenir)")
  expect_identical(in_child(c(first, asked_of_future)), expected)
  expect_identical(in_child(c("loadNamespace('future')", asked_of_future)), expected)
})

test_that("a plan of future's functions is a plan of ours", {
  skip_if_not_installed("future")
  on.exit(plan(sequential))
  plan(future::multicore, workers = I(2))
  expect_identical(nbrOfWorkers(), 2L)
  expect_s3_class(value(future(plan())), "sequential")
})
