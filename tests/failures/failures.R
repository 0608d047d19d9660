# System calls that fail, one kind after the other, in a session and in all of its processes: interrupted (EINTR), or
# without a resource (descriptors, memory, space). Each plan must give the right results or a classed error, in time,
# and leave no process.
#
#   Rscript failures.R [--only=REGEX]
#
# Needs strace and the right to trace one's own processes. Prints Markdown; status 1 when anything is not as it must be.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
only <- c(sub("^--only=", "", grep("^--only=", commandArgs(TRUE), value = TRUE)), "")[1L]
rscript <- file.path(R.home("bin"), "Rscript")
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

wait_for <- function(condition, limit) {
  deadline <- proc.time()[["elapsed"]] + limit
  while (!isTRUE(condition())) {
    if (proc.time()[["elapsed"]] > deadline) return(FALSE)
    Sys.sleep(0.02)
  }
  TRUE
}

# Processes that have this case's mark in their environment.
processes_of <- function(mark) {
  pids <- grep("^[0-9]+$", list.files("/proc"), value = TRUE)
  has_mark <- function(pid) {
    bytes <- tryCatch(suppressWarnings(readBin(file.path("/proc", pid, "environ"), raw(), 1e5)),
                      error = function(e) raw())
    any(grepl(mark, rawToChar(bytes[bytes != 0]), fixed = TRUE, useBytes = TRUE))
  }
  setdiff(Filter(has_mark, pids), as.character(Sys.getpid()))
}

state_of <- function(pid) {
  line <- tryCatch(suppressWarnings(readLines(file.path("/proc", pid, "stat"))), error = function(e) "x) gone")
  sub("^.*[)] ([^ ]*).*$", "\\1", line[1L])
}
living <- function(pids) Filter(function(pid) !state_of(pid) %in% c("Z", "gone"), pids)

# 0 without one.
tracer_of <- function(pid) {
  lines <- tryCatch(suppressWarnings(readLines(sprintf("/proc/%d/status", pid))), error = function(e) "TracerPid:\t0")
  as.integer(sub("^TracerPid:\t", "", grep("^TracerPid:", lines, value = TRUE)))
}

run_case <- function(case) {
  folder <- tempfile("failures-")
  dir.create(folder)
  mark <- paste0("AVENIR_FAILURES=", basename(folder))
  on.exit({
    tools::pskill(as.integer(processes_of(mark)), tools::SIGKILL)
    unlink(folder, recursive = TRUE)
  })
  output <- file.path(folder, "output")
  system(sprintf("%s setsid %s --vanilla %s %s >%s 2>&1 </dev/null &", mark, rscript,
                 file.path(here, "session.R"), folder, output))
  if (!wait_for(function() file.exists(file.path(folder, "ready")), 60)) return(list(ended = "did not start"))
  pid <- readRDS(file.path(folder, "ready"))
  tracer <- sprintf("strace -f -qqq -o %s -e trace=%s -e inject=%s:error=%s:when=%s %s",
                    file.path(folder, "trace"), case$call, case$call, case$error, case$when,
                    paste("-p", processes_of(mark), collapse = " "))
  system(sprintf("%s >%s.strace 2>&1 </dev/null &", tracer, output))
  if (!wait_for(function() tracer_of(pid) > 0L, 20)) return(list(ended = "not traced", said = readLines(paste0(output, ".strace"))))
  file.create(file.path(folder, "go"))
  has_ended <- function() !length(living(pid))
  done <- wait_for(function() has_ended() || file.exists(file.path(folder, "done")), seconds)
  if (tracer_of(pid) > 0L) tools::pskill(tracer_of(pid), tools::SIGTERM)
  file.create(file.path(folder, "leave"))
  done <- done && wait_for(has_ended, 20)
  outcomes <- file.path(folder, "outcomes")
  injected <- sum(grepl("INJECTED", readLines(file.path(folder, "trace"), warn = FALSE), fixed = TRUE))
  list(ended = if (!done) "hangs" else if (file.exists(outcomes)) "ended" else "died",
       plans = if (file.exists(outcomes)) readRDS(outcomes), injected = injected, said = readLines(output, warn = FALSE),
       left = if (done && !wait_for(function() !length(living(processes_of(mark))), 10)) living(processes_of(mark)))
}

classed <- function(error) inherits(error, c("avenir_error", "FutureError"))

in_words <- function(plan) {
  error <- plan$error
  if (is.null(error)) return(if (plan$right) "right" else "**wrong**")
  text <- paste0(class(error)[1L], ": ", substr(gsub("[[:space:]|]+", " ", conditionMessage(error)), 1L, 110L))
  if (classed(error)) text else paste0("**", text, "** in ", paste(plan$where, collapse = " "))
}

is_good <- function(result) {
  result$ended == "ended" && !length(result$left) &&
    all(vapply(result$plans, function(plan) !grepl("**", in_words(plan), fixed = TRUE), NA))
}

row_of <- function(case, result) {
  cells <- if (result$ended == "ended") vapply(result$plans, in_words, "") else
    c(paste0("**", result$ended, "** ", paste(utils::tail(result$said, 2L), collapse = " ")), "", "")
  if (length(result$left)) cells[3L] <- paste0(cells[3L], "; **", length(result$left), " processes left**")
  sprintf("| %s | %s | %s | %d | %s |", case$call, case$error, case$when, c(result$injected, 0L)[1L],
          paste(cells, collapse = " | "))
}

all_cases <- cases()
chosen <- all_cases[grepl(only, paste(all_cases$call, all_cases$error, all_cases$when)), ]
cat("| call | error | when | times | multisession | multicore | multisession, started anew |\n|---|---|---|---|---|---|---|\n")
good <- TRUE
for (i in seq_len(nrow(chosen))) {
  result <- run_case(chosen[i, ])
  good <- good && is_good(result)
  cat(row_of(chosen[i, ], result), "\n")
}
if (!good) quit(status = 1L)
