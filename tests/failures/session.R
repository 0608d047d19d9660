# What the session does whose system calls fail: each plan in turn, compared with what serial R gives. Run by
# failures.R; argument: a folder, where it says that it is ready, waits for "go" and leaves what came of it.

folder <- commandArgs(TRUE)[1L]
suppressPackageStartupMessages(library(avenir))
options(avenir.start.timeout = 10)

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

outcome <- function(name, expected) {
  where <<- NULL
  got <- tryCatch(withCallingHandlers({
    plan(name, workers = I(2))
    work()
  }, error = note_calls), error = identity)
  list(plan = name, right = identical(got, expected), error = if (inherits(got, "error")) got, where = where)
}

leave <- function(name, value) {
  part <- file.path(folder, "part")
  saveRDS(value, part)
  file.rename(part, file.path(folder, name))
}

wait_for_word <- function(word) while (!file.exists(file.path(folder, word))) Sys.sleep(0.02)

expected <- work()
for (name in c("multicore", "multisession")) {
  plan(name, workers = I(2))
  stopifnot(identical(work(), expected))
}
leave("ready", Sys.getpid())
wait_for_word("go")
outcomes <- lapply(c("multisession", "multicore", "multisession"), outcome, expected)
# A folder: R cannot make files either, until nobody traces it.
while (!dir.create(file.path(folder, "done"), showWarnings = FALSE)) Sys.sleep(0.02)
wait_for_word("leave")
leave("outcomes", outcomes)
