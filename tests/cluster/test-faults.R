# What goes wrong with hosts, links and sessions while a map runs.

# A host that is lost is missed soon.
quick <- list(lost_after = 3, heartbeat = 0.5)
local_pair <- function(..., frame = parent.frame()) {
  backend <- do.call(local_cluster, c(list(ssh_workers(), frame = frame), utils::modifyList(quick, list(...))))
  await_ready(backend, 2L)
  backend
}

test_that("a node that is killed costs no result", {
  backend <- local_pair()
  pid <- nodes_here(backend)$pid[nodes_here(backend)$host == "h2"]
  got <- map_with(rig_words("exec h2 kill -9", pid))
  ends <- avenir:::cpp_cluster_nodes(backend$engine)
  expect_identical(ends$host[ends$state == "gone"], "h2")
  expect_no_processes("h2")
  expect_identical(got, expected_of())
})

test_that("what was lost with its node for good says where, and why", {
  backend <- local_cluster(ssh_workers("h1"))
  f <- future(Sys.sleep(600))
  await_ready(backend, 1L)
  rig("exec", "h1", "kill", "-9", nodes_here(backend)$pid)
  error <- prompt_error(value(f))
  expect_s3_class(error, "FutureError")
  expect_match(conditionMessage(error), "h1")
  expect_no_processes("h1")
})

test_that("a short cut of the link costs nothing", {
  backend <- local_pair(lost_after = 8)
  got <- map_with(paste(rig_words("cut h2"), "; sleep 1.5;", rig_words("heal h2")))
  expect_identical(nrow(nodes_here(backend)), 2L)
  expect_identical(got, expected_of())
})

test_that("a long cut loses the host and not the map, and nothing stays behind it", {
  backend <- local_pair()
  on.exit(rig("heal", "h2"), add = TRUE)
  got <- map_with(rig_words("cut h2"))
  expect_identical(nodes_here(backend)$host, "h1")
  expect_no_processes("h2")
  rig("heal", "h2")
  expect_identical(future_sapply(1:4, function(i) Sys.info()[["nodename"]]), rep("h1", 4))
  expect_identical(got, expected_of())
})

test_that("a link that is cut in one direction only is noticed by both ends", {
  backend <- local_pair()
  on.exit(rig("heal", "h2"), add = TRUE)
  got <- map_with(rig_words("cut h2 in"))
  expect_identical(nodes_here(backend)$host, "h1")
  expect_no_processes("h2")
  expect_identical(got, expected_of())
})

test_that("a node that stands still is given up, and what it has to say later is not heard", {
  backend <- local_pair(lost_after = 1.5)
  pid <- nodes_here(backend)$pid[nodes_here(backend)$host == "h2"]
  on.exit(rig("exec", "h2", "kill", "-CONT", pid), add = TRUE)
  got <- map_with(rig_words("exec h2 kill -STOP", pid))
  expect_identical(nodes_here(backend)$host, "h1")
  rig("exec", "h2", "kill", "-CONT", pid)
  expect_no_processes("h2")
  expect_identical(future_sapply(1:4, function(i) Sys.info()[["nodename"]]), rep("h1", 4))
  expect_identical(got, expected_of())
})

test_that("a host that loses its power costs no result", {
  backend <- local_pair()
  on.exit(rig("start-node", "h2"), add = TRUE)
  got <- map_with(rig_words("kill-node h2"))
  expect_identical(nodes_here(backend)$host, "h1")
  expect_identical(got, expected_of())
})

# A session of its own, in the middle of a long map on both hosts.
busy_session <- function(workers, ...) {
  helpers <- sprintf("setwd(%s); Sys.setenv(RIG_DIR = %s); for (f in c('helper-rig.R', 'helper-plan.R')) source(f)",
                     deparse1(getwd()), deparse1(Sys.getenv("RIG_DIR")))
  start_child(c(helpers, "library(testthat)", sprintf("plan(cluster, workers = %s, lost_after = 3, heartbeat = 0.5)",
                                                      workers),
                "backend <- plan('backend')", "fs <- lapply(1:4, function(i) future(Sys.sleep(600)))",
                "await_ready(backend, 2L)", "mark('ready')", "value(fs)"))
}

test_that("nothing is left on any host when the session is killed", {
  child <- busy_session("ssh_workers()")
  child_value(child, "ready")
  # The node, its template and two workers.
  expect_true(wait_until(function() all(lengths(lapply(rig_hosts(), processes_on)) >= 4L)))
  signal_child(child, 9L)
  expect_no_processes()
})

test_that("nothing is left on any host when the session is killed behind a cut link", {
  child <- busy_session("ssh_workers()")
  on.exit(for (host in rig_hosts()) rig("heal", host))
  child_value(child, "ready")
  for (host in rig_hosts()) rig("cut", host)
  signal_child(child, 9L)
  expect_no_processes()
})

test_that("nothing is left of Slurm's jobs when the session is killed", {
  child <- busy_session("slurm_workers(2, exclusive = TRUE)")
  child_value(child, "ready")
  signal_child(child, 9L)
  expect_no_processes()
  expect_true(wait_until(function() !length(command_output("squeue", "-h"))))
})
