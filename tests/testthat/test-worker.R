# What a future on a multisession worker sees, and that nothing of one job is left for the next.

on_worker <- function(expr) value(future(expr, substitute = FALSE))

test_that("a worker has its own process, temporary folder and process group", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  seen <- on_worker(quote(list(pid = Sys.getpid(), temp = tempdir(), exists = dir.exists(tempdir()))))
  expect_false(seen$pid == Sys.getpid())
  expect_false(identical(seen$temp, tempdir()))
  expect_true(seen$exists)
})

test_that("a worker has the session's TMPDIR, library paths, working directory and locale", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  here <- list(Sys.getenv("TMPDIR"), .libPaths(), getwd(), Sys.getlocale(), Sys.getenv("TZ"))
  there <- on_worker(quote(list(Sys.getenv("TMPDIR"), .libPaths(), getwd(), Sys.getlocale(), Sys.getenv("TZ"))))
  expect_identical(there, here)
})

test_that("a worker computes on while its collector runs at every few allocations", {
  values <- in_child('
    plan(multisession, workers = I(1))
    tortured <- function(step) {
      value(future(gctorture2(step, 1)))
      on.exit(value(future(gctorture2(0L))))
      value(future(step))
    }
    mark("result", lapply(40:2, tortured))
  ', seconds = 120)
  expect_identical(values, as.list(40:2))
})

test_that("variables, options, environment variables, working directory and sinks of a job are gone for the next", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  look <- quote(list(ls(globalenv(), all.names = TRUE), getOption("digits"), getOption("avenir.test.new"),
                     Sys.getenv("AVENIR_TEST"), Sys.getenv("HOME"), getwd(), sink.number()))
  before <- on_worker(look)
  expect_warning(on_worker(quote({
    assign("left", 1, globalenv())
    options(digits = 3)
    Sys.setenv(AVENIR_TEST = "set", HOME = "/elsewhere")
    setwd(tempdir())
    sink(tempfile())
    NULL
  })), class = "ConnectionMisuseFutureWarning")
  expect_identical(on_worker(look), before)
})

test_that("the generator of a worker is as before after a seeded job", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  look <- quote(list(RNGkind(), ".Random.seed" %in% ls(globalenv(), all.names = TRUE)))
  before <- on_worker(look)
  value(future(runif(3), seed = 42L))
  invisible(future_lapply(1:3, function(i) runif(1), future.seed = TRUE))
  expect_identical(on_worker(look), before)
})

test_that("the parent's variables are not seen unless they are globals", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  assign("avenir_test_hidden", 1, globalenv())
  on.exit(rm("avenir_test_hidden", envir = globalenv()), add = TRUE)
  expect_false(value(future(exists("avenir_test_hidden"), globals = FALSE)))
})

test_that("a worker uses its share of the cores for BLAS and OpenMP", {
  plan(multisession, workers = 2)
  on.exit(plan(sequential), add = TRUE)
  threads <- max(1L, parallelly::availableCores() %/% 2L)
  expect_identical(on_worker(quote(Sys.getenv("OMP_NUM_THREADS"))), as.character(threads))
})

test_that("the user profile is read on workers, and options(avenir.worker.profile = FALSE) switches that off", {
  profile <- tempfile()
  writeLines("options(avenir.test.profile = 'read')", profile)
  old <- Sys.getenv("R_PROFILE_USER", NA)
  Sys.setenv(R_PROFILE_USER = profile)
  on.exit(if (is.na(old)) Sys.unsetenv("R_PROFILE_USER") else Sys.setenv(R_PROFILE_USER = old))
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  expect_identical(on_worker(quote(getOption("avenir.test.profile"))), "read")
  plan(sequential)
  op <- options(avenir.worker.profile = FALSE)
  on.exit(options(op), add = TRUE)
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  expect_null(on_worker(quote(getOption("avenir.test.profile"))))
})

test_that("output of compiled code and of processes is captured too", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  expect_output(on_worker(quote(system("echo from a process"))), "from a process")
})

test_that("infinite recursion is an error of the future, and the worker lives on", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  pid <- on_worker(quote(Sys.getpid()))
  expect_error(on_worker(quote((function() { f <- function() f(); f() })())), "recursion|stack")
  expect_identical(on_worker(quote(Sys.getpid())), pid)
})

test_that("warnings become errors on a worker under options(warn = 2)", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  expect_error(on_worker(quote({ options(warn = 2); warning("turned") })), "turned")
})

test_that("a large value and a large global make the trip", {
  plan(multisession, workers = I(1))
  on.exit(plan(sequential), add = TRUE)
  x <- as.double(1:2e5)
  expect_identical(value(future(x)), x)
  expect_identical(value(future(sum(x))), sum(x))
})

test_that("a node that is told to end while it starts leaves no folder", {
  folder <- tempfile("node-")
  dir.create(folder)
  ticket <- file.path(folder, "ticket")
  system2("mkfifo", ticket)  # the node waits for who writes to it
  words <- c("env", paste0("TMPDIR=", folder), paste0("R_LIBS=", paste(.libPaths(), collapse = ":")),
             file.path(R.home("bin"), "Rscript"), "--no-init-file", "-e", avenir:::node_expression,
             paste0("--ticket-file=", ticket))
  pid_file <- file.path(folder, "pid")
  line <- sprintf("echo $$ > %s; exec setsid %s >%s 2>&1", shQuote(pid_file), paste(shQuote(words), collapse = " "),
                  shQuote(file.path(folder, "said")))
  system2("sh", c("-c", shQuote(line)), wait = FALSE)
  node_folders <- function() list.files(folder, "^avenir-", full.names = TRUE)
  expect_true(wait_until(function() length(node_folders()) == 1L && length(readLines(pid_file)) == 1L))
  pid <- as.integer(readLines(pid_file))
  system2("kill", c("-TERM", paste0("-", pid)))  # with its template, as schedulers do
  system2("timeout", c("20", "sh", "-c", shQuote(paste(": >", ticket))))
  expect_true(wait_until(function() !process_lives(pid)))
  expect_identical(node_folders(), character())
})
