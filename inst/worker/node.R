# A node: serves a session that is elsewhere, with workers of its own. Sourced by worker.R, in the process that a
# launcher has started; uses nothing of the avenir namespace, whose loading takes as long as R itself.
#
# Arguments: --workers=N, --rank-from=VARIABLE,... (the first that is set), --first-rank=N (what it counts from),
# --ticket-file=PATH. Without a file the ticket is the first line of standard input.

# Ends the process. Status 0: the session has no more work; 1: it was not taken, or has lost the session. `folder`: the
# temporary folder of its processes, `environment` and `library`: what they start with.
run_node <- function(dll, library, folder, environment) {
  ending <- list("", TRUE)  # filled in by the C++ code
  tryCatch({
    arguments <- node_arguments(commandArgs(trailingOnly = TRUE))
    ticket <- read_ticket(arguments[["ticket-file"]])
    rank <- node_rank(arguments[["rank-from"]], arguments[["first-rank"]])
    options <- node_options(library, folder, environment, node_workers(arguments$workers))
    run <- getNativeSymbolInfo("_avenir_cpp_node_run", dll)$address
    .Call(run, ticket, rank, node_attempt(), options, ending)
  }, error = function(e) ending[[1L]] <<- conditionMessage(e))
  normal <- !ending[[2L]] && ending[[1L]] %in% c("the plan has ended", "it was dismissed")
  if (!normal) message("avenir node on ", Sys.info()[["nodename"]], ": ", ending[[1L]])
  unlink(folder, recursive = TRUE)
  quit(save = "no", status = if (normal) 0L else 1L, runLast = FALSE)
}

node_arguments <- function(words) {
  words <- words[grepl("^--[a-z-]+=", words)]
  stats::setNames(as.list(sub("^[^=]*=", "", words)), sub("^--([a-z-]+)=.*", "\\1", words))
}

# A file holds a secret and has done its duty when it is read; who made it removes it.
read_ticket <- function(file) {
  line <- if (is.null(file)) readLines(file("stdin"), n = 1L) else readLines(file, n = 1L, warn = FALSE)
  if (length(line)) return(line)
  stop("a node got no ticket from ", if (is.null(file)) "standard input" else sQuote(file))
}

# As many as the launcher says, else as many as the scheduler has given this process, else as there are cores.
node_workers <- function(given) {
  for (count in c(given, Sys.getenv(c("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")))) {
    count <- suppressWarnings(as.integer(count))
    if (!is.na(count) && count >= 1L) return(count)
  }
  as.integer(parallelly::availableCores())
}

# Which of its group this node is, counted from 0. A Slurm array says itself what it counts from.
node_rank <- function(variables = NULL, from = NULL) {
  if (is.null(variables)) variables <- "SLURM_ARRAY_TASK_ID,SLURM_PROCID"
  variables <- strsplit(variables, ",", fixed = TRUE)[[1L]]
  values <- suppressWarnings(as.integer(Sys.getenv(variables)))
  if (all(is.na(values))) return(0L)
  first <- which(!is.na(values))[1L]
  if (variables[first] == "SLURM_ARRAY_TASK_ID") from <- Sys.getenv("SLURM_ARRAY_TASK_MIN", "0")
  values[first] - as.integer(if (is.null(from)) "0" else from)
}

# How often the scheduler has started it before.
node_attempt <- function() {
  count <- suppressWarnings(as.integer(Sys.getenv("SLURM_RESTART_COUNT", "0")))
  if (is.na(count)) 0L else count
}

# As those of plan(multisession); times and limits come from the session. The command is for another template, should
# the first end.
node_options <- function(library, folder, environment, workers) {
  path <- file.path(R.home("bin"), "exec", "R")
  start <- file.path(library, "avenir", "worker", "start.R")
  argv <- c(path, "--no-echo", "--no-restore", "--vanilla", paste0("--file=", start), "--args", library, folder)
  list(workers = workers, threads = 1L, path = path, argv = argv, environment = environment, directory = getwd(),
       temp_folder = folder, start_timeout = 60, interrupt_grace = 2, memory_limit = 0,
       description = node_description(library))
}

node_description <- function(library) {
  version <- read.dcf(file.path(library, "avenir", "DESCRIPTION"), "Version")[[1L]]
  list(avenir = version, r = as.character(getRversion()), platform = R.version$platform,
       libraries = paste(.libPaths(), collapse = ":"), host = Sys.info()[["nodename"]])
}
