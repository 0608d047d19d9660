# Maps in which something happens.

# A map in whose middle `fault`, a shell command, happens in another process: after the 20th element has begun, and
# before any of the second half has ended.
map_with <- function(fault, n = 200) {
  mark <- tempfile("mark-", Sys.getenv("RIG_DIR"))  # where all hosts see it
  begun <- paste0(mark, "-begun")
  happened <- paste0(mark, "-happened")
  on.exit(unlink(c(begun, happened)))
  shell <- sprintf("until [ -e %s ]; do sleep 0.02; done; %s; touch %s", begun, fault, happened)
  system2("sh", c("-c", shQuote(shell)), wait = FALSE, stdout = FALSE, stderr = FALSE)
  task <- function(i) {
    if (i == 20L) file.create(begun)
    deadline <- Sys.time() + 60
    while (i > n / 2 && !file.exists(happened) && Sys.time() < deadline) Sys.sleep(0.01)
    Sys.sleep(0.02)
    list(i, stats::runif(1))
  }
  future_lapply(seq_len(n), task, future.seed = 9)
}

expected_of <- function(n = 200) {
  plan(sequential)
  future_lapply(seq_len(n), function(i) list(i, stats::runif(1)), future.seed = 9)
}

rig_words <- function(...) paste("sh", shQuote(rig_script), ...)

# The processes of `count` workers that have each done some elements of one map; who comes first waits for the others.
workers_that_meet <- function(count) {
  present <- tempfile("present-", Sys.getenv("RIG_DIR"))  # where all hosts see it
  dir.create(present)
  on.exit(unlink(present, recursive = TRUE))
  task <- function(i, deadline) {
    me <- paste0(Sys.info()[["nodename"]], "-", Sys.getpid())
    file.create(file.path(present, me))
    while (length(dir(present)) < count && Sys.time() < deadline) Sys.sleep(0.01)
    me
  }
  unique(future_sapply(seq_len(4L * count), task, deadline = Sys.time() + 60, future.chunk.size = 1))
}
