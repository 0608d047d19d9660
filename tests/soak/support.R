# What the long gates share that start a session and look at it from outside (../failures, ../users, ../attacks). Their
# sessions take session.R. Who sources this has `here`, the folder of the gate's scripts.
#
# A case is one session with all processes that come of it: a mark in their environment tells them. The session leaves
# what it has to say as files in the case's folder.

# The value of --name=VALUE among the arguments, or `default`.
argument <- function(name, default = "") {
  given <- grep(sprintf("^--%s=", name), commandArgs(TRUE), value = TRUE)
  if (length(given)) sub("^[^=]*=", "", given[1L]) else default
}

rscript <- file.path(R.home("bin"), "Rscript")

# ---- Waiting and processes: as the fault table does ----

rig <- new.env()
sys.source(file.path(here, "..", "..", "inst", "bench", "faults", "rig.R"), rig)

seconds_now <- rig$seconds_now
wait_for <- rig$within_time
is_alive <- rig$is_alive
parent_of <- rig$parent_of
read_proc <- function(pid, file) rig$text_of(rig$read_proc(pid, file))

all_pids <- function() as.integer(grep("^[0-9]+$", list.files("/proc"), value = TRUE))

# "R", "S", "T", "Z", ... or "" of one that is gone.
state_of <- function(pid) {
  stat <- read_proc(pid, "stat")
  if (nzchar(stat)) sub("^.*[)] ([^ ]*).*$", "\\1", stat) else ""
}

# Living processes that have `mark` in their environment, this one apart.
processes_of <- function(mark) {
  has_mark <- function(pid) grepl(mark, read_proc(pid, "environ"), fixed = TRUE, useBytes = TRUE)
  Filter(function(pid) pid != Sys.getpid() && has_mark(pid) && is_alive(pid), all_pids())
}

none_left <- function(mark, seconds) wait_for(function() !length(processes_of(mark)), seconds)

# 0 without one.
tracer_of <- function(pid) {
  lines <- strsplit(read_proc(pid, "status"), "\n", fixed = TRUE)[[1L]]
  tracer <- sub("^TracerPid:\t", "", grep("^TracerPid:", lines, value = TRUE))
  if (length(tracer)) as.integer(tracer) else 0L
}

# ---- A case ----

# Starts `script` with the case's folder as its first argument. `wrap`: function(command) of the shell's command.
start_case <- function(script, arguments = character(), variables = character(), wrap = identity) {
  folder <- tempfile("case-")
  dir.create(folder)
  mark <- paste0("AVENIR_CASE=", basename(folder))
  case <- list2env(list(folder = folder, mark = mark, output = file.path(folder, "output")))
  words <- c(rscript, "--vanilla", script, folder, arguments)
  set <- c(mark, "R_TESTS=", sprintf("%s=%s", names(variables), variables))
  # What a shell starts in the background ignores these signals.
  command <- wrap(paste(c("env --default-signal=INT,QUIT", shQuote(c(set, words))), collapse = " "))
  system(sprintf("%s setsid sh -c %s >%s 2>&1 </dev/null &", mark, shQuote(paste("exec", command)), case$output))
  case
}

# The session's number, once it has said "ready".
await_ready <- function(case, seconds = 60) {
  ready <- wait_for(function() has_word(case, "ready") || has_halted(case), seconds) && has_word(case, "ready")
  if (ready) case$pid <- get_word(case, "ready")
  ready
}

has_word <- function(case, word) file.exists(file.path(case$folder, word))

get_word <- function(case, word) readRDS(file.path(case$folder, word))

say <- function(case, word) invisible(file.create(file.path(case$folder, word)))

said <- function(case) if (file.exists(case$output)) readLines(case$output, warn = FALSE) else character()

has_halted <- function(case) any(grepl("^Execution halted|^Killed|cannot |command not found", said(case)))

end_case <- function(case) {
  wait_for(function() {
    tools::pskill(processes_of(case$mark), tools::SIGKILL)
    !length(processes_of(case$mark))
  }, 10)
  unlink(case$folder, recursive = TRUE)
}

# ---- What came of it ----

# Of one of our own classes.
is_classed <- function(error) inherits(error, c("avenir_error", "FutureError"))

# `outcome`: see outcome() in session.R. What must not be is set in bold type.
outcome_in_words <- function(outcome) {
  error <- outcome$error
  if (is.null(error)) return(if (isTRUE(outcome$right)) "right" else "**wrong**")
  text <- paste0(class(error)[1L], ": ", substr(gsub("[[:space:]|]+", " ", conditionMessage(error)), 1L, 110L))
  if (is_classed(error)) text else paste0("**", text, "** in ", paste(outcome$where, collapse = " "))
}

is_bad <- function(words) any(grepl("**", words, fixed = TRUE))

table_row <- function(cells) cat("|", paste(gsub("|", "/", cells, fixed = TRUE), collapse = " | "), "|\n")

table_head <- function(names) {
  cat("|", paste(names, collapse = " | "), "|\n")
  cat(strrep("|---", length(names)), "|\n", sep = "")
}

# ---- Sessions under several plans (../failures/plans.R) ----

# list(ended = "ended", "hangs" or "died", outcomes, left = pids that stay, said). `during(case)`: what befalls it.
observe_plans <- function(script, plans, seconds, variables = character(), wrap = identity, during = NULL) {
  case <- start_case(script, c(paste(plans, collapse = ","), if (!is.null(during)) "wait"), variables, wrap)
  on.exit(end_case(case))
  if (!await_ready(case)) return(list(ended = "did not start", said = said(case)))
  if (!is.null(during)) say(case, "go")
  if (!is.null(during)) during(case)
  over <- wait_for(function() has_word(case, "done") || !is_alive(case$pid), seconds)
  over <- over && wait_for(function() !is_alive(case$pid), 20)
  outcomes <- lapply(sprintf("outcome-%s", plans), function(word) if (has_word(case, word)) get_word(case, word))
  ended <- if (!over) "hangs" else if (has_word(case, "done")) "ended" else "died"
  left <- if (over && !none_left(case$mark, 10)) processes_of(case$mark)
  list(ended = ended, outcomes = Filter(Negate(is.null), outcomes), left = left, said = said(case))
}

plans_in_words <- function(seen) {
  words <- vapply(seen$outcomes, outcome_in_words, "")
  if (seen$ended != "ended") {
    words <- c(words, paste0("**", seen$ended, "** ", paste(utils::tail(seen$said, 2L), collapse = " ")))
  }
  paste(unique(words), collapse = "; ")
}

# A library for LD_PRELOAD, of one file of C.
build_preload <- function(source) {
  library <- tempfile(sub("[.]c$", "", basename(source)), fileext = ".so")
  status <- system2("cc", c("-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"))
  if (status != 0L) stop("cc cannot build ", source, call. = FALSE)
  library
}
