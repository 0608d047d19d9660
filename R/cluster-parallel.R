# Nodes beside the R processes of a cluster object of parallel: these are used once, to start our own.

# One node for each machine, with as many workers as the object has processes there.
workers_of_cluster <- function(cl) {
  if (!length(cl)) invalid_argument("`workers` of plan(cluster) must have a node", cl)
  hosts <- tryCatch(parallel::clusterCall(cl, host_name), error = function(e) {
    stop_avenir(paste("plan(cluster): the cluster object does not answer:", conditionMessage(e)),
                c("avenir_worker_start_error", "FutureError"))
  })
  hosts <- unlist(hosts)
  counts <- count_hosts(hosts)
  new_launcher("parallel", cluster = cl[match(names(counts), hosts)], hosts = counts)
}

# Runs there, where avenir need not be loaded; so does start_node_there().
host_name <- function() Sys.info()[["nodename"]]
environment(host_name) <- baseenv()

#' @export
launch_size.avenir_workers_parallel <- function(x) sum(x$hosts)

# What the object calls its machines, for the way to them.
#' @export
launch_targets.avenir_workers_parallel <- function(x) {
  if (all(names(x$hosts) == this_host())) return("127.0.0.1")
  hosts <- unlist(lapply(x$cluster, function(node) if (is.list(node) || is.environment(node)) node$host))
  setdiff(hosts, c("localhost", "127.0.0.1"))
}

#' @export
launch_start.avenir_workers_parallel <- function(x, backend, count) {
  session <- launch_session(backend)
  groups <- session$group + seq_along(x$hosts) - 1L
  tickets <- vapply(groups, function(group) session$ticket(group, 1L, session$addresses), "")
  on.exit(for (group in groups) cpp_cluster_forget(backend$engine, as.character(group)))
  commands <- lapply(x$hosts, function(n) {
    node_command(session, c(workers_argument(n), "--rank-from=AVENIR_RANK"), rscript = "")
  })
  failures <- parallel::clusterApply(x$cluster, Map(list, tickets, unname(commands)), start_node_there, session$libs)
  assert_started(names(x$hosts), failures)
  await_groups(backend, groups, names(x$hosts))
  backend$workers <- backend$workers + sum(x$hosts)
  length(groups)
}

# `what`: list(ticket, node_command() with "" for Rscript). The shell opens the file and removes it before the node
# begins; the ticket is never in an argument. Returns "", or why no node was started.
start_node_there <- function(what, libraries) {
  libraries <- unique(c(libraries[dir.exists(libraries)], .libPaths()))
  if (!nzchar(system.file(package = "avenir", lib.loc = libraries))) {
    return(paste("avenir is not installed in", toString(libraries)))
  }
  umask <- Sys.umask("077")
  on.exit(Sys.umask(umask))
  file <- tempfile("ticket-")
  on.exit(unlink(file), add = TRUE)
  writeLines(what[[1L]], file)
  words <- what[[2L]]
  words[startsWith(words, "R_LIBS=")] <- paste0("R_LIBS=", paste(libraries, collapse = ":"))
  words[words == ""] <- file.path(R.home("bin"), "Rscript")
  line <- sprintf("exec 3<%1$s; rm -f %1$s; nohup %2$s <&3 3<&- >/dev/null 2>&1 &", shQuote(file),
                  paste(shQuote(words), collapse = " "))
  status <- system(line)
  if (status == 0L) "" else paste("the shell ended with exit status", status)
}
environment(start_node_there) <- baseenv()

assert_started <- function(hosts, failures) {
  failures <- unlist(failures)
  bad <- nzchar(failures)
  if (!any(bad)) return(invisible())
  stop_avenir(paste0("plan(cluster): no node can be started on ", hosts[bad][1L], ": ", failures[bad][1L]),
              c("avenir_worker_start_error", "FutureError"))
}

# Nobody tells when such a node has failed: who is not here by `start_timeout` is not waited for.
await_groups <- function(backend, groups, hosts) {
  deadline <- cpp_monotonic_seconds() + backend$options$start_timeout
  repeat {
    nodes <- cpp_cluster_nodes(backend$engine)
    here <- groups %in% nodes$group[nodes$state == "ready"]
    gone <- nodes[nodes$group %in% groups[!here] & nodes$state %in% c("refused", "gone"), ]
    late <- cpp_monotonic_seconds() > deadline
    if (all(here)) return(invisible())
    if (late || nrow(gone)) break
    Sys.sleep(0.02)
  }
  reason <- if (nrow(gone)) gone$reason[1L] else late_reason(backend)
  stop_avenir(sprintf("plan(cluster): the node on %s has not joined: %s", hosts[!here][1L], reason),
              c("avenir_worker_start_error", "FutureError"))
}

late_reason <- function(backend) {
  sprintf("nothing was heard of it within %.0f s.\ni Can it reach %s, port %d? Option `avenir.cluster.address` %s.",
          backend$options$start_timeout, paste(backend$addresses, collapse = " or "), as.integer(backend$port),
          "names another address of this machine")
}

#' @export
format.avenir_workers_parallel <- function(x, ...) {
  hosts <- paste0(names(x$hosts), ifelse(x$hosts > 1L, paste0(" (", x$hosts, ")"), ""), collapse = ", ")
  c(sprintf("workers beside a cluster object: %d on %s", sum(x$hosts), show_count(length(x$hosts), "host")),
    paste0("  ", hosts))
}
