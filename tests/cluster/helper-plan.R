# plan(cluster) with nodes on the rig's hosts.

# A child session that can be killed, and looked at from outside.
source("../testthat/helper-child.R", local = TRUE)

ssh_workers <- function(hosts = rep(rig_hosts(), each = 2L), ..., command = rscript()) {
  workers_ssh(hosts, options = ssh_options(), rscript = command, ...)
}

# Its tickets lie where all hosts see them.
slurm_workers <- function(n = 2, mem = "500M", ...) {
  options(avenir.cluster.folder = file.path(Sys.getenv("RIG_DIR"), "tickets"))
  workers_slurm(n, mem = mem, ...)
}

# Sets plan(cluster) until the calling test ends; returns its backend.
local_cluster <- function(workers, ..., frame = parent.frame()) {
  old <- options(avenir.cluster.address = Sys.getenv("RIG_ADDRESS"))
  undo <- function() {
    plan(sequential)
    options(old)
  }
  do.call(base::on.exit, list(as.call(list(undo)), add = TRUE, after = FALSE), envir = frame)
  plan(cluster, workers = workers, ...)
  plan("backend")
}

nodes_here <- function(backend) {
  nodes <- avenir:::cpp_cluster_nodes(backend$engine)
  nodes[nodes$state == "ready", ]
}

await_ready <- function(backend, count) expect_true(wait_until(function() nrow(nodes_here(backend)) == count, 60))

# The processes of R on a host: the node, its template and the workers. Nothing else of R runs on one.
processes_on <- function(hosts = rig_hosts()) {
  unlist(lapply(hosts, function(host) grep("^[0-9]+$", rig("exec", host, "pgrep", "-x", "R"), value = TRUE)))
}

expect_no_processes <- function(hosts = rig_hosts()) {
  expect_true(wait_until(function() !length(processes_on(hosts)), 30))
}

# The error of `expr`. It has to come before what ends all waiting (`start_timeout`, 60 seconds) would have brought it.
prompt_error <- function(expr) {
  begin <- proc.time()[["elapsed"]]
  error <- tryCatch({
    expr
    NULL
  }, error = identity)
  expect_lt(proc.time()[["elapsed"]] - begin, 45)
  error
}

host_here <- function(i) {
  Sys.sleep(0.05)
  Sys.info()[["nodename"]]
}
