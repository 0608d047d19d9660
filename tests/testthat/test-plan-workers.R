# What workers the plan has, more of them and fewer; workers beside a cluster object of parallel.

columns <- c("id", "node", "host", "pid", "state", "tasks", "memory")

test_that("this session is the only worker of plan(sequential)", {
  local_plan(sequential)
  workers <- plan_workers()
  expect_named(workers, columns)
  expect_identical(workers$id, "1")
  expect_identical(workers$pid, Sys.getpid())
  expect_identical(workers$host, Sys.info()[["nodename"]])
  expect_error(plan_grow(1), "multisession", class = "avenir_unsupported_error")
  expect_error(plan_shrink("1"), "multisession", class = "avenir_unsupported_error")
})

test_that("workers of this machine are listed with what they have done", {
  local_plan(multisession, workers = I(2))
  pids <- unlist(future_lapply(1:40, function(i) Sys.getpid()))
  workers <- plan_workers()
  expect_named(workers, columns)
  expect_true(all(is.na(workers$node)))
  expect_true(all(unique(pids) %in% workers$pid))
  expect_identical(sum(workers$tasks), 40)
  expect_false(anyDuplicated(workers$id) > 0L)
  skip_on_os("mac")
  expect_true(all(workers$memory[workers$pid %in% pids] > 1e6))
})

test_that("plan_grow() and plan_shrink() change the number, and lose nothing", {
  local_plan(multisession, workers = I(1))
  fs <- lapply(1:20, function(i) future(i))
  expect_identical(plan_grow(I(1)), 2L)
  expect_identical(nbrOfWorkers(), 2L)
  expect_identical(unlist(value(fs[1:10])), 1:10)
  expect_identical(plan_shrink(plan_workers()$id[1L]), 1L)
  expect_identical(nbrOfWorkers(), 1L)
  expect_identical(unlist(value(fs)), 1:20)
  expect_error(plan_shrink(plan_workers()$id), "one worker", class = "avenir_invalid_argument")
})

test_that("forks: more and fewer at a time", {
  skip_if_not(parallelly::supportsMulticore())
  local_plan(multicore, workers = I(1))
  expect_identical(nrow(plan_workers()), 0L)
  expect_identical(plan_grow(I(1)), 2L)
  f <- future(Sys.getpid())
  expect_true(value(f) != Sys.getpid())
  expect_identical(nbrOfWorkers(), 2L)
})

test_that("bad arguments are named", {
  local_plan(multisession, workers = I(1))
  for (n in list(0, -1, 1.5, NA, "1", 1:2, NULL)) expect_error(plan_grow(n), "`n`", class = "avenir_invalid_argument")
  for (ids in list("none", NA, character(), NULL, list())) {
    expect_error(plan_shrink(ids), "`ids`", class = "avenir_invalid_argument")
  }
  expect_error(plan_grow(1e5), "load", class = "avenir_invalid_argument")
})

# ---- Nodes on this machine ----

local_cluster_options <- function(frame = parent.frame()) {
  skip_if(nzchar(cpp_tls_missing()), "TLS is not there")
  local_options(avenir.cluster.address = "127.0.0.1", avenir.cluster.folder = tempfile("tickets-"), frame = frame)
}

# The plan's workers when there are `count`, and their nodes have said so.
await_workers <- function(count) {
  there <- function() {
    workers <- plan_workers()
    nrow(workers) == count && !anyNA(workers$pid) && all(workers$state != "leaving")
  }
  expect_true(wait_until(there, 60))
  plan_workers()
}

test_that("a cluster object of parallel shows where to start workers, and is free again", {
  local_cluster_options()
  cl <- parallel::makeCluster(2L)
  on.exit(parallel::stopCluster(cl))
  local_plan(cluster, workers = cl, heartbeat = 0.2)
  expect_identical(nbrOfWorkers(), 2L)
  pids <- unlist(parallel::clusterCall(cl, Sys.getpid))
  expect_false(any(unlist(future_lapply(1:20, function(i) Sys.getpid())) %in% c(pids, Sys.getpid())))
  workers <- await_workers(2L)
  expect_identical(length(unique(workers$node)), 1L)
  expect_identical(workers$host, rep(Sys.info()[["nodename"]], 2L))
  expect_identical(workers$id, paste0(workers$node, "/", sub(".*/", "", workers$id)))
  expect_identical(unlist(parallel::clusterCall(cl, function() length(dir(tempdir(), "^ticket-")))), c(0L, 0L))
  expect_error(plan_grow(1), "cannot become more", class = "avenir_unsupported_error")
  expect_error(plan_shrink(workers$id[1L]), "one worker", class = "avenir_invalid_argument")
  expect_output(print(plan("backend")$launcher), "2 on 1 host")
})

test_that("workers that leave end with their node, and their work is done", {
  local_cluster_options()
  local_plan(cluster, workers = workers_command("nohup {command} >/dev/null 2>&1 &", n = 1), heartbeat = 0.2)
  expect_identical(value(future(1 + 1)), 2)
  expect_identical(plan_grow(1), 2L)
  workers <- await_workers(2L)
  fs <- lapply(1:20, function(i) future(i))
  expect_identical(plan_shrink(workers$id[1L]), 1L)
  expect_identical(unlist(value(fs)), 1:20)
  expect_identical(await_workers(1L)$id, workers$id[2L])
})

test_that("a cluster object that cannot be used is an error that says why", {
  expect_error(plan(cluster, workers = structure(list(), class = "cluster")), "must have a node",
               class = "avenir_invalid_argument")
  expect_error(avenir:::assert_started("n1", list("avenir is not installed in /x")), "n1: avenir is not installed",
               class = "avenir_worker_start_error")
})

test_that("workers that were lost are replaced under the bounds, and those that join late take part", {
  local_cluster_options()
  local_plan(cluster, workers = workers_command("nohup {command} >/dev/null 2>&1 &", n = c(1, 2)), heartbeat = 0.2)
  expect_identical(nbrOfWorkers(), 1L)
  present <- tempfile("present-")
  dir.create(present)
  # Each worker waits until there are two.
  meet <- function(i, deadline) {
    file.create(file.path(present, Sys.getpid()))
    while (length(dir(present)) < 2L && Sys.time() < deadline) Sys.sleep(0.01)
    Sys.getpid()
  }
  pids <- unlist(future_lapply(1:8, meet, deadline = Sys.time() + 60, future.chunk.size = 1))
  expect_length(unique(pids), 2L)
  expect_identical(nbrOfWorkers(), 2L)

  victim <- plan_workers()$node[1L]
  nodes <- avenir:::cpp_cluster_nodes(plan("backend")$engine)
  kill <- function(i, pid) {
    if (i == 3L) tools::pskill(pid, tools::SIGKILL)
    i
  }
  expect_identical(future_lapply(1:200, kill, pid = nodes$pid[nodes$node == victim]), as.list(1:200))
  await_workers(1L)
  unlink(file.path(present, dir(present)))
  pids <- unlist(future_lapply(1:8, meet, deadline = Sys.time() + 60, future.chunk.size = 1))
  expect_length(unique(pids), 2L)
  expect_identical(nbrOfWorkers(), 2L)
  expect_identical(nrow(await_workers(2L)), 2L)
})

test_that("nbrOfWorkers() counts those of a strategy that is not in force", {
  expect_identical(nbrOfWorkers(sequential), 1L)
  expect_identical(nbrOfWorkers(tweak(multisession, workers = 3L)), 3L)
  expect_identical(nbrOfWorkers(multisession), as.integer(parallelly::availableCores()))
  expect_identical(nbrOfWorkers(tweak(cluster, workers = workers_command("{command} &", n = 2))), 2L)
  expect_identical(nbrOfWorkers(function(...) NULL), Inf)
  expect_identical(nbrOfWorkers(function(..., workers = 5L) NULL), 5L)
  expect_identical(nbrOfWorkers(function(..., workers = function() 4L) NULL), 4L)
  expect_identical(nbrOfWorkers(function(..., workers = c("a", "b")) NULL), 2L)
  expect_identical(nbrOfFreeWorkers(tweak(multisession, workers = 3L)), 3L)
})
