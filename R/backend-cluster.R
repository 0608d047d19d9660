# The cluster backend: nodes on other machines, each a process with workers of its own, started by a launcher
# (R/cluster-launch.R) and fed over encrypted connections by this session's engine. What a node runs is in
# inst/worker/node.R.

# `launcher`: an object of workers_slurm() and the like. Seconds: `start_timeout` until a node that runs has joined,
# `queue_timeout` until the first has (schedulers may let them wait), `lost_after` without a word until a node is given
# up. `port`: where nodes join; 0: any that is free.
new_cluster_backend <- function(launcher, lost_after = 15, heartbeat = 2, queue_timeout = Inf, port = 0L,
                                interrupts = FALSE, start_timeout = getOption("avenir.start.timeout", 60), ...,
                                reuse = NULL) {
  assert_tls()
  options <- in_own_folder(multisession_options(0L, start_timeout, interrupts = interrupts, ...))
  options$nodes <- session_node_options(check_timeout(heartbeat, "heartbeat"), check_timeout(lost_after, "lost_after"),
                                        packs = compresses())
  backend <- new_backend("cluster", c("ClusterFuture", "MultiprocessFuture"), workers = 0L, options = options,
                         interrupts = options$interrupts, launcher = launcher, launches = list(), next_group = 1L,
                         queue_timeout = queue_timeout, discounted = integer(), count_again = 0)
  class(backend) <- append(class(backend), "multisession_backend", 1L)
  backend$engine <- start_engine(options, "cluster")
  started <- FALSE
  on.exit(if (!started) backend_close(backend))
  open_port(backend, port)
  launch_nodes(backend)
  started <- TRUE
  backend
}

assert_tls <- function() {
  missing <- cpp_tls_missing()
  if (!nzchar(missing)) return(invisible())
  stop_avenir(paste("plan(cluster) with workers on other machines:", missing), "avenir_unsupported_error")
}

# What is large is compressed on its way, by a library that not every system has.
compresses <- function(missing = cpp_zstd_missing()) {
  wanted <- getOption("avenir.cluster.compress", FALSE)
  if (!isTRUE(wanted) && !isFALSE(wanted)) {
    invalid_argument("option `avenir.cluster.compress` must be TRUE or FALSE", wanted)
  }
  if (wanted && nzchar(missing)) {
    stop_avenir(paste("plan(cluster) with option `avenir.cluster.compress`:", missing), "avenir_unsupported_error")
  }
  wanted
}

# One address only, never all of the machine's.
open_port <- function(backend, port) {
  backend$addresses <- launch_addresses(backend$launcher)
  listening <- cpp_cluster_listen(backend$engine, backend$addresses[1L], as.integer(port))
  backend$port <- listening$port
  backend$plan <- listening$plan
}

# ---- Launches ----

# Starts nodes with `count` workers together, or as many as the launcher says.
launch_nodes <- function(backend, count = NULL) invisible(launch_start(backend$launcher, backend, count))

# Most launchers have local commands that bring nodes.
launch_start <- function(x, backend, count) UseMethod("launch_start")

#' @export
launch_start.default <- function(x, backend, count) {
  commands <- launch_commands(x, launch_session(backend), count)
  for (command in commands) start_launch(backend, command)
  length(commands)
}

launch_session <- function(backend) {
  list(ticket = function(group, count, addresses) {
    backend$next_group <- max(backend$next_group, group + 1L)
    cpp_cluster_ticket(backend$engine, as.character(group), count, addresses)
  }, group = backend$next_group, plan = backend$plan, addresses = backend$addresses, listen = backend$addresses[1L],
  port = backend$port, libs = .libPaths(), folder = ticket_folder())
}

# What only asks a scheduler for nodes is over soon, and tells their id.
start_launch <- function(backend, command) {
  asks <- !is.null(command$ticket_file)
  if (asks) write_tickets(backend, command)
  command$launch <- launch_program(backend$engine, command$argv, command$input,
                                   if (asks) "" else as.character(command$group), command$environment)
  backend$workers <- backend$workers + command$workers
  at <- length(backend$launches) + 1L
  backend$launches[[at]] <- command
  if (asks) backend$launches[[at]]$id <- await_scheduler(backend, command)
}

write_tickets <- function(backend, command) {
  folder <- dirname(command$ticket_file)
  if (!length(backend$launches)) remove_dead_tickets(folder)
  write_owner(folder, backend$plan)
  write_ticket(command$ticket_file, command$ticket)
}

# The scheduler's id for the nodes that it was asked for. A command in which nodes run is known by its lasting.
await_scheduler <- function(backend, command) {
  may_last <- isTRUE(command$may_last)
  nodes <- nrow(cpp_cluster_nodes(backend$engine))
  deadline <- cpp_monotonic_seconds() + if (may_last) answer_seconds else backend$options$start_timeout
  while ((status <- launch_row(backend, command))$running && cpp_monotonic_seconds() < deadline) {
    if (may_last && nrow(cpp_cluster_nodes(backend$engine)) > nodes) break
    Sys.sleep(0.02)
  }
  said <- output_lines(status)
  if (status$running && may_last) return(command$name)
  if (status$running || has_failed(status)) {
    how <- if (status$running) "does not answer" else how_ended(status)
    stop_avenir(sprintf("plan(cluster): %s %s: %s", command$argv[1L], how, paste(said, collapse = "\n")),
                c("avenir_worker_start_error", "FutureError"))
  }
  launch_id(backend$launcher, said) %||% command$name
}

launch_row <- function(backend, command) {
  launches <- cpp_cluster_launches(backend$engine)
  launches[launches$id == command$launch, ]
}

output_lines <- function(row) strsplit(row$output, "\n", fixed = TRUE)[[1L]]

# What is known of why there is no node, or one less: the scheduler's own words first.
launch_reasons <- function(backend) {
  reasons <- vapply(backend$launches, function(command) {
    reason <- launch_reason(backend$launcher, command$id, output_lines(launch_row(backend, command)))
    if (!is.null(command$host) && nzchar(reason)) reason <- paste0(command$host, ": ", reason)
    paste(c(reason[nzchar(reason)], nodes_said(command)), collapse = "\n")
  }, "")
  unique(reasons[nzchar(reasons)])
}

# The last line of each node that has written to a file beside its ticket.
nodes_said <- function(command) {
  said <- vapply(node_outputs(command), function(file) last_line(readLines(file, warn = FALSE)), "")
  unique(said[nzchar(said)])
}

node_outputs <- function(command) if (!is.null(command$ticket_file)) Sys.glob(paste0(command$ticket_file, "-*.out"))

# ---- Waiting for the first node ----

has_nodes <- function(backend) cpp_cluster_has_nodes(backend$engine)

# Returns when the job has an answer or a node is there to work on it. Says why it takes long when it does.
await_nodes <- function(backend, id) {
  begin <- cpp_monotonic_seconds()
  said <- ""
  steps <- 0L
  while (!has_nodes(backend)) {
    if (isTRUE(cpp_engine_answered(backend$engine, id, 0.25, relay_immediate))) return(invisible())
    waited <- cpp_monotonic_seconds() - begin
    if (waited > backend$queue_timeout) stop_queue(backend, waited)
    steps <- steps + 1L
    if (steps %% 4L == 0L) forget_ended(backend)
    if (steps %% 12L == 0L) said <- say_waiting(backend, said)
  }
  invisible()
}

# The job had nodes, and has none any more.
#' @export
fork_again.cluster_backend <- function(backend, handle) await_nodes(backend, handle$id)

# That a command may take to ask a scheduler, when it could also be one in which nodes run.
answer_seconds <- 5

# What the scheduler has ended for good is not waited for, nor what a command has failed to bring.
forget_ended <- function(backend) {
  for (command in backend$launches) {
    if (is.null(command$id)) next
    if (has_failed(launch_row(backend, command)) || launch_is_over(backend$launcher, command$id)) {
      cpp_cluster_forget(backend$engine, as.character(command$group))
    }
  }
}

has_failed <- function(status) !status$running && (status$exit_code != 0L || status$signal != 0L)

how_ended <- function(status) {
  if (status$signal != 0L) return(sprintf("was ended by signal %d", status$signal))
  sprintf("ended with exit status %d", status$exit_code)
}

stop_queue <- function(backend, waited) {
  text <- sprintf("plan(cluster): no worker has joined within %.0f seconds (queue_timeout)", waited)
  stop_avenir(paste(c(text, launch_reasons(backend)), collapse = "\ni "),
              c("avenir_worker_start_error", "avenir_timeout_error", "FutureError"))
}

say_waiting <- function(backend, said) {
  reason <- paste(launch_reasons(backend), collapse = "; ")
  text <- paste0("plan(cluster): waiting for workers", if (nzchar(reason)) paste0(": ", reason))
  if (!identical(text, said)) message(text)
  text
}

# ---- The backend's methods; the others are those of the multisession backend ----

#' @export
backend_free.cluster_backend <- function(backend) {
  if (has_nodes(backend)) cpp_engine_free_workers(backend$engine) else 0L
}

#' @export
backend_submit.cluster_backend <- function(backend, task) {
  grow_for(backend, 1L)
  NextMethod()
}

#' @export
backend_collect.cluster_backend <- function(backend, handle) {
  await_nodes(backend, handle$id)
  explain_loss(backend, NextMethod())
}

#' @export
backend_map.cluster_backend <- function(backend, job, relay) {
  grow_for(backend, length(job$x))
  map_on_engine(backend, job, function(i, record) relay(i, explain_loss(backend, record)),
                function(id) await_nodes(backend, id))
}

# The scheduler's words about a lost node, or about none: killed, out of memory, node failure, preempted, time limit.
explain_loss <- function(backend, record) {
  error <- record$error
  lost <- inherits(error, "WorkerLostError") && identical(error$cause, "node lost")
  if (!lost && !inherits(error, "avenir_worker_start_error")) return(record)
  for (reason in launch_reasons(backend)) error$message <- paste0(error$message, "\ni ", reason)
  record$error <- error
  record
}

#' @export
backend_describe.cluster_backend <- function(backend) {
  nodes <- cpp_cluster_nodes(backend$engine)
  here <- nodes[nodes$state %in% c("ready", "leaving"), ]
  c(sprintf("cluster: %d workers, %d of them on %d nodes that have joined", backend$workers, sum(here$workers),
            nrow(here)),
    sprintf("node %d: %s, pid %d, %s, %d workers, %.0f answers", here$node, here$host, here$pid, here$state,
            here$workers, here$answers))
}

#' @export
backend_close.cluster_backend <- function(backend) {
  engine_close(backend)
  for (command in backend$launches) {
    if (!is.null(command$id)) launch_stop(backend$launcher, command$id)
    if (!is.null(command$ticket_file)) remove_tickets(dirname(command$ticket_file), backend$plan)
  }
  backend$launches <- list()
  invisible()
}
