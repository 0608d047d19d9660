# What the sessions of the long gates share: each runs in a folder, its first argument (see support.R).

folder <- commandArgs(TRUE)[1L]

leave <- function(name, value = TRUE) {
  part <- file.path(folder, paste0("part-", name))
  saveRDS(value, part)
  file.rename(part, file.path(folder, name))
}

wait_for_word <- function(word) while (!file.exists(file.path(folder, word))) Sys.sleep(0.02)

# ---- Work whose results are known ----

draw <- function(i) c(i, stats::runif(1))
large <- as.numeric(seq_len(3e5))
double_of_part <- function(i) large[seq(i, length(large), by = 2)] * 2

# Nothing is printed: R's own output takes EINTR for an error, which what it is written to never gives.
work <- function() {
  list(single = value(future(6 * 7)),
       drawn = future_lapply(1:40, draw, future.seed = 7),
       shared = future_lapply(1:2, double_of_part))
}

# In which functions an error was, for those who look for its cause.
where <- NULL
note_calls <- function(e) {
  where <<- vapply(utils::tail(sys.calls(), 12L), function(call) deparse(call[[1L]], nlines = 1L)[1L], "")
}

# `start()` sets a plan.
outcome <- function(name, start, expected, work = get("work", globalenv())) {
  where <<- NULL
  got <- tryCatch(withCallingHandlers({
    start()
    work()
  }, error = note_calls), error = identity)
  list(plan = name, right = identical(got, expected), error = if (inherits(got, "error")) got, where = where)
}

# ---- Plans, by name ----

# Lasts as long as they do: when they have ended nobody is waited for.
own_jobs <- "for i in 1 2; do PBS_ARRAY_INDEX=$i setsid {command} </dev/null & done; wait"

start_cluster <- function() {
  options(avenir.cluster.address = "127.0.0.1", avenir.cluster.folder = file.path(folder, "tickets"))
  plan(cluster, workers = workers_command(start = own_jobs, n = 2), queue_timeout = 30)
}

plan_starts <- list(
  sequential = function() plan(sequential),
  multisession = function() plan(multisession, workers = I(2)),
  multicore = function() plan(multicore, workers = I(2)),
  cluster = start_cluster,
  nested = function() plan(list(tweak(multisession, workers = I(2)), tweak(multisession, workers = I(2))))
)
