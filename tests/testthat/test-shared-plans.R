# Shared memory between the session and its workers, over the plans of one machine.

local_small <- function(frame = parent.frame()) local_options(avenir.share.threshold = 8192, frame = frame)

parallel_plans <- function() conformance_plans()[setdiff(names(conformance_plans()), "sequential")]

session_segments <- function() cpp_share_use()[["segments"]]

for (name in names(parallel_plans())) {
  arguments <- conformance_plans()[[name]]

  local_test("large arguments, globals and results are shared and right", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_small()
    x <- rnorm(20000)
    text <- paste("string", 1:5000)
    seen <- future_lapply(1:4, function(i) list(sum(x) + i, text[i], x * i))
    for (i in 1:4) {
      expect_identical(seen[[i]][1:2], list(sum(x) + i, text[i]))
      expect_identical(seen[[i]][[3]], x * i)
      expect_true(is_shared(seen[[i]][[3]]))
    }
    expect_identical(value(future(rev(x))), rev(x))
    expect_identical(future_lapply(list(x, -x), identity), list(x, -x))
    expect_identical(unlist(future_lapply(x[1:3000], function(e) e)), x[1:3000])
  })

  local_test("with sharing off everything is sent as bytes", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_options(avenir.share = FALSE, avenir.share.threshold = 8192)
    x <- rnorm(20000)
    got <- value(future(list(x + 0, 1)))
    expect_identical(got[[1]], x)
    expect_false(is_shared(got[[1]]))
  })

  local_test("what a worker writes to a view is its own", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_small()
    x <- rnorm(20000)
    before <- x + 0
    changed <- future_lapply(1:4, function(i) {
      x[1] <- i
      x[1:2]
    })
    expect_identical(changed, lapply(1:4, function(i) c(i, before[2])))
    expect_identical(x, before)
    expect_identical(value(future(x)), before)
  })

  local_test("data.table::set() on a global between two maps is seen", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_small()
    table <- data.table::data.table(x = rnorm(5000))
    expect_identical(future_sapply(1:2, function(i) table$x[1]), rep(table$x[1], 2))
    data.table::set(table, 1L, "x", 42)
    expect_identical(future_sapply(1:2, function(i) table$x[1]), c(42, 42))
  })

  local_test("results are sent on, changed or not", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_small()
    first <- future_lapply(1:2, function(i) seq(i, length.out = 20000, by = 0.5))
    expect_true(is_shared(first))
    again <- future_lapply(first, function(x) x)
    expect_identical(again, first)
    first[[1]][2] <- -1
    second <- future_lapply(first, function(x) c(x[2], sum(x)))
    expect_identical(second, lapply(first, function(x) c(x[2], sum(x))))
  })

  local_test("a process that the user forks has the views, and what it writes is its own", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_small()
    v <- value(future(as.numeric(1:20000) + 0.5))
    expect_true(is_shared(v))
    seen <- parallel::mclapply(1:2, function(i) {
      v[1] <- i
      c(v[1], sum(v[-1]))
    }, mc.cores = 2)
    expect_identical(seen, lapply(1:2, function(i) c(i, sum(v[-1]))))
    expect_identical(v[1], 1.5)
    inside <- value(future({
      parallel::mclapply(1:2, function(i) {
        v[1] <- i
        v[1] + v[2]
      }, mc.cores = 2)
    }))
    expect_identical(inside, list(1 + v[2], 2 + v[2]))
    expect_identical(value(future(v))[1], 1.5)
  })

  local_test("retries find their data after a worker was lost", {
    set_plan_of(arguments)
    on.exit(plan(sequential))
    local_small()
    x <- rnorm(20000)
    flag <- tempfile()
    sums <- future_sapply(1:4, function(i) {
      if (i == 2 && !file.exists(flag)) {
        file.create(flag)
        tools::pskill(Sys.getpid(), tools::SIGKILL)
        Sys.sleep(60)
      }
      sum(x) + i
    }, future.retries = 1)
    expect_identical(sums, sum(x) + 1:4)
  })
}

test_that("what a worker has already is not sent again", {
  local_plan(multisession, workers = I(1))
  local_small()
  x <- rnorm(50000)
  value(future(sum(x)))
  before <- cpp_share_use()
  for (i in 1:5) expect_identical(value(future(sum(x))), sum(x))
  for (i in 1:3) expect_identical(value(future(x)), x)
  gc(FALSE)
  y <- x + 0
  expect_identical(value(future(sum(y))), sum(x))
  expect_identical(cpp_share_use()[c("segments", "bytes")], before[c("segments", "bytes")])
})

test_that("nested maps pass views on without a copy", {
  local_plan(list(tweak(multisession, workers = I(1)), tweak(multisession, workers = I(1))))
  local_small()
  x <- rnorm(50000)
  shared <- value(future({
    inner <- avenir::value(avenir::future(list(avenir::is_shared(x), sum(x))))
    list(avenir::is_shared(x), inner, avenir:::cpp_share_use()[["segments"]])
  }))
  expect_identical(shared[[1]], TRUE)
  expect_identical(shared[[2]], list(TRUE, sum(x)))
  expect_identical(shared[[3]], 0)
})

test_that("descriptors and segments do not grow with the number of maps", {
  used <- in_child(c(
    "options(avenir.share.threshold = 8192)",
    "plan(multisession, workers = I(2))",
    "count <- function() c(length(list.files('/proc/self/fd')), avenir:::cpp_share_use()[['segments']])",
    "run <- function(n) for (i in seq_len(n)) {",
    "  x <- c(i, rnorm(5000)); r <- future_lapply(1:2, function(k) x[1] + 0 * x)",
    "  stopifnot(r[[2]][1] == i)",
    "}",
    "run(150); rm(x, envir = globalenv()); gc(); first <- count()",
    "run(150); gc(); mark('result', rbind(first, count()))"), 120)
  expect_lte(used[2, 1], used[1, 1] + 8)
  expect_lte(used[2, 2], used[1, 2])
})

test_that("with 64 descriptors maps of large data are right", {
  sums <- in_child(c(
    "options(avenir.share.threshold = 8192)",
    "plan(multisession, workers = I(2))",
    "value(future(1))",
    "invisible(tools:::.OStype())",
    "system(sprintf('prlimit --nofile=64:64 --pid %d', Sys.getpid()))",
    "x <- lapply(1:40, function(i) rnorm(5000) + i)",
    "one <- future_lapply(x, function(v) v * 2)",
    "fs <- lapply(x, function(v) future(v * 3))",
    "two <- lapply(fs, value)",
    "mark('result', c(identical(one, lapply(x, `*`, 2)), identical(two, lapply(x, `*`, 3))))"), 120)
  expect_identical(sums, c(TRUE, TRUE))
})

test_that("a limit of address space gives the result or an error that says so", {
  outcome <- in_child(c(
    "plan(multisession, workers = I(1))",
    "x <- rnorm(2e6); value(future(sum(x)))",
    "size <- as.numeric(strsplit(readLines('/proc/self/statm'), ' ')[[1]][1]) * 4096",
    "system(sprintf('prlimit --as=%.0f --pid %d', size + 20e6, Sys.getpid()))",
    "got <- tryCatch(value(future(numeric(1e7))), error = function(e) class(e))",
    "mark('result', list(got, value(future(sum(x))) == sum(x)))"), 120)
  expect_true(is.numeric(outcome[[1]]) || "avenir_overloaded_error" %in% outcome[[1]])
  expect_true(outcome[[2]])
})

test_that("a worker that dies while it publishes a result loses that result and nothing else", {
  local_plan(multisession, workers = I(1))
  value(future(1))
  fds <- open_descriptors()
  for (i in 1:5) {
    flag <- tempfile()
    task <- future({
      x <- numeric(1e7) + 1
      cat(Sys.getpid(), file = paste0(flag, "-part"))
      file.rename(paste0(flag, "-part"), flag)
      x
    })
    expect_true(wait_until(function() file.exists(flag)))
    tools::pskill(scan(flag, quiet = TRUE), tools::SIGKILL)
    got <- tryCatch(value(task), WorkerLostError = function(e) "lost")
    expect_true(identical(got, "lost") || identical(got, numeric(1e7) + 1))
    rm(got, task)
  }
  expect_identical(value(future(sum(numeric(1e5) + 1))), 1e5)
  gc(FALSE)
  expect_true(wait_until(function() open_descriptors() <= fds + 2))
})

test_that("what is shared has no name in the file system, and the size of /dev/shm does not matter", {
  before <- list.files("/dev/shm")
  x <- share(numeric(1e5) + 1)
  expect_identical(list.files("/dev/shm"), before)
  links <- Sys.readlink(file.path("/proc/self/fd", list.files("/proc/self/fd")))
  expect_true(any(grepl("memfd:avenir-vectors|/avenir-[0-9]+-[0-9]+ \\(deleted\\)", links)))
})

# Large enough for a file to itself.
large_vector <- function(first) first + seq_len(2.5e6) / 2

forget_and_look <- function() {
  cpp_share_forget()
  for (i in 1:3) value(future(gc()))
}

test_that("files are written again once no worker has a view of them", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential))
  before <- cpp_share_use()[["reused"]]
  for (first in 1:6) {
    x <- large_vector(first)
    expect_identical(value(future(sum(x))), sum(x))
    forget_and_look()
  }
  expect_gt(cpp_share_use()[["reused"]], before)
})

test_that("a view that is left on a worker, or in a fork made there, shows what it always showed", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential))
  go <- tempfile()
  told <- tempfile()
  system2("mkfifo", c(go, told))
  x <- large_vector(1)
  value(future({
    attach(list(left_view = x))
    parallel::mcparallel({
      readLines(go)
      writeLines(format(sum(x), digits = 17), told)
    }, detached = TRUE)
    NULL
  }))
  expected <- sum(x)
  for (first in 2:5) {
    x <- large_vector(first)
    expect_identical(value(future(sum(x))), sum(x))
    forget_and_look()
  }
  expect_identical(value(future(sum(get("left_view")))), expected)
  system2("sh", c("-c", shQuote(paste("echo go >", go))))
  expect_identical(as.numeric(system2("cat", told, stdout = TRUE)), expected)
})

test_that("a view of the session, and of a fork made here, shows what it always showed", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential))
  x <- share(large_vector(1))
  expected <- sum(large_vector(1))
  go <- tempfile()
  system2("mkfifo", go)
  fork <- parallel::mcparallel({
    readLines(go)
    sum(x)
  })
  value(future(sum(x)))
  rm(x)
  gc()
  for (first in 2:5) {
    y <- large_vector(first)
    expect_identical(value(future(sum(y))), sum(y))
    forget_and_look()
  }
  system2("sh", c("-c", shQuote(paste("echo go >", go))))
  expect_identical(parallel::mccollect(fork)[[1]], expected)
})

test_that("what was sent is given up with the plan", {
  plan(multisession, workers = I(1))
  x <- rnorm(1e5)
  value(future(sum(x)))
  expect_gt(session_segments(), 0)
  plan(sequential)
  expect_identical(session_segments(), 0)
})

test_that("a map over large globals is limited by future.globals.maxSize only where that is set", {
  local_plan(multisession, workers = I(1))
  x <- rnorm(1e6)
  expect_identical(value(future(length(x))), 1000000L)
  local_options(future.globals.maxSize = 1e6)
  expect_error(future(length(x)), "maxSize")
})
