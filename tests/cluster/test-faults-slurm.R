# Slurm ends what it has started: nothing hangs, nothing stays, and errors have its words.

test_that("scancel of the jobs ends the workers, and the error says that they were cancelled", {
  backend <- local_cluster(slurm_workers())
  f <- future(Sys.sleep(600))
  await_ready(backend, 2L)
  command_output("scancel", backend$launches[[1L]]$id)
  error <- prompt_error(value(f))
  expect_s3_class(error, "FutureError")
  expect_match(conditionMessage(error), "cancelled")
  expect_no_processes()
})

test_that("a worker that takes more memory than its job has is out of memory", {
  skip_if(Sys.getenv("RIG_MEMORY_LIMITS") != "yes", "no memory limits here")
  backend <- local_cluster(slurm_workers(1, mem = "250M"))
  error <- prompt_error(value(future(sum(as.numeric(seq_len(2e8)) + 1))))
  expect_s3_class(error, "FutureError")
  expect_match(conditionMessage(error), "lack of memory|out of memory")
  plan(sequential)
  expect_no_processes()
})

test_that("jobs that fail at once are an error", {
  local_cluster(slurm_workers(1))
  plan(sequential)
  error <- prompt_error(local_cluster(slurm_workers(1, partition = "nowhere")))
  expect_s3_class(error, "avenir_worker_start_error")
  expect_match(conditionMessage(error), "nowhere|partition")
})

test_that("jobs that end before they can join are an error with their own words", {
  local_cluster(slurm_workers(1))
  options(avenir.cluster.address = "127.0.0.1")
  plan(cluster, workers = slurm_workers(2))
  error <- prompt_error(value(future(1)))
  expect_s3_class(error, "avenir_worker_start_error")
  expect_match(conditionMessage(error), "cannot connect to 127.0.0.1 port [0-9]+")
})

test_that("a queue that does not move is told of, and given up when that was asked for", {
  local_cluster(slurm_workers(1, begin = "now+1hour"), queue_timeout = 6)
  told <- character()
  error <- prompt_error(withCallingHandlers(value(future(1)), message = function(m) {
    told <<- c(told, conditionMessage(m))
    invokeRestart("muffleMessage")
  }))
  expect_s3_class(error, "avenir_timeout_error")
  expect_match(conditionMessage(error), "6 seconds.*BeginTime")
  expect_match(told, "waiting for workers: .*start time")
  plan(sequential)
  expect_true(wait_until(function() !length(command_output("squeue", "-h"))))
})
