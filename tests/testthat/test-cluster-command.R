# workers_command(): what becomes of jobs that never bring a worker.

# A plan whose jobs nobody starts. Had it to wait, it would end with another error.
plan_of_nothing <- function(start, status = NULL, queue_timeout = 60, frame = parent.frame()) {
  skip_if(nzchar(avenir:::cpp_tls_missing()), "TLS is not there")
  local_options(avenir.cluster.address = "127.0.0.1", avenir.cluster.folder = tempfile("tickets-"), frame = frame)
  local_plan(cluster, workers = workers_command(start, status = status), queue_timeout = queue_timeout, frame = frame)
}

error_of <- function(expr) expect_error(suppressMessages(expr), class = "avenir_worker_start_error")

test_that("jobs of which `status` says that they have ended are not waited for", {
  jobs <- tempfile("jobs-")
  writeLines("7", jobs)
  plan_of_nothing("echo 7", sprintf("grep -qx {id} %s", shQuote(jobs)))
  f <- future(1)
  writeLines("8", jobs)
  error <- error_of(value(f))
  expect_false(inherits(error, "avenir_timeout_error"))
})

test_that("jobs of which `status` says that they wait or run are waited for", {
  asked <- tempfile("asked-")
  plan_of_nothing("echo 7", sprintf("echo {id} >> %s", shQuote(asked)), queue_timeout = 4)
  error <- error_of(value(future(1)))
  expect_s3_class(error, "avenir_timeout_error")
  expect_identical(unique(readLines(asked)), "7")
})

test_that("jobs that once cannot be seen have not ended", {
  asked <- tempfile("asked-")
  plan_of_nothing("echo 7", sprintf("echo {id} >> %1$s; test $(wc -l < %1$s) -gt 1", shQuote(asked)),
                  queue_timeout = 4)
  expect_s3_class(error_of(value(future(1))), "avenir_timeout_error")
})

test_that("a start command that fails is an error at once, with what it said", {
  error <- error_of(plan_of_nothing("echo no such queue >&2; exit 3"))
  expect_match(conditionMessage(error), "ended with exit status 3: no such queue")
  error <- error_of(plan_of_nothing("echo no such image >&2; test -z {command}; exit 4"))
  expect_match(conditionMessage(error), "ended with exit status 4: no such image")
  error <- error_of(plan_of_nothing("echo {command} >/dev/null; kill -9 $$"))
  expect_match(conditionMessage(error), "was ended by signal 9")
})

test_that("a wall clock that is set forward by a day ends no waiting for a command", {
  library <- made_up_library(readLines(system.file("bench", "faults", "clock.c", package = "avenir", mustWork = TRUE)))
  moment <- tempfile("tomorrow-")
  code <- sprintf("
    options(avenir.cluster.address = '127.0.0.1', avenir.cluster.folder = file.path(folder, 'tickets'))
    start <- 'sleep 0.3; touch %s; sleep 0.5; echo no such queue; exit 3'
    error <- tryCatch(plan(cluster, workers = workers_command(start)), error = conditionMessage)
    mark('result', list(error, Sys.time()))", moment)
  got <- in_child(code, environment = c(paste0("LD_PRELOAD=", library), paste0("AVENIR_FAULT_CLOCK=", moment)))
  expect_match(got[[1L]], "no such queue")
  expect_match(got[[1L]], "exit status 3")
  expect_gt(as.numeric(got[[2L]]) - as.numeric(Sys.time()), 80000)
})
