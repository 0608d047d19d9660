# Workers behind encrypted connections, in sessions of their own (in_fresh_session()).

here <- "127.0.0.1"

rscript_path <- function() file.path(R.home("bin"), "Rscript")

# Sets plan(cluster) with nodes on this machine, which come over its loopback as others would, each with one worker.
# Returns when all are there.
use_remote <- function(n) {
  options(avenir.cluster.address = here, avenir.cluster.folder = file.path(tempfile("shared-"), "tickets"))
  start <- paste(c(sprintf("SGE_TASK_ID=%d {command} &", seq_len(n)), "wait"), collapse = " ")
  avenir::plan(avenir::cluster, workers = avenir::workers_command(start, n = n))
  await_all(function() sum(avenir::plan_workers()$state == "idle") >= n)
}

await_all <- function(ready) {
  deadline <- Sys.time() + 60
  while (!ready()) {
    if (Sys.time() > deadline) stop("the workers did not come")
    Sys.sleep(0.01)
  }
}

# ---- seconds of a thing --------------------------------------------------------------------------------------------

# One value(future(x)), of so many.
seconds_of_values <- function(n) {
  for (i in seq_len(20)) avenir::value(avenir::future(i))
  elapsed(for (i in seq_len(n)) avenir::value(avenir::future(i))) / n
}

remote_values <- function(n) {
  use_remote(1L)
  seconds_of_values(n)
}

local_values <- function(n) {
  avenir::plan(avenir::multisession, workers = I(1L))
  seconds_of_values(n)
}

# A vector that its machine has not got yet, from the call to the answer of a worker that has read all of it.
remote_argument <- function(megabytes) {
  use_remote(1L)
  x <- stats::runif(megabytes * 2^17)
  avenir::value(avenir::future(1))
  expected <- sum(x)
  seconds <- elapsed(got <- avenir::value(avenir::future(sum(x))))
  stopifnot(identical(got, expected))
  seconds
}

remote_tasks <- function(n, workers) {
  use_remote(workers)
  map <- function(x) avenir::future_lapply(x, function(i) i, future.chunk.size = 1)
  map(1:50)
  elapsed(stopifnot(identical(map(seq_len(n)), as.list(seq_len(n)))))
}

mirai_tasks <- function(n, workers) {
  mirai::daemons(workers, url = paste0("tls+tcp://", here, ":0"))
  mirai::launch_local(workers)
  await_all(function() mirai::status()$connections >= workers)
  map <- function(x) mirai::mirai_map(x, function(i) i)[]
  map(1:50)
  seconds <- elapsed(stopifnot(identical(unname(map(seq_len(n))), as.list(seq_len(n)))))
  mirai::daemons(0)
  seconds
}

psock_tasks <- function(n, workers) {
  cluster <- parallel::makePSOCKcluster(workers)
  map <- function(x) parallel::parLapplyLB(cluster, x, function(i) i, chunk.size = 1)
  map(1:50)
  seconds <- elapsed(stopifnot(identical(map(seq_len(n)), as.list(seq_len(n)))))
  parallel::stopCluster(cluster)
  seconds
}

# In an allocation of Slurm: until the first result of its workers.
join_slurm <- function() {
  loadNamespace("avenir")
  seconds <- elapsed({
    avenir::plan(avenir::cluster, workers = avenir::workers_slurm())
    avenir::value(avenir::future(1))
  })
  avenir::plan(avenir::sequential)
  seconds
}

# Until R has ended on all nodes.
run_r_by_srun <- function(nodes) {
  size <- sprintf(c("--nodes=%d", "--ntasks=%d"), nodes)
  words <- c("--overlap", size, "--mem=0", rscript_path(), "-e", "1")
  elapsed(stopifnot(system2("srun", words, stdout = FALSE) == 0L))
}
