# What the backends on the C++ engine share: limits of memory, and what is said of lost workers.

test_that("`max_memory` is a number of bytes or a string with a unit", {
  expect_identical(memory_limit(Inf), 0)
  expect_identical(memory_limit(5e8), 5e8)
  expect_identical(memory_limit("2 GB"), 2e9)
  expect_identical(memory_limit("1.5KiB"), 1536)
  expect_identical(memory_limit("300"), 300)
  for (bad in list(0, -1, NA_real_, NULL, "much", "2 XB", c(1, 2), "", TRUE)) {
    expect_error(memory_limit(bad), "max_memory", class = "avenir_invalid_argument")
  }
})

test_that("plan() refuses a `max_memory` that makes no sense, and keeps the plan before", {
  before <- plan()
  expect_error(plan(multisession, workers = I(2), max_memory = -1), class = "avenir_invalid_argument")
  expect_error(plan(multicore, workers = I(2), max_memory = "lots"), class = "avenir_invalid_argument")
  expect_identical(all.equal(plan(), before), TRUE)
})

hog <- function(i) {
  if (i %% 4 == 0) assign(paste0("kept", i), numeric(2e7) + 1, envir = .GlobalEnv)
  c(i, Sys.getpid())
}

for (name in setdiff(names(conformance_plans()), "sequential")) {
  arguments <- conformance_plans()[[name]]

  local_test("a worker that has grown past `max_memory` is replaced, and its map loses nothing", {
    local_plan(do.call(tweak, c(arguments, max_memory = "150 MB")))
    got <- future_sapply(1:12, hog, future.chunk.size = 6)
    expect_identical(got[1, ], 1:12)
    expect_gt(length(unique(got[2, ])), 2L)
  })

  local_test("without `max_memory` a worker may grow", {
    local_plan(do.call(tweak, arguments))
    got <- future_sapply(1:12, hog, future.chunk.size = 6)
    expect_lte(length(unique(got[2, ])), 2L)
  })
}

test_that("garbage alone does not cost a worker", {
  local_plan(tweak(multisession, workers = I(1), max_memory = "400 MB"))
  pids <- future_sapply(1:6, function(i) {
    x <- lapply(1:8, function(k) numeric(1e7) + k)
    Sys.getpid()
  })
  expect_length(unique(pids), 1L)
})

loss <- function(...) {
  utils::modifyList(list(worker = 3L, pid = 4711L, signal = 0L, exit_code = 0L, known = TRUE, cause = 0L,
                         out_of_memory = FALSE, element = 1, log = "", note = ""), list(...))
}

test_that("how a worker was lost is said: signal, exit code, quit(), lack of memory, last words, earlier attempts", {
  error <- loss_condition(list(loss(signal = 9L), loss(signal = 11L, log = "last words")), "element 2 of f()", Inf)
  expect_identical(class(error)[1:3], c("WorkerLostError", "FutureInterruptError", "FutureError"))
  text <- conditionMessage(error)
  expect_match(text, "worker 3 (pid 4711) was killed by signal 11 (SIGSEGV) while it was evaluating element 2 of f()",
               fixed = TRUE)
  expect_match(text, "Attempts before: was killed by signal 9 (SIGKILL).", fixed = TRUE)
  expect_match(text, "last words", fixed = TRUE)
  expect_identical(error$signal_name, "SIGSEGV")
  expect_length(error$attempts, 1L)

  said <- function(...) conditionMessage(loss_condition(list(loss(...)), "Future ('a')", Inf))
  expect_match(said(exit_code = 3L), "ended with exit code 3 while it was evaluating future ('a')", fixed = TRUE)
  expect_match(said(exit_code = 3L, cause = 2L), "quit(status = 3) was called", fixed = TRUE)
  expect_match(said(signal = 9L, cause = 1L, out_of_memory = TRUE), "lack of memory")
  expect_match(said(signal = 9L, out_of_memory = NA), "Out of memory is a usual cause")
  expect_no_match(said(signal = 9L), "memory")
  expect_match(said(known = FALSE), "for a reason that is not known")
  expect_match(said(signal = 9L, cause = 5L, note = "a frame"), "sent what no worker may send (a frame)", fixed = TRUE)
  expect_match(said(signal = 9L, cause = 7L, note = "full"), "its answer could not be received (full)", fixed = TRUE)
  expect_match(said(signal = 9L, cause = 8L, note = "full"), "it could not be told what to do (full)", fixed = TRUE)
})

test_that("a worker that was killed at its time limit is a time-out and a lost worker", {
  error <- loss_condition(list(loss(signal = 9L, cause = 3L)), "Future ('a')", 0.5)
  expect_identical(class(error)[1:3], c("FutureTimeoutError", "WorkerLostError", "FutureInterruptError"))
  expect_match(conditionMessage(error), "0.5 seconds")
  expect_identical(error$signal, 9L)
})

test_that("futures made right after plan() are different workers', though one would be ready to do them all", {
  on.exit(plan(sequential))
  by_two <- function(try) {
    plan(sequential)
    plan(multisession, workers = I(2))
    futures <- list(future(Sys.getpid()), future(Sys.getpid()))
    value(futures[[1]]) != value(futures[[2]])
  }
  # All but one: on a busy machine the second worker may come too late.
  expect_gte(sum(vapply(1:6, by_two, NA)), 5L)
})
