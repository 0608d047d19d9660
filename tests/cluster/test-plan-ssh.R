# plan(cluster) over ssh.

test_that("120 tasks are done by both hosts, as plan(sequential) does them", {
  task <- function(i) list(mean(stats::rnorm(1000)), Sys.info()[["nodename"]], Sys.sleep(0.01))
  set.seed(5)
  before <- future_lapply(1:120, task, future.seed = TRUE)
  backend <- local_cluster(ssh_workers())
  await_ready(backend, 2L)
  set.seed(5)
  seen <- future_lapply(1:120, task, future.seed = TRUE)
  expect_identical(lapply(seen, `[[`, 1L), lapply(before, `[[`, 1L))
  expect_setequal(vapply(seen, `[[`, "", 2L), rig_hosts())
  expect_identical(nbrOfWorkers(), 4L)
  plan(sequential)
  expect_no_processes()
})

test_that("one way through ssh only is enough, both for futures and large data", {
  local_cluster(ssh_workers("h1", revtunnel = TRUE))
  x <- stats::runif(1e6)
  expect_identical(value(future(list(Sys.info()[["nodename"]], x * 2))), list("h1", x * 2))
})
