# What may go wrong around a multisession plan besides the faults of test-fault-matrix.R: futures whose worker is
# killed, busy workers and what is left of them, plans that cannot start.

plan_in_child <- "plan(multisession, workers = 2); invisible(value(future(1)))"
worker_pids <- "worker_pids <- function() avenir:::cpp_engine_workers(plan('backend')$engine)$pid"

test_that("a killed worker fails its own future and no other, and is replaced", {
  got <- in_child(c(plan_in_child, "
    victim <- future({ tools::pskill(Sys.getpid(), tools::SIGKILL); Sys.sleep(60) }, label = 'victim')
    other <- future(1 + 1)
    error <- tryCatch(value(victim), error = identity)
    mark('result', list(class = class(error), signal = error$signal, message = conditionMessage(error),
                        other = value(other),
                        pids = length(unique(future_sapply(1:20, function(i) { Sys.sleep(0.05); Sys.getpid() })))))
  "))
  expect_true(all(c("WorkerLostError", "FutureInterruptError", "FutureError") %in% got$class))
  expect_identical(got$signal, 9L)
  expect_match(got$message, "SIGKILL")
  expect_match(got$message, "victim")
  expect_identical(got$other, 2)
  expect_identical(got$pids, 2L)
})

test_that("a session that is killed leaves no process and no folder of its plan behind", {
  child <- start_child(c(plan_in_child, worker_pids, "
    busy <- lapply(1:2, function(i) future({ repeat NULL }))
    mark('pids', worker_pids())
    mark('temp', list.files(tempdir(), '^avenir-', full.names = TRUE))
    repeat Sys.sleep(1)
  "))
  pids <- child_value(child, "pids")
  temp <- child_value(child, "temp")
  expect_length(pids, 2L)
  expect_length(temp, 1L)
  templates <- processes_with(temp)
  expect_gte(length(templates), 1L)
  signal_child(child, tools::SIGKILL)
  expect_true(wait_until(function() !any(vapply(c(pids, templates), process_lives, NA)), 20))
  expect_true(wait_until(function() !dir.exists(temp), 20))
  unlink(dirname(temp), recursive = TRUE)
})

test_that("plan(sequential) ends the workers of the plan before, busy ones too", {
  got <- in_child(c(plan_in_child, worker_pids, "
    pids <- worker_pids()
    temp <- list.files(tempdir(), '^avenir-', full.names = TRUE)
    busy <- future(Sys.sleep(300))
    before <- length(list.files('/proc/self/fd'))
    plan(sequential)
    mark('result', list(pids = pids, temp = temp, left = list.files(tempdir(), '^avenir-')))
  "))
  expect_false(any(vapply(got$pids, process_lives, NA)))
  expect_length(got$temp, 1L)
  expect_length(got$left, 0L)
})

test_that("a plan opens no port, no named socket and no file in /dev/shm, and leaves no descriptor", {
  got <- in_child("
    look <- function() list(
      listening = unlist(lapply(c('/proc/net/tcp', '/proc/net/tcp6'), function(f) {
        if (file.exists(f)) grep('^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ 0A', readLines(f), value = TRUE)
      })),
      named = setdiff(sub('.* ', '', readLines('/proc/net/unix')), ''),
      shm = list.files('/dev/shm', all.files = TRUE)
    )
    descriptors <- function() length(list.files('/proc/self/fd'))
    before <- look(); fds <- descriptors()
    named <- function(x) grep('^[@/]', x$named, value = TRUE)
    plan(multisession, workers = 2); invisible(value(future(1)))
    during <- look()
    plan(sequential)
    mark('result', list(listening = identical(before$listening, during$listening),
                        named = identical(named(before), named(during)),
                        shm = identical(before$shm, during$shm), fds = c(fds, descriptors())))
  ")
  expect_true(got$listening)
  expect_true(got$named)
  expect_true(got$shm)
  expect_identical(got$fds[1], got$fds[2])
})

test_that("workers that cannot be started are a classed error, and leave nothing behind", {
  got <- in_child("
    fds <- length(list.files('/proc/self/fd'))
    Sys.setenv(R_HOME = '/nonexistent')
    error <- tryCatch(plan(multisession, workers = 2), error = identity)
    mark('result', list(class = class(error), message = conditionMessage(error), plan = class(plan())[1:3],
                        fds = length(list.files('/proc/self/fd')) - fds, temp = list.files(tempdir(), '^avenir')))
  ")
  expect_true(all(c("avenir_worker_start_error", "FutureError") %in% got$class))
  expect_match(got$message, "/nonexistent", fixed = TRUE)
  expect_identical(got$fds, 0L)
  expect_length(got$temp, 0L)
})

test_that("a worker that ends while it starts is an error that quotes what it wrote", {
  got <- in_child("
    writeLines(\"write('no luck here', stderr()); quit(status = 7)\", profile <- tempfile())
    Sys.setenv(R_PROFILE_USER = profile)
    plan(multisession, workers = 2)
    error <- tryCatch(value(future(1)), error = identity)
    mark('result', list(class = class(error), message = conditionMessage(error)))
  ")
  expect_true("avenir_worker_start_error" %in% got$class)
  expect_match(got$message, "no luck here", fixed = TRUE)
})

test_that("a fork that the user makes while futures run leaves the plan alone", {
  got <- in_child(c(plan_in_child, "
    running <- future({ Sys.sleep(0.2); 42 })
    forked <- parallel::mclapply(1:2, function(i) {
      error <- tryCatch(value(running), error = class)
      list(error = 'FutureError' %in% error || 'avenir_error' %in% error, map = future_sapply(1:3, identity))
    }, mc.cores = 2)
    mark('result', list(forked = forked, value = value(running), map = future_sapply(1:3, identity)))
  "))
  expect_identical(got$value, 42)
  expect_identical(got$map, 1:3)
  expect_true(got$forked[[1]]$error)
  expect_identical(got$forked[[2]]$map, 1:3)
})

test_that("a future that is cancelled and does not heed the interrupt is killed after the grace, and says so", {
  got <- in_child("
    plan(multisession, workers = 2, interrupt_grace = 0.2)
    deaf <- future({
      mark('begun')
      repeat tryCatch(repeat Sys.sleep(1), interrupt = function(i) NULL)
    })
    while (!file.exists(file.path(folder, 'begun'))) Sys.sleep(0.01)
    cancel(deaf)
    error <- tryCatch(value(deaf), error = identity)
    mark('result', list(class = class(error), message = conditionMessage(error), after = future_sapply(1:3, identity)))
  ")
  expect_true("FutureCanceledError" %in% got$class)
  expect_match(got$message, "did not react to the interrupt, and its worker was killed", fixed = TRUE)
  expect_identical(got$after, 1:3)
})
