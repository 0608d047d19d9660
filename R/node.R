# Nodes: processes on other machines (or this one) that have workers of their own and do a session's work over an
# encrypted connection. A launcher starts them as `Rscript -e` with node_expression; what they do is in src/engine.
#
# Arguments (after the expression): --workers=N, --rank-from=VARIABLE,... (the first that is set), --first-rank=N (what
# it counts from), --ticket-file=PATH. Without a file the ticket is the first line of standard input.

# The life of a node; ends the process. Status 0: the session has no more work; 1: it was not taken, or has lost it.
# `folder`: the temporary folder of its processes, the first of which has been forked already (inst/worker/worker.R).
run_node <- function(folder = NULL, workers = NULL) {
  arguments <- node_arguments(commandArgs(trailingOnly = TRUE))
  ending <- tryCatch({
    ticket <- read_ticket(arguments[["ticket-file"]])
    workers <- node_workers(workers %||% arguments$workers)
    rank <- node_rank(arguments[["rank-from"]], arguments[["first-rank"]])
    cpp_node_run(ticket, rank, node_attempt(), node_options(workers, folder))
  }, error = function(e) list(reason = conditionMessage(e), refused = TRUE))
  normal <- !ending$refused && ending$reason %in% c("the plan has ended", "it was dismissed")
  if (!normal) message("avenir node on ", Sys.info()[["nodename"]], ": ", ending$reason)
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
  from <- if (is.null(file)) "standard input" else sQuote(file)
  stop_avenir(paste("a node got no ticket from", from), "avenir_invalid_argument")
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
  values[first] - as.integer(from %||% "0")
}

# How often the scheduler has started it before.
node_attempt <- function() {
  count <- suppressWarnings(as.integer(Sys.getenv("SLURM_RESTART_COUNT", "0")))
  if (is.na(count)) 0L else count
}

# Those of plan(multisession) here; times and limits come from the session.
node_options <- function(workers, folder) {
  options <- in_own_folder(multisession_options(workers), folder)
  options$cores <- counted_cores()
  options$description <- node_description()
  options
}

# What a session and its nodes have in common, or are known by.
node_description <- function() {
  list(avenir = as.character(getNamespaceVersion("avenir")), r = as.character(getRversion()),
       platform = R.version$platform, libraries = paste(.libPaths(), collapse = ":"), host = Sys.info()[["nodename"]])
}

# For an engine that nodes may join.
session_node_options <- function(heartbeat = 2, lost_after = 15, threads = 0L) {
  list(description = node_description(), heartbeat = as.double(heartbeat), lost_after = as.double(lost_after),
       threads = as.integer(threads))
}

# Starts a local program that brings nodes of a group ("": it only asks for them, and they come later).
launch_program <- function(engine, argv, input = "", group = "", environment = character()) {
  file <- unname(Sys.which(argv[1L]))
  if (!nzchar(file)) {
    stop_avenir(sprintf("there is no program %s to start nodes with", sQuote(argv[1L])), "avenir_worker_start_error")
  }
  variables <- Sys.getenv()
  variables <- variables[setdiff(names(variables), names(environment))]
  all <- c(unclass(variables), environment)
  cpp_cluster_launch(engine, c(file, argv[-1L]), paste0(names(all), "=", all), input, group)
}
