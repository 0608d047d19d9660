# What workers cost the session and the machine.

# The slowdown of a compute loop in the session (on core 0) by a busy worker (on core 1): median over pairs, in percent.
slowdown <- function(pairs, start_busy, await) {
  loop <- function() {
    sum <- 0
    for (i in 1:3000000) sum <- sum + i
    sum
  }
  ratios <- vapply(seq_len(pairs), function(pair) {
    loop() # the session has just woken up
    alone <- elapsed(loop())
    busy <- start_busy()
    beside <- elapsed(loop())
    await(busy)
    beside / alone
  }, 0)
  100 * (stats::median(ratios) - 1)
}

pin <- function(pid, core) system(sprintf("taskset -a -p -c %d %d", core, pid), ignore.stdout = TRUE)

spin <- function(seconds) {
  end <- Sys.time() + seconds
  while (Sys.time() < end) NULL
}

slow_avenir <- function(pairs, slowdown, pin, spin) {
  library(avenir)
  plan(multisession, workers = I(1))
  pin(value(future(Sys.getpid())), 1)
  slowdown(pairs, function() future(spin(0.5)), value)
}

slow_cluster <- function(pairs, slowdown, pin, spin) {
  cluster <- parallel::makeCluster(1)
  pin(parallel::clusterCall(cluster, Sys.getpid)[[1L]], 1)
  parallel::clusterExport(cluster, "spin", environment())
  send <- function() parallel:::sendCall(cluster[[1L]], spin, list(0.5))
  slowdown(pairs, send, function(sent) parallel:::recvResult(cluster[[1L]]))
}

bench_row("session-loop", "a loop in the session, slowed by a worker on another core", function(at) {
  if (!has_command("taskset") || parallelly::availableCores() < 2L) return(NULL)
  pairs <- at$size(21, 3)
  measured <- function(fun) {
    reports(function() in_fresh_session(fun, pairs, slowdown, pin, spin, prefix = "taskset -c 0"))
  }
  list(avenir = measured(slow_avenir), makeCluster = measured(slow_cluster))
}, runs = 3, unit = "%", alone = TRUE, goals = list(goal("\u2264 3 %", function(m) m[["avenir"]] <= 3)))

# System calls of all threads but the session's own while nothing is to be done.
bench_row("idle-calls", "system calls of the I/O thread, idle", function(at) {
  if (!has_command("strace")) return(NULL)
  seconds <- at$size(5, 1)
  list(avenir = reports(function() in_fresh_session(count_idle_calls, seconds)))
}, runs = 3, unit = "calls", alone = TRUE, goals = list(goal("0", function(m) m[["avenir"]] == 0)))

count_idle_calls <- function(seconds) {
  library(avenir)
  plan(multisession, workers = I(2))
  future_lapply(1:100, function(i) i)
  value(future(1))
  own <- Sys.getpid()
  threads <- setdiff(as.integer(list.files("/proc/self/task")), own)
  Sys.sleep(0.5)
  traces <- tempfile("trace-")
  status <- system(sprintf("timeout %d strace -o %s %s 2>&1", seconds, traces, paste("-p", threads, collapse = " ")),
                   ignore.stdout = TRUE)
  if (!file.exists(traces)) stop("strace cannot look at this session")
  lines <- readLines(traces)
  # strace shows the call that a thread is in when it comes, and its own detaching.
  sum(!grepl("<detached|resumed|<unfinished|\\+\\+\\+|---", lines))
}

# ---- memory --------------------------------------------------------------------------------------------------------

# `pids`: workers of peers do not all stay children of this session.
mb_per_worker <- function(workers, pids = integer()) shared_mb(union(descendants(), pids)) / workers

worker_mb_avenir <- function(workers, mb_per_worker) {
  library(avenir)
  plan(multisession, workers = I(workers))
  future_lapply(1:1000, function(i) i)
  mb_per_worker(workers)
}

worker_mb_cluster <- function(workers, mb_per_worker) {
  cluster <- parallel::makeCluster(workers)
  parallel::parLapply(cluster, 1:1000, function(i) i)
  mb_per_worker(workers, unlist(parallel::clusterCall(cluster, Sys.getpid)))
}

worker_mb_future <- function(workers, mb_per_worker) {
  future::plan(future::multisession, workers = workers)
  future.apply::future_lapply(1:1000, function(i) i)
  mb_per_worker(workers, unlist(future::value(lapply(seq_len(workers), function(i) {
    future::future({
      Sys.sleep(0.2)
      Sys.getpid()
    })
  }))))
}

worker_mb_mirai <- function(workers, mb_per_worker) {
  mirai::daemons(workers)
  mirai::mirai_map(1:1000, function(i) i)[]
  mb_per_worker(workers, unlist(mirai::everywhere(Sys.getpid())[]))
}

bench_row("memory-worker", "memory (PSS) of all processes beside the session / workers", function(at) {
  if (!file.exists("/proc/self/smaps_rollup")) return(NULL)
  measured <- function(fun) reports(function() in_fresh_session(fun, at$workers, mb_per_worker))
  list(avenir = measured(worker_mb_avenir), makeCluster = measured(worker_mb_cluster),
       future = if_has("future.apply", measured(worker_mb_future)),
       mirai = if_has("mirai", measured(worker_mb_mirai)))
}, runs = 3, unit = "MB", alone = TRUE)

# How much the session grows at most over a map, in MB.
growth <- function(map) {
  gc()
  before <- proc_mb("/proc/self/status", "VmRSS")
  writeLines("5", "/proc/self/clear_refs") # the peak starts here
  map()
  proc_mb("/proc/self/status", "VmHWM") - before
}

grow_avenir <- function(n, growth) {
  library(avenir)
  plan(multisession, workers = I(2))
  future_lapply(1:100, function(i) i)
  growth(function() future_lapply(seq_len(n), function(i) i))
}

grow_mclapply <- function(n, growth) growth(function() parallel::mclapply(seq_len(n), function(i) i, mc.cores = 2))

grow_cluster <- function(n, growth) {
  cluster <- parallel::makeCluster(2)
  growth(function() parallel::parLapply(cluster, seq_len(n), function(i) i))
}

grow_serial <- function(n, growth) growth(function() lapply(seq_len(n), function(i) i))

bench_row("memory-1m", "the session's growth by 1,000,000 elements", function(at) {
  if (!file.exists("/proc/self/clear_refs")) return(NULL)
  n <- at$size(1e6, 1e4)
  measured <- function(fun) reports(function() in_fresh_session(fun, n, growth))
  list(avenir = measured(grow_avenir), mclapply = measured(grow_mclapply), parLapply = measured(grow_cluster),
       .serial = measured(grow_serial))
}, runs = 3, unit = "MB", alone = TRUE, floor = function(m) m[[".serial"]], floor_is = "serial lapply's growth")
