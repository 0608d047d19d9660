test_that("plan() shows the strategy in force as a function with future's classes", {
  local_plan("sequential")
  strategy <- plan()
  expect_identical(class(strategy), c("FutureStrategy", "sequential", "uniprocess", "avenir_strategy",
                                      "future", "function"))
  expect_identical(environment(strategy)$.packageName, "avenir")
  expect_identical(nbrOfWorkers(), 1L)
  expect_identical(class(plan("list")), c("avenir_plan_list", "FutureStrategyList", "list"))
})

test_that("a plan may be a name, a string, a function, a call, a tweaked strategy, a list or a plan before", {
  local_plan("sequential")
  name_of_plan <- function() strategy_name(plan())
  before <- plan(sequential, split = FALSE)
  expect_true(inherits(before, "FutureStrategyList"))
  expect_identical(formals(plan())$split, FALSE)
  plan("sequential")
  expect_identical(name_of_plan(), "sequential")
  plan(sequential(split = TRUE))
  expect_identical(formals(plan())$split, TRUE)
  plan(tweak(sequential, split = FALSE))
  expect_identical(formals(plan())$split, FALSE)
  do.call(plan, list(sequential))
  expect_null(formals(plan())$split)
  plan(list(first = sequential, second = "sequential"))
  expect_identical(names(plan("list")), c("first", "second"))
  stack <- plan("list")
  plan(sequential)
  plan(stack)
  expect_identical(plan("list"), stack)
  plan("avenir::sequential")
  expect_identical(name_of_plan(), "sequential")
  choose <- function() sequential
  plan(choose())
  expect_identical(name_of_plan(), "sequential")
})

test_that("plan() returns the stack before, invisibly, and plan(old) brings it back", {
  local_plan("sequential")
  truth <- plan("list")
  shown <- withVisible(plan(list(sequential, sequential)))
  expect_false(shown$visible)
  expect_identical(shown$value, truth)
  plan(shown$value)
  expect_identical(plan("list"), truth)
})

test_that("the words of plan() work", {
  local_plan("sequential")
  plan(list(a = sequential, b = tweak(sequential, split = TRUE)))
  expect_identical(names(plan("tail")), "b")
  expect_identical(plan(NULL), plan("next"))
  expect_s3_class(plan("backend"), "avenir_backend")
  plan("pop")
  expect_identical(names(plan("list")), "b")
  plan("reset")
  expect_length(plan("list"), 1L)
  local_options(future.plan = list("sequential", "sequential"))
  plan("default")
  expect_length(plan("list"), 2L)
})

test_that("the same plan again keeps the backend", {
  local_plan("sequential", split = TRUE)
  backend <- plan("backend")
  plan(sequential, split = TRUE)
  expect_identical(plan("backend"), backend)
  plan(sequential, split = FALSE)
  expect_false(identical(plan("backend"), backend))
})

test_that("unknown plans are errors that name them", {
  local_plan("sequential")
  expect_error(plan("no_such_plan"), "no_such_plan", class = "avenir_invalid_argument")
  expect_error(plan(no_such_plan), "no_such_plan", class = "avenir_invalid_argument")
  expect_error(plan(base::eval), "a function", class = "avenir_invalid_argument")
  expect_error(plan(list()), class = "avenir_invalid_argument")
  expect_error(plan(list(sequential, 3)), class = "avenir_invalid_argument")
  expect_identical(strategy_name(plan()), "sequential")
})

test_that("numbers of workers that make no sense are errors, and the plan before stays", {
  local_plan("sequential")
  backend <- plan("backend")
  for (workers in list(0, NA, "x", TRUE, NA_character_, -1, Inf, c(1, 2))) {
    expect_error(plan(multisession, workers = workers), "`workers`", class = "avenir_invalid_argument")
  }
  expect_identical(plan("backend"), backend)
})

test_that("workers = NULL stands for all cores", {
  local_plan("multicore", workers = NULL)
  expect_identical(nbrOfWorkers(), as.integer(availableCores()))
})

test_that("unknown arguments warn and show in the formals", {
  local_plan("sequential")
  expect_warning(plan(sequential, abc = 1), "Detected 1 unknown future arguments: .abc.")
  expect_identical(formals(plan())$abc, 1)
  expect_warning(tweak(multisession, rscript_args = "--vanilla"), NA)
})

test_that("tweak() refuses arguments of future() and those without a name", {
  expect_error(tweak(sequential, lazy = TRUE), "lazy", class = "avenir_invalid_argument")
  expect_error(tweak(sequential, seed = 1), "seed", class = "avenir_invalid_argument")
  expect_error(tweak(sequential, "unnamed"), "named", class = "avenir_invalid_argument")
  expect_identical(tweak(sequential), sequential)
})

test_that("tweak() keeps formals, class and tweaks", {
  two <- tweak("multisession", workers = 2, gc = TRUE)
  expect_identical(class(two)[1:2], c("tweaked", "multisession"))
  expect_identical(formals(two)$workers, 2)
  expect_identical(attr(two, "tweaks"), list(workers = 2, gc = TRUE))
  three <- tweak(two, workers = 3)
  expect_identical(attr(three, "tweaks"), list(workers = 3, gc = TRUE))
  quoted <- tweak(multisession, rscript_startup = quote(f(x)))
  expect_identical(eval(formals(quoted)$rscript_startup), quote(f(x)))
})

test_that("one worker is this session", {
  local_plan("multisession", workers = 1)
  expect_s3_class(plan("backend"), "sequential_backend")
  expect_s3_class(plan(), "multisession")
  expect_identical(value(future(Sys.getpid())), Sys.getpid())
})

test_that("more workers than cores warn, far more are an error", {
  cores <- parallelly::availableCores()
  local_options(parallelly.maxWorkers.localhost = c(1, 3))
  expect_warning(check_load(cores + 1L), "soft limit")
  expect_error(check_load(3L * cores + 1L), "hard limit", class = "avenir_invalid_argument")
  expect_warning(check_load(cores), NA)
})

test_that("plans may be disallowed", {
  local_plan("sequential")
  local_options(future.plan.disallow = "multisession")
  expect_error(plan(multisession, workers = 2), "future.plan.disallow", class = "FutureError")
})

test_that("a future sees the tail of the stack", {
  local_plan("sequential")
  plan(list(a = sequential, b = sequential))
  f <- future(names(plan("list")))
  expect_identical(value(f), "b")
  g <- future(value(future(length(plan("list")))))
  expect_identical(value(g), 1L)
  expect_identical(names(plan("list")), c("a", "b"))
})

test_that("a plan set in a future ends with it", {
  local_plan("sequential")
  value(future({
    plan(list(sequential, sequential))
    NULL
  }))
  expect_length(plan("list"), 1L)
})

test_that("with(plan()) is for one expression and keeps the backend before", {
  local_plan("sequential", split = TRUE)
  backend <- plan("backend")
  seen <- NULL
  with(plan(list(x = sequential)), seen <- names(plan("list")))
  expect_identical(seen, "x")
  expect_identical(plan("backend"), backend)
  try(with(plan(sequential), stop("x")), silent = TRUE)
  expect_identical(plan("backend"), backend)
  use_plan <- function() {
    with(plan(list(y = sequential)), local = TRUE)
    names(plan("list"))
  }
  expect_identical(use_plan(), "y")
  expect_identical(plan("backend"), backend)
  stack <- plan("list")
  with(stack, NULL)
  expect_identical(plan("backend"), backend)
})

test_that("plans print", {
  local_plan("sequential")
  expect_output(print(plan()), "sequential:.*tweaked: FALSE")
  expect_output(print(plan("list")), "1. sequential")
  expect_output(print(plan("backend")), "this R session")
})

test_that("strategies are not called", {
  expect_error(sequential(), "plan\\(sequential", class = "avenir_invalid_argument")
  expect_error(multisession(), class = "avenir_invalid_argument")
})

test_that("nbrOfWorkers() and nbrOfFreeWorkers() count", {
  local_plan("sequential")
  expect_identical(nbrOfWorkers(), 1L)
  expect_identical(nbrOfFreeWorkers(), 1L)
  expect_identical(nbrOfFreeWorkers(background = TRUE), 0L)
  expect_identical(nbrOfWorkers(tweak(multisession, workers = 5)), 5L)
  expect_identical(nbrOfWorkers(sequential), 1L)
})

test_that("a forked process has a sequential plan and says so once", {
  local_plan("sequential")
  plan_state$pid <- -1L
  on.exit(plan_state$pid <- Sys.getpid(), add = TRUE)
  expect_message(expect_identical(value(future(1)), 1), "forked process")
  expect_message(value(future(1)), NA)
})

test_that("the same plan with another number of workers keeps those that there are, and loses nothing", {
  local_plan(tweak(multisession, workers = I(2)))
  pids <- function() avenir:::cpp_engine_workers(plan("backend")$engine)$pid
  invisible(value(list(future(1), future(2))))
  before <- pids()
  running <- future({
    Sys.sleep(0.3)
    42
  })
  plan(multisession, workers = I(3))
  expect_identical(nbrOfWorkers(), 3L)
  expect_true(all(before %in% pids()))
  expect_length(pids(), 3L)
  plan(multisession, workers = I(1))
  expect_identical(nbrOfWorkers(), 1L)
  expect_identical(value(running), 42)
  expect_true(wait_until(function() length(pids()) == 1L))
  threads <- value(future(Sys.getenv("OMP_NUM_THREADS")))
  expect_identical(threads, as.character(availableCores()[[1L]]))
  expect_identical(future_sapply(1:3, identity), 1:3)
})

test_that("workers that come with a larger number of them have their share of the cores, too", {
  local_plan(tweak(multisession, workers = I(1)))
  plan(multisession, workers = I(2))
  together <- tempfile("together-")
  dir.create(together)
  look <- function() {
    file.create(file.path(together, Sys.getpid()))
    while (length(list.files(together)) < 2L) Sys.sleep(0.01)
    c(Sys.getenv("OMP_NUM_THREADS"), cpu_threads())
  }
  share <- max(1L, availableCores()[[1L]] %/% 2L)
  expect_identical(value(list(future(look()), future(look()))), rep(list(as.character(c(share, share))), 2L))
})

test_that("a plan that differs in more than the number of workers has workers of its own", {
  local_plan(tweak(multisession, workers = I(2)))
  before <- plan("backend")
  plan(multisession, workers = I(2), max_memory = "4 GB")
  expect_false(identical(plan("backend"), before))
  expect_null(before$engine)
})
