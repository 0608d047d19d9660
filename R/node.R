# Nodes as their session sees them: processes on other machines (or this one) that have workers of their own and do a
# session's work over an encrypted connection. What they run is in inst/worker/node.R and src/engine.

# What a session and its nodes have in common, or are known by.
node_description <- function() {
  list(avenir = as.character(getNamespaceVersion("avenir")), r = as.character(getRversion()),
       platform = R.version$platform, libraries = paste(.libPaths(), collapse = ":"), host = this_host())
}

# For an engine that nodes may join.
session_node_options <- function(heartbeat = 2, lost_after = 15, threads = 0L, packs = FALSE) {
  list(description = node_description(), heartbeat = as.double(heartbeat), lost_after = as.double(lost_after),
       threads = as.integer(threads), packs = as.integer(packs))
}

# Starts a local program that brings nodes of a group ("": it only asks for them, and they come later).
launch_program <- function(engine, argv, input = "", group = "", environment = character()) {
  file <- program_path(argv[1L])
  if (!nzchar(file)) {
    stop_avenir(sprintf("there is no program %s to start nodes with", sQuote(argv[1L])), "avenir_worker_start_error")
  }
  variables <- Sys.getenv()
  variables <- variables[setdiff(names(variables), names(environment))]
  all <- c(unclass(variables), environment)
  cpp_cluster_launch(engine, c(file, argv[-1L]), paste0(names(all), "=", all), input, group)
}
