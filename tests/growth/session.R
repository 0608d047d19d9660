# The session of ../growth/growth.R: PLAN ROUNDS FILE. Notes in FILE what it held after the first quarter and at the end.

arguments <- commandArgs(TRUE)
rounds <- as.integer(arguments[2L])
suppressPackageStartupMessages(library(avenir))

# ---- What is held ----

read_proc <- function(pid, file) readLines(file.path("/proc", pid, file), warn = FALSE)

# Without the listing's own descriptor.
links_of <- function(pid) {
  folder <- file.path("/proc", pid, "fd")
  links <- suppressWarnings(Sys.readlink(file.path(folder, list.files(folder))))
  links[nzchar(links) & !grepl("^/proc/", links)]
}

resident_of <- function(pid) as.numeric(strsplit(read_proc(pid, "statm"), " ")[[1L]][2L]) * 4096

# This session's, itself and what started it apart: they have its mark. Looked for by grep, as reading what all the
# machine's processes have would take memory of the session's own.
processes <- function() {
  mark <- paste0("AVENIR_GROWTH=", Sys.getenv("AVENIR_GROWTH"))
  command <- sprintf("grep -slzxF %s /proc/[0-9]*/environ", shQuote(mark))
  files <- suppressWarnings(system(command, intern = TRUE))
  pids <- as.integer(basename(dirname(files)))
  Filter(function(pid) dir.exists(file.path("/proc", pid)), setdiff(pids, c(Sys.getpid(), parents())))
}

# timeout and what started it.
parents <- function(pid = Sys.getpid()) {
  if (pid <= 1L) return(integer())
  above <- as.integer(sub("^.*[)] [A-Z] ([0-9]+) .*$", "\\1", read_proc(pid, "stat")))
  c(above, parents(above))
}

# The largest of the workers.
worker_bytes <- function(pids) if (length(pids)) max(vapply(pids, resident_of, 0)) else 0

# Or what they hold hangs on when they last did. Each of the two has one of the tasks: they overlap.
collect_on_workers <- function(name) {
  if (name %in% c("multisession", "cluster")) future_lapply(1:2, function(i) {
    for (time in 1:3) gc()
    Sys.sleep(1)
  }, future.chunk.size = 1)
}

# Of a worker while the plan is there; the rest once it has been left.
held <- function(name) {
  settle()
  collect_on_workers(name)
  worker <- worker_bytes(processes())
  plan(sequential)
  settle()
  for (i in 1:3) gc()
  links <- links_of("self")
  now <- c("bytes of the session" = resident_of("self"), "bytes of a worker" = worker, "descriptors" = length(links),
           "segments" = sum(grepl("memfd:", links)) + length(list.files("/dev/shm", "avenir")),
           "processes" = length(processes()), "threads" = length(list.files("/proc/self/task")),
           "files" = length(list.files(tempdir(), all.files = TRUE, recursive = TRUE)))
  if (name %in% names(starts)) starts[[name]]()
  now
}

# Until the same processes are there for a second: forks of cancelled futures end in their own time.
settle <- function() {
  seen <- processes()
  for (i in 1:30) {
    Sys.sleep(1)
    now <- processes()
    if (setequal(now, seen)) return(invisible())
    seen <- now
  }
}

# ---- Rounds ----

state <- rng_streams(1, seed = 1)[[1L]]
large <- as.numeric(seq_len(2e5))
known <- function(i) i + 1

stays <- function(expected, got) if (!identical(expected, got)) stop("not the numbers of serial R")
fails <- function(expr) {
  if (!inherits(suppressWarnings(tryCatch(expr, error = identity)), "error")) stop("no error")
}

# Whether a task may take long: not where it is evaluated at once.
may_stay <- arguments[1L] != "sequential"

# 200 futures: values, output and conditions, streams, packages, errors and cancelled ones.
futures_of_a_round <- function(k) {
  for (i in seq_len(140)) stays(i + k + 1, value(future(known(i) + k)))
  several <- lapply(seq_len(20), function(i) future(rnorm(3), seed = TRUE))
  stays(rep(3L, 20L), lengths(value(several)))
  utils::capture.output(for (i in 1:10) suppressWarnings(suppressMessages(value(future({
    print(i)
    message("m", i)
    warning("w", i)
  })))))
  for (i in 1:10) fails(value(future(stop("of the task"))))
  for (i in 1:10) {
    f <- future(if (may_stay) Sys.sleep(60) else stop("in the session"))
    cancel(f)
    fails(value(f))
  }
  for (i in 1:10) future(i)  # nobody asks for it
}

# 20 maps.
maps_of_a_round <- function(k) {
  for (i in 1:5) stays(as.list(1:50 + 1), future_lapply(1:50, known))
  for (i in 1:3) future_lapply(1:20, function(j) rnorm(2), future.seed = i)
  for (i in 1:3) stays(1:30 * 2, future_map_dbl(1:30, function(x) x * 2))
  for (i in 1:2) stays(c(2, 4), future_sapply(1:2, function(j) sum(large[j]) * 2))
  for (i in 1:2) stays(large * 2, future_lapply(1:2, function(j) large * j)[[2L]])
  for (i in 1:2) stays(3:12, future_mapply(function(a, b) a + b, 1:10, 2L))
  for (i in 1:3) fails(future_lapply(1:20, function(j) if (j == 7) stop("of an element") else j))
}

calls_on_threads <- function(k) {
  x <- large + k
  for (i in 1:20) {
    stays(sum(x), thread_sum(x))
    thread_sort(rev(x))
    thread_order(x)
    thread_table(as.integer(x) %% 7L)
    thread_rnorm(1e5, state)
    threaded(sum(exp(x / 1e6)))
    fails(threaded(x + nobody))
    with_cpu_threads(1, thread_mean(x))
  }
}

calls_on_arrays <- function(k) {
  for (i in 1:20) {
    a <- gpu_matrix(large[1:10000] + k, 100, device = "cpu")
    stays(large[1:10000] + k, as.vector(a))
    as.matrix(crossprod(a / 1e5))
    as.matrix(solve(crossprod(a) + diag(100) * 1e12))
    sum(exp(a / 1e6) + 1)
    a[1:3, 2] <- 0
    as.vector(gpu_runif(1000, state, device = "cpu"))
    fails(a %*% gpu_vector(1:7, device = "cpu"))
  }
}

# ---- Plans ----

starts <- list(
  sequential = function() plan(sequential),
  multisession = function() plan(multisession, workers = I(2)),
  multicore = function() plan(multicore, workers = I(2)),
  cluster = function() plan(cluster, workers = 2, interrupts = TRUE)
)

# Every quarter in a plan that is set anew, so that the workers compared have done as much.
round_under_plan <- function(name) function(k) {
  if (k %% max(1L, rounds %/% 4L) == 1L) {
    plan(sequential)
    starts[[name]]()
  }
  futures_of_a_round(k)
  maps_of_a_round(k)
}

main <- function(name) {
  options(avenir.threads = 2)
  one_round <- switch(name, threads = calls_on_threads, arrays = calls_on_arrays, {
    starts[[name]]()
    round_under_plan(name)
  })
  held(name)  # takes memory of its own the first time
  started <- proc.time()[["elapsed"]]
  first <- rounds %/% 4L
  for (k in seq_len(rounds)) {
    one_round(k)
    gc()  # or R's own heap grows and shrinks by more than is looked for
    if (k == first) before <- held(name)
  }
  saveRDS(list(before = before, after = held(name), seconds = proc.time()[["elapsed"]] - started), arguments[3L])
}

main(arguments[1L])
