# A session that works under each of some plans in turn, and says what came of it. Run by the gates of this folder;
# arguments: the case's folder, the plans, perhaps "wait": for the word "go" before it begins.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "session.R"))
suppressPackageStartupMessages(library(avenir))
options(avenir.start.timeout = as.numeric(Sys.getenv("AVENIR_CASE_TIMEOUT", "60")))

megabytes <- 3

# Values of all ways that they travel: in frames, in files of their own, in segments, in pieces; with what is relayed.
all_work <- function() {
  lines <- character()
  note <- function(c) {
    lines <<- c(lines, conditionMessage(c))
    invokeRestart(if (inherits(c, "warning")) "muffleWarning" else "muffleMessage")
  }
  strings <- sprintf("string %d", seq_len(megabytes * 1e4))
  nested <- function(i) sum(future_sapply(1:3, function(j) i * j))
  chatty <- function(i) {
    message("message ", i)
    warning("warning ", i)
    i
  }
  failed <- function(i) if (i == 2L) stop("on purpose") else i
  withCallingHandlers({
    values <- c(work(), list(
      strings = future_lapply(1:2, function(i) rev(strings)),
      raw = value(future(as.raw(rep(1:250, megabytes * 4e3)))),
      list = value(future(lapply(1:500, function(i) list(i, letters, i * 1i)))),
      many = future_sapply(1:2000, function(i) i^2),
      nested = future_lapply(1:4, nested),
      chatty = future_lapply(1:4, chatty),
      error = tryCatch(future_lapply(1:4, failed), error = conditionMessage)
    ))
  }, message = note, warning = note)
  c(values, list(lines = sub("\n$", "", lines)))
}

names <- strsplit(commandArgs(TRUE)[2L], ",", fixed = TRUE)[[1L]]
plan_starts$sequential()
expected <- all_work()
leave("ready", Sys.getpid())
if ("wait" %in% commandArgs(TRUE)) wait_for_word("go")
for (name in names) leave(paste0("outcome-", name), outcome(name, plan_starts[[name]], expected, all_work))
plan(sequential)
leave("done")
