# System calls that fail, one kind after the other, in a session and in all of its processes: interrupted (EINTR), or
# without a resource (descriptors, memory, space). Each plan must give the right results or a classed error, in time,
# and leave no process.
#
#   Rscript failures.R [--only=REGEX]
#
# Needs strace and the right to trace one's own processes. Prints Markdown; status 1 when anything is not as it must be.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "support.R"))
only <- argument("only")
seconds <- 90

# Not of `futex`, whose calls that wake are never interrupted. `when`: as strace has it, "3+2" being the third such call
# of a thread and every second one after it.
cases <- function() {
  interrupted <- c("read", "write", "recvmsg", "sendmsg", "ppoll", "poll", "epoll_wait", "epoll_pwait",
                   "pread64", "pwrite64", "waitid", "wait4", "openat", "ftruncate", "close", "clock_nanosleep",
                   "getrandom")
  lacking <- list(EMFILE = c("memfd_create", "socketpair", "eventfd2", "epoll_create1", "pidfd_open", "openat", "pipe2",
                             "dup", "dup2", "dup3", "fcntl"),
                  ENOMEM = c("mmap", "mprotect", "recvmsg", "sendmsg"), EAGAIN = c("clone", "clone3", "fork"),
                  ENOSPC = c("pwrite64", "ftruncate", "fallocate"), ENOBUFS = "sendmsg", EPERM = "fcntl")
  rbind(expand.grid(call = interrupted, error = "EINTR", when = c("1+2", "2+3"), stringsAsFactors = FALSE),
        do.call(rbind, lapply(names(lacking), function(error) {
          expand.grid(call = lacking[[error]], error = error, when = c("1", "3", "2+5", "1+"), stringsAsFactors = FALSE)
        })))
}

run_case <- function(injection) {
  case <- start_case(file.path(here, "session.R"))
  on.exit(end_case(case))
  if (!await_ready(case)) return(list(ended = "did not start", said = said(case)))
  trace <- file.path(case$folder, "trace")
  tracer <- sprintf("strace -f -qqq -o %s -e trace=%s -e inject=%s:error=%s:when=%s %s", trace, injection$call,
                    injection$call, injection$error, injection$when,
                    paste("-p", processes_of(case$mark), collapse = " "))
  system(sprintf("%s >%s.strace 2>&1 </dev/null &", tracer, case$output))
  if (!wait_for(function() tracer_of(case$pid) > 0L, 20)) {
    return(list(ended = "not traced", said = readLines(paste0(case$output, ".strace"))))
  }
  say(case, "go")
  has_ended <- function() !is_alive(case$pid)
  done <- wait_for(function() has_ended() || has_word(case, "done"), seconds)
  if (tracer_of(case$pid) > 0L) tools::pskill(tracer_of(case$pid), tools::SIGTERM)
  say(case, "leave")
  done <- done && wait_for(has_ended, 20)
  ended <- has_word(case, "outcomes")
  list(ended = if (!done) "hangs" else if (ended) "ended" else "died", plans = if (ended) get_word(case, "outcomes"),
       injected = sum(grepl("INJECTED", readLines(trace, warn = FALSE), fixed = TRUE)), said = said(case),
       left = if (done && !none_left(case$mark, 10)) processes_of(case$mark))
}

is_good <- function(result) {
  result$ended == "ended" && !length(result$left) && !is_bad(vapply(result$plans, outcome_in_words, ""))
}

row_of <- function(case, result) {
  cells <- if (result$ended == "ended") vapply(result$plans, outcome_in_words, "") else
    c(paste0("**", result$ended, "** ", paste(utils::tail(result$said, 2L), collapse = " ")), "", "")
  if (length(result$left)) cells[3L] <- paste0(cells[3L], "; **", length(result$left), " processes left**")
  table_row(c(case$call, case$error, case$when, c(result$injected, 0L)[1L], cells))
}

all_cases <- cases()
chosen <- all_cases[grepl(only, paste(all_cases$call, all_cases$error, all_cases$when)), ]
table_head(c("call", "error", "when", "times", "multisession", "multicore", "multisession, started anew"))
good <- TRUE
for (i in seq_len(nrow(chosen))) {
  result <- run_case(chosen[i, ])
  good <- good && is_good(result)
  row_of(chosen[i, ], result)
}
if (!good) quit(status = 1L)
