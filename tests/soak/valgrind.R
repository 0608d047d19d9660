# rooms.R under valgrind, with all processes that come of it. No process may read or write what is not its own, use what
# is not initialised, or lose memory, where one of our functions is among the callers; and no session may end with a
# descriptor open that it has opened through one of them.
#
#   Rscript valgrind.R [ROOM...]
#
# Run with the package in the search path. Valgrind's logs are what counts: R ends as if nothing had been.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
asked <- commandArgs(TRUE)
folder <- tempfile("valgrind-")
dir.create(folder)
planted <- file.path(folder, "planted.so")
if (system2("cc", c("-O0", "-g", "-shared", "-fPIC", "-o", planted, file.path(here, "planted.c"))) != 0L) {
  stop("planted.c cannot be compiled", call. = FALSE)
}

# Only R's processes are of interest; the tools that its start script runs are not followed.
skipped <- paste0("*/", c("sh", "bash", "sed", "uname", "env", "rm", "dirname", "grep", "expr", "ls", "setsid", "id"))
valgrind <- function(log) {
  paste("valgrind --track-fds=yes --leak-check=full --show-leak-kinds=definite --num-callers=40 --keep-debuginfo=yes",
        "--trace-children=yes", paste0("--trace-children-skip=", paste(skipped, collapse = ",")),
        paste0("--suppressions=", file.path(here, "valgrind.supp")), paste0("--log-file=", log, "/%p"))
}

run_under_valgrind <- function(script, arguments = character()) {
  log <- tempfile("log-", folder)
  dir.create(log)
  words <- c("-d", shQuote(valgrind(log)), "--vanilla", "--no-echo", "-f", shQuote(script), "--args", arguments)
  status <- system2(file.path(R.home("bin"), "R"), words, env = paste0("AVENIR_LEAK_CHECK=", planted))
  list(log = log, status = status)
}

# The paragraphs of a log, each a vector of lines without the process's number.
paragraphs <- function(file) {
  lines <- readLines(file, warn = FALSE)
  lines <- sub("^==[0-9]+== ?", "", grep("^==[0-9]+==", lines, value = TRUE))
  unname(split(lines[nzchar(lines)], cumsum(!nzchar(lines))[nzchar(lines)]))
}

is_ours <- function(paragraph) any(grepl("^ +(at|by) 0x.*avenir", paragraph))
is_descriptor <- function(paragraph) any(grepl("^Open .*(descriptor|socket)", paragraph[1:2]))

# A worker or a fork ends without a destructor: what it has open goes with it.
is_session <- function(file) {
  parent <- sub("^==[0-9]+== Parent PID: ", "", grep("Parent PID: ", readLines(file, warn = FALSE), value = TRUE)[1L])
  !file.exists(file.path(dirname(file), parent))
}

# The last source files that were sent stay open, some of them, until the process ends.
is_kept <- function(paragraph) is_descriptor(paragraph) && any(grepl("name_of_source_file", paragraph, fixed = TRUE))

faults_in <- function(file) {
  found <- Filter(function(lines) is_ours(lines) && !is_kept(lines), paragraphs(file))
  if (!is_session(file)) found <- Filter(Negate(is_descriptor), found)
  lapply(found, function(lines) c(paste0("-- ", basename(file)), lines))
}

# Else its silence would mean nothing.
check_valgrind <- function() {
  script <- file.path(folder, "planted.R")
  in_both <- "for (there in list(1, 2)) if (there == 1) .C('avenir_planted', 1L) else
    parallel::mccollect(parallel::mcparallel(.C('avenir_planted', 1L)))"
  writeLines(sprintf("dyn.load('%s'); %s", planted, in_both), script)
  ran <- run_under_valgrind(script)
  said <- lapply(list.files(ran$log, full.names = TRUE), function(file) unlist(faults_in(file)))
  wanted <- c("uninitialised", "Invalid read", "definitely lost", "^Open file descriptor")
  of_all <- unlist(said)
  silent <- wanted[!vapply(wanted, function(what) any(grepl(what, of_all)), NA)]
  in_fork <- sum(vapply(said, function(lines) any(grepl("Invalid read", lines)), NA)) >= 2L
  silent <- c(silent, if (!in_fork) "in forks")
  if (length(silent)) stop("valgrind does not report: ", toString(silent), call. = FALSE)
}

check_valgrind()
ran <- run_under_valgrind(file.path(here, "rooms.R"), asked)
logs <- list.files(ran$log, full.names = TRUE)
faults <- unlist(lapply(logs, faults_in), recursive = FALSE)
for (lines in faults) writeLines(lines)
cat(sprintf("%d processes of R under valgrind, %d faults%s\n", length(logs), length(faults),
            if (ran$status != 0L) paste(", status", ran$status) else ""))
quit(status = as.integer(length(faults) > 0L || ran$status != 0L))
