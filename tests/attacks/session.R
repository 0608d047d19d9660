# The session under attack: plan(cluster) with two nodes on this machine, and one map after the other, each compared
# with what serial R gives. Run by attacks.R; argument: the folder where it leaves what it knows. It goes on until it is
# killed.

folder <- commandArgs(TRUE)[1L]
suppressPackageStartupMessages(library(avenir))
options(avenir.cluster.address = "127.0.0.1", avenir.cluster.folder = file.path(folder, "tickets"),
        avenir.start.timeout = 5)
Sys.umask("000")  # nothing of it may stand open all the same

task <- function(i) {
  Sys.sleep(0.005)
  c(i, stats::runif(1))
}
plan(sequential)
expected <- future_lapply(1:40, task, future.seed = 7)

own <- "for i in 1 2; do PBS_ARRAY_INDEX=$i setsid {command} >%s/own-$i-output 2>&1 </dev/null & done"
start <- sprintf(own, folder)
plan(cluster, workers = workers_command(start = start, n = 2), heartbeat = 0.5, lost_after = 3)
engine <- plan("backend")$engine

# For attackers: what a node runs, and a group of nodes that the plan has not started.
writeLines(avenir:::cpp_cluster_ticket(engine, "attack", 1000000L, "127.0.0.1"), file.path(folder, "ticket"))

writeLines(avenir:::node_expression, file.path(folder, "node-expression"))

leave_status <- function(...) {
  part <- file.path(folder, "part")
  saveRDS(list(...), part)
  file.rename(part, file.path(folder, "status"))
}

# In MB.
resident <- function() {
  invisible(gc(FALSE))
  line <- grep("^VmRSS", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

maps <- wrong <- 0L
errors <- character()
repeat {
  got <- tryCatch(future_lapply(1:40, task, future.seed = 7, future.retries = 5), error = function(e) {
    errors <<- c(errors, conditionMessage(e))
    NULL
  })
  maps <- maps + 1L
  if (!identical(got, expected)) wrong <- wrong + 1L
  leave_status(pid = Sys.getpid(), maps = maps, wrong = wrong, errors = errors, memory = resident(),
               descriptors = length(list.files("/proc/self/fd")), temp = tempdir(),
               nodes = avenir:::cpp_cluster_nodes(engine))
}
