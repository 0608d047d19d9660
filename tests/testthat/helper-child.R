# Tests that could hang, that kill or that look at what is left of a session run in a child R with a deadline.

# Waits until `condition()` is TRUE; FALSE when it is not within `seconds`, or AVENIR_TEST_PATIENCE times as many, where
# all is slower (under a sanitizer).
wait_until <- function(condition, seconds = 30) {
  deadline <- proc.time()[["elapsed"]] + seconds * as.numeric(Sys.getenv("AVENIR_TEST_PATIENCE", "1"))
  while (!isTRUE(condition())) {
    if (proc.time()[["elapsed"]] > deadline) return(FALSE)
    Sys.sleep(0.01)
  }
  TRUE
}

# Starts an R session of its own (and process group of its own) that evaluates `code`, a string or several, with
# `environment` ("NAME=value"). There `mark(name)` tells the test how far it is, `mark(name, value)` with a value.
start_child <- function(code, environment = character()) {
  folder <- tempfile("child-")
  dir.create(folder)
  script <- c(
    sprintf(".libPaths(%s)", deparse1(.libPaths())),
    sprintf("mark <- function(name, value = NULL) {
      saveRDS(value, file.path(%1$s, 'part')); file.rename(file.path(%1$s, 'part'), file.path(%1$s, name))
    }", deparse(folder)),
    sprintf("folder <- %s", deparse(folder)), "mark('pid', Sys.getpid())",
    "suppressPackageStartupMessages(library(avenir))", code, "mark('end')"
  )
  writeLines(script, file.path(folder, "script.R"))
  command <- sprintf("exec setsid env %s %s %s --vanilla %s > %s 2>&1 < /dev/null", taking_interrupts(),
                     paste(shQuote(environment), collapse = " "), file.path(R.home("bin"), "Rscript"),
                     file.path(folder, "script.R"), file.path(folder, "output"))
  system(command, wait = FALSE)
  list(folder = folder, pid = child_value(list(folder = folder), "pid"))
}

# The shell has what it starts in the background ignore Ctrl-C, which R from 4.5 on leaves so: an option of env(1) that
# undoes it, where there is one.
taking_interrupts <- function() {
  option <- "--default-signal=INT"
  if (system2("env", c(option, "true"), stderr = FALSE) == 0L) option else ""
}

# `group`: to the child's whole process group, as a terminal's Ctrl-C goes.
signal_child <- function(child, signal, group = FALSE) {
  system(sprintf("kill -%d %s%d", signal, if (group) "-" else "", child$pid))
}

# Its number may be somebody else's by now: what runs the child's script is killed, and nothing else.
kill_child <- function(child) tools::pskill(processes_with(file.path(child$folder, "script.R")), tools::SIGKILL)

child_output <- function(child) paste(readLines(file.path(child$folder, "output"), warn = FALSE), collapse = "\n")

# The value that the child marked; waits for it, and fails with the child's output when it does not come.
child_value <- function(child, name, seconds = 60) {
  file <- file.path(child$folder, name)
  is_over <- function() file.exists(file) || (!is.null(child$pid) && !process_lives(child$pid))
  if (!wait_until(is_over, seconds) || !file.exists(file)) {
    kill_child(child)
    stop("the child did not mark '", name, "' in time; it wrote:\n", child_output(child))
  }
  readRDS(file)
}

# Evaluates `code` in a child and gives what it marked as "result".
in_child <- function(code, seconds = 60, environment = character()) {
  child <- start_child(code, environment)
  on.exit(kill_child(child))
  child_value(child, "result", seconds)
}

# The path of a library made of lines of C, to be preloaded.
made_up_library <- function(lines, file = "made_up.so") {
  folder <- tempfile("library-")
  dir.create(folder)
  writeLines(lines, file.path(folder, "made_up.c"))
  system(sprintf("cd %s && %s CMD SHLIB made_up.c > build.log 2>&1", folder, file.path(R.home("bin"), "R")))
  library <- file.path(folder, file)
  file.rename(file.path(folder, paste0("made_up", .Platform$dynlib.ext)), library)
  library
}

# A variable for a child that loads this library before all others, but for those of this session (a sanitizer's).
preloaded <- function(library) {
  before <- Sys.getenv("LD_PRELOAD")
  paste0("LD_PRELOAD=", paste(c(before[nzchar(before)], library), collapse = ":"))
}

# The bytes of one of a process's files, NULs left out. A handler for the warning would leave the connection behind.
process_text <- function(pid, file) {
  read <- function() readBin(file.path("/proc", pid, file), "raw", 1e5)
  bytes <- suppressWarnings(tryCatch(read(), error = function(e) raw()))
  rawToChar(bytes[bytes != 0])
}

process_lives <- function(pid) {
  status <- process_text(pid, "stat")
  nzchar(status) && !grepl("^[0-9]+ \\(.*\\) [ZX]", status)
}

# The pids of the processes whose command line names the folder or file.
processes_with <- function(text) {
  pids <- list.files("/proc", "^[0-9]+$")
  lines <- vapply(pids, process_text, "", file = "cmdline")
  as.integer(pids[grepl(text, lines, fixed = TRUE)])
}

open_descriptors <- function() length(list.files("/proc/self/fd"))
