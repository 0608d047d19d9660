# What only forks can do, or get wrong. What all plans share is in test-conformance.R.

multicore_in_child <- "plan(multicore, workers = I(2))"

test_that("a multicore future knows what the session knew when it was made", {
  got <- in_child(c(multicore_in_child, "
    hidden <- new.env(); hidden$x <- 1
    f <- future(hidden$x, globals = FALSE)
    hidden$x <- 2
    mark('result', list(first = value(f), second = value(future(hidden$x, globals = FALSE))))
  "))
  expect_identical(got, list(first = 1, second = 2))
})

test_that("an error in a fork inside the session's tryCatch() never runs the script a second time", {
  got <- in_child(c(multicore_in_child, "
    counter <- file.path(folder, 'lines')
    result <- tryCatch({
      cat('begun\\n', file = counter, append = TRUE)
      value(future(stop('in the fork')))
    }, error = conditionMessage, finally = cat('ended\\n', file = counter, append = TRUE))
    mark('result', list(result = result, lines = readLines(counter)))
  "))
  expect_identical(got, list(result = "in the fork", lines = c("begun", "ended")))
})

test_that("on.exit() code and finalizers of the session do not run in a fork", {
  got <- in_child(c(multicore_in_child, "
    counter <- file.path(folder, 'lines')
    holder <- new.env()
    reg.finalizer(holder, function(e) cat('finalizer\\n', file = counter, append = TRUE), onexit = TRUE)
    run <- function() {
      on.exit(cat('exit\\n', file = counter, append = TRUE))
      value(future(1))
    }
    value <- run()
    mark('result', readLines(counter))
  "))
  expect_identical(got, "exit")
})

test_that("warnings that the session has deferred are not printed by forks", {
  child <- start_child(c(multicore_in_child, "{
    warning('deferred')
    error <- try(value(future(stop('an error in the fork'))), silent = TRUE)
    mark('result', 1)
  }", "mark('done')"))
  on.exit(signal_child(child, tools::SIGKILL))
  child_value(child, "done")
  expect_length(gregexpr("deferred", child_output(child), fixed = TRUE)[[1]], 1L)
})

test_that("what a future has sunk to a file is there with its value, also when it leaves the sink open", {
  got <- in_child(c(multicore_in_child, "
    file <- file.path(folder, 'sunk')
    done <- value(future({ sink(file); cat('kept'); TRUE }))
    mark('result', list(done, readLines(file, warn = FALSE)))
  "))
  expect_identical(got, list(TRUE, "kept"))
})

test_that("output goes past the sinks of the session, and is relayed into them", {
  got <- in_child(c(multicore_in_child, "
    text <- capture.output({
      f <- future({ print('from the fork'); 1 })
      cat('between\\n')
      invisible(value(f))
    })
    mark('result', text)
  "))
  expect_identical(got, c("between", "[1] \"from the fork\""))
})

test_that("1,000 multicore futures at once are all answered, with a bounded number of processes", {
  got <- in_child(c(multicore_in_child, "
    most <- 0
    futures <- lapply(1:1000, function(i) {
      if (i %% 100 == 0) most <<- max(most, nrow(avenir:::cpp_engine_workers(plan('backend')$engine)))
      future(i)
    })
    mark('result', list(values = unlist(value(futures)), most = most))
  "), seconds = 120)
  expect_identical(got$values, 1:1000)
  expect_lte(got$most, 70)
})

test_that("a fork that is killed fails its own future and no other", {
  got <- in_child(c(multicore_in_child, "
    victim <- future(tools::pskill(Sys.getpid(), tools::SIGKILL))
    other <- future(2)
    error <- tryCatch(value(victim), error = identity)
    mark('result', list(class = class(error), signal = error$signal, other = value(other),
                        map = future_sapply(1:5, identity)))
  "))
  expect_true("WorkerLostError" %in% got$class)
  expect_identical(got[-1], list(signal = 9L, other = 2, map = 1:5))
})

test_that("an element that kills its fork ends the map with that element's error; the next map is right", {
  got <- in_child(c(multicore_in_child, "
    error <- tryCatch(suppressWarnings(future_lapply(1:8, function(i) {
      if (i == 3) tools::pskill(Sys.getpid(), tools::SIGKILL)
      i
    })), error = identity)
    mark('result', list(element = error$element, map = future_sapply(1:5, identity)))
  "))
  expect_identical(got, list(element = 3, map = 1:5))
})

test_that("forks end with a session that is killed, also while a fork of the user's lives", {
  child <- start_child(c(multicore_in_child, "
    busy <- lapply(1:3, function(i) future(repeat NULL))
    user <- parallel::mcparallel(repeat Sys.sleep(1))
    mark('pids', avenir:::cpp_engine_workers(plan('backend')$engine)$pid)
    mark('user', user$pid)
    repeat Sys.sleep(1)
  "))
  pids <- child_value(child, "pids")
  user <- child_value(child, "user")
  expect_length(pids, 3L)
  signal_child(child, tools::SIGKILL)
  expect_true(wait_until(function() !any(vapply(pids, process_lives, NA)), 20))
  tools::pskill(user, tools::SIGKILL)
})

test_that("multicore runs beside forks that the user makes", {
  got <- in_child(c(multicore_in_child, "
    running <- lapply(1:4, function(i) future({ Sys.sleep(0.05); i }))
    forked <- parallel::mclapply(1:3, function(i) i * sum(future_sapply(1:3, identity)), mc.cores = 2)
    mark('result', list(unlist(forked), unlist(value(running))))
  "))
  expect_identical(got, list(c(6L, 12L, 18L), 1:4))
})

test_that("a plan inside a fork works with workers of its own", {
  got <- in_child("
    plan(list(tweak(multicore, workers = I(2)), tweak(multisession, workers = I(2))))
    mark('result', value(future(length(unique(future_sapply(1:8, function(i) { Sys.sleep(0.1); Sys.getpid() }))))))
  ")
  expect_identical(got, 2L)
})

test_that("multicore is sequential where forking is switched off", {
  got <- in_child("
    Sys.setenv(R_PARALLELLY_FORK_ENABLE = 'false')
    options(parallelly.fork.enable = FALSE)
    plan(multicore, workers = 2)
    mark('result', value(future(Sys.getpid())) == Sys.getpid())
  ")
  expect_true(got)
})

for (teams in c("as many as there may be", "two")) local({
  threads <- if (teams == "two") 2L else 0L

  test_that(paste("code with OpenMP that ran in the session does not hang in a fork, threads:", teams), {
    library <- openmp_library()
    expect_true(file.exists(library))
    got <- in_child(c(sprintf("dyn.load('%s')", library), sprintf("threads <- %dL", threads), "
      .C('set_team', 2L)
      team_sum <- function(n) .C('team_sum', as.integer(n), threads, sum = 0)$sum
      here <- team_sum(1000)
    ", multicore_in_child, "
      there <- c(value(future(team_sum(1000))), future_sapply(c(10, 100), team_sum))
      mark('result', c(here, there, team_sum(1000), .C('team_size', 0L)[[1]]))
    "))
    expect_identical(got, c(500500, 500500, 55, 5050, 500500, 2))
  })
})

# The `refused`-th forks of the session are refused, as the system does when there are too many processes.
refusing_forks <- function(refused) {
  sprintf("
    fork <- avenir:::fork_worker
    forks <- 0
    assignInNamespace('fork_worker', function(...) {
      forks <<- forks + 1
      if (forks %%in%% %s) avenir:::stop_avenir('Resource temporarily unavailable', 'avenir_overloaded_error')
      fork(...)
    }, 'avenir')
    warned <- character()
    note <- function(expr) withCallingHandlers(expr, warning = function(w) {
      warned <<- c(warned, conditionMessage(w))
      invokeRestart('muffleWarning')
    })
  ", deparse1(refused))
}

test_that("when a fork is refused, futures wait for one that ends, with one warning; without any that is an error", {
  got <- in_child(c(multicore_in_child, refusing_forks(c(3, 7)), "
    said <- file.path(folder, 'said')
    one <- function(i) {
      while (!file.exists(said)) Sys.sleep(0.01)
      i
    }
    values <- note(withCallingHandlers(value(lapply(1:5, function(i) future(one(i)))),
                                       warning = function(w) file.create(said)))
    while (nrow(avenir:::cpp_engine_workers(plan('backend')$engine)) > 0) Sys.sleep(0.01)
    error <- tryCatch(future(1), error = class)
    mark('result', list(values = unlist(values), warned = warned, error = error, after = value(future(2))))
  "))
  expect_identical(got$values, 1:5)
  expect_match(got$warned, "^only 2 fork.s. could be made")
  expect_true("avenir_overloaded_error" %in% got$error)
  expect_identical(got$after, 2)
})

test_that("when a fork for a map is refused, the map goes on with those that there are and warns", {
  got <- in_child(c(multicore_in_child, refusing_forks(2:3), "
    values <- note(future_sapply(1:5, function(i) i))
    error <- tryCatch(future_sapply(1:2, identity), error = class)
    mark('result', list(values = values, warned = warned, error = error))
  "))
  expect_identical(got$values, 1:5)
  expect_match(got$warned, "^only 1 fork.s. could be made")
  expect_true("avenir_overloaded_error" %in% got$error)
})

test_that("a fork that cannot be set up ends with the reason", {
  library <- made_up_library(c(
    "#define _GNU_SOURCE", "#include <dlfcn.h>", "#include <errno.h>", "#include <sys/mman.h>", "#include <unistd.h>",
    "static pid_t first;", "__attribute__((constructor)) static void start(void) { first = getpid(); }",
    "void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {",
    "  static void *(*next)(void *, size_t, int, int, int, off_t);",
    "  if ((flags & MAP_SHARED) && getpid() != first) { errno = ENOMEM; return MAP_FAILED; }",
    "  if (!next) next = dlsym(RTLD_NEXT, \"mmap\");",
    "  return next(at, size, protection, flags, fd, offset);", "}"))
  got <- in_child("
    plan(multicore, workers = I(1))
    mark('result', tryCatch(value(future(1)), error = identity))", environment = preloaded(library))
  expect_s3_class(got, "WorkerLostError")
  expect_match(conditionMessage(got), "ended with exit code 1")
})

test_that("what forks have sent before they ended is there for a session that was stopped meanwhile", {
  child <- start_child("
    plan(multicore, workers = I(1))
    values <- future_lapply(1:4, function(i) {
      if (i == 1L) mark('begun', Sys.getpid())
      while (!file.exists(file.path(folder, 'go'))) Sys.sleep(0.01)
      as.numeric(i + 1:1e5)
    })
    mark('result', identical(values, lapply(1:4, function(i) as.numeric(i + 1:1e5))))")
  on.exit(kill_child(child))
  fork <- child_value(child, "begun")
  signal_child(child, tools::SIGSTOP)
  file.create(file.path(child$folder, "go"))
  expect_true(wait_until(function() !process_lives(fork)))
  signal_child(child, tools::SIGCONT)
  expect_true(child_value(child, "result"))
})

test_that("a session that has no descriptor left for its first fork says so, and goes on when it has", {
  outcome <- in_child(c(
    "plan(multicore, workers = I(2))",
    "system(sprintf('prlimit --nofile=60:4096 --pid %d', Sys.getpid()))",
    "opened <- list()",
    "repeat {",
    "  new <- tryCatch(suppressWarnings(file('/dev/null', 'r')), error = function(e) NULL)",
    "  if (is.null(new)) break",
    "  opened <- c(opened, list(new))",
    "}",
    "refused <- tryCatch(value(future(1)), error = class)",
    "for (one in opened) close(one)",
    "mark('result', list(refused, value(future(2))))"))
  expect_true("avenir_overloaded_error" %in% outcome[[1L]])
  expect_identical(outcome[[2L]], 2)
})
