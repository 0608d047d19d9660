# What the backends on the C++ engine share.
#
# Contexts, which travel to the workers (read by inst/worker/worker.R and src/worker):
#   of a future: list(expr, globals, packages, seed, check_rng, stdout, conditions, timeout, options)
#   of a map:    list(kernel, fun, args, globals, packages, seeded, listed_seeds, check_rng, stdout, conditions,
#                timeout, options)
# Answers: list(kind, content, element, position); kind 0 a value, 1 a record, 2 a lost worker, 3 no worker started,
# 4 cancelled, 5 none yet: the job wants another fork.

task_context <- function(task) {
  unclass(task)[c("expr", "globals", "packages", "seed", "check_rng", "stdout", "conditions", "timeout", "options")]
}

map_context <- function(job) {
  context <- job[c("kernel", "fun", "args", "globals", "packages", "check_rng", "stdout", "conditions", "timeout",
                   "options")]
  context$seeded <- !is.null(job$seeds)
  context$listed_seeds <- !is.null(job$seeds$seeds)
  context
}

# The parts of a map as the engine takes them. Elements: a vector that all workers read whole, or a list of which each
# reads what it needs; with seeds given as a list, each element comes with its own.
engine_job <- function(job) {
  plain <- (is.atomic(job$x) || is.list(job$x)) && !is.null(job$x) && !is.object(job$x)
  x <- if (plain) job$x else lapply(seq_along(job$x), function(i) job$x[[i]])
  if (!is.null(job$seeds$seeds)) x <- Map(list, x, job$seeds$seeds)
  list(context = map_context(job), x = x, order = if (!is.null(job$order)) as.integer(job$order),
       bounds = job$bounds, stream = job$seeds$base, keep_going = isTRUE(job$keep_going), policy = engine_policy(job))
}

# What a task or job grants its evaluations.
engine_policy <- function(job) list(job$retries %||% 0, job$timeout %||% Inf)

engine_resolved <- function(backend, handle, timeout) {
  repeat {
    answered <- cpp_engine_answered(backend$engine, handle$id, timeout, relay_immediate)
    if (!is.na(answered)) return(answered)
    fork_again(backend, handle)
  }
}

# `handle`: list(id, label, timeout, ...).
engine_collect <- function(backend, handle) {
  repeat {
    answer <- cpp_engine_collect(backend$engine, handle$id, relay_immediate)
    if (answer$kind != kind_wants_fork) break
    fork_again(backend, handle)
  }
  record_of_answer(answer, future_in_words(handle$label), handle$timeout)
}

engine_handle <- function(id, task, ...) list(id = id, label = task$label, timeout = task$timeout, ...)

# Of a future whose worker was lost, or of a map that has lost some of its workers; for a cluster without a node: to
# learn whether one will come. Others are never asked.
fork_again <- function(backend, handle) UseMethod("fork_again")

engine_cancel <- function(backend, handle, interrupt) {
  invisible(cpp_engine_cancel(backend$engine, handle$id, interrupt, FALSE))
}

# Bytes, 0 for none, from `max_memory`: a number of bytes, or a string such as "2 GB" or "500 MiB".
memory_limit <- function(max_memory) {
  bytes <- if (is.character(max_memory)) parse_bytes(max_memory) else max_memory
  if (is_number(bytes) && bytes > 0) return(if (is.finite(bytes)) bytes else 0)
  invalid_argument("`max_memory` must be one number of bytes above 0, or a string such as \"2 GB\"", max_memory,
                   "Inf, the default, is no limit.")
}

parse_bytes <- function(text) {
  parts <- regmatches(text, regexec("^ *([0-9.]+) *([KMGT]?)(i?)B? *$", text, ignore.case = TRUE))
  if (length(parts) != 1L || length(parts[[1L]]) != 4L) return(NULL)
  base <- if (nzchar(parts[[1L]][4L])) 1024 else 1000
  power <- match(toupper(parts[[1L]][3L]), c("K", "M", "G", "T"), 0L)
  suppressWarnings(as.numeric(parts[[1L]][2L])) * base^power
}

# `options` of a new backend against those of the one in force.
reusable_backend <- function(backend, options) {
  same <- function(x) x[!names(x) %in% c("workers", "threads")]
  !is.null(backend$engine) && identical(same(backend$options), same(options))
}

resize_backend <- function(backend, options) {
  cpp_engine_resize(backend$engine, options$workers, options$threads)
  backend$workers <- options$workers
  backend
}

engine_close <- function(backend) {
  if (!is.null(backend$engine)) cpp_engine_stop(backend$engine)
  backend$engine <- NULL
  cpp_share_forget()
  invisible()
}

# The values of a map with these parts (engine_job()). The engine fills in plain ones by itself and stops at each that R
# must look at, and where the map wants another fork.
collect_map <- function(backend, handle, job, parts, relay) {
  results <- vector("list", length(parts$x))
  done <- logical(length(results))
  from <- 1
  finished <- FALSE
  on.exit(if (!finished) harvest_map(backend, handle, job, results, done))
  collect <- function(until) {
    cpp_engine_collect_map(backend$engine, handle$id, results, done, from, until, parts$order, relay_immediate)
  }
  stretch <- if (is.null(job$progress)) length(results) else ceiling(length(results) / 100)
  next_answer <- function() {
    while (from <= length(results)) {
      if (!is.null(answer <- collect(from + stretch - 1))) return(answer)
      from <<- from + stretch
      if (!is.null(job$progress)) job$progress(min(from - 1, length(results)))
    }
  }
  while (!is.null(answer <- next_answer())) {
    from <- answer$position
    if (answer$kind == kind_wants_fork) {
      fork_again(backend, handle)
      next
    }
    i <- answer$element
    put <- relay(i, record_of_answer(answer, sprintf("element %.0f of %s()", i, job$name), job$timeout))
    if (length(put)) results[i] <- put
    done[i] <- TRUE
    from <- from + 1
  }
  finished <- TRUE
  results
}

# What there is when a map ends by a condition: what was collected, and what has come since.
harvest_map <- function(backend, handle, job, results, done) {
  try(cpp_engine_take_finished(backend$engine, handle$id, results, done), silent = TRUE)
  job$harvest(results, done)
}

# ---- Answers ----

kind_wants_fork <- 5L

# `what` was evaluated, with a limit of `timeout` seconds.
record_of_answer <- function(answer, what, timeout) {
  content <- answer$content
  switch(answer$kind + 1L,
    record_of_value(content),
    worker_record(content, what, timeout),
    new_record(error = loss_condition(content, what, timeout)),
    new_record(error = worker_start_condition(content)),
    new_record(error = cancelled_condition())
  )
}

record_of_value <- function(value) {
  record <- new_record(value)
  if (is_reference(value)) record$reference <- TRUE
  record
}

# A worker does not know what it is that was interrupted or has run into its limit.
worker_record <- function(record, what, timeout) {
  if (inherits(record$error, "avenir_time_limit")) record$error <- timeout_error(what, timeout)
  if (inherits(record$error, "avenir_interrupted")) {
    record$error <- future_interrupt_error(paste(capitalized(what), "was interrupted"))
  }
  if (is_reference(record$value)) record$reference <- TRUE
  record
}

future_in_words <- function(label) if (is.null(label)) "Future (<unnamed>)" else sprintf("Future (%s)", sQuote(label))

# Why we have killed a worker, or how it came to its end: the values of LossCause in src/wire/message.h.
loss_causes <- c("unknown", "out of memory", "quit", "time limit", "interrupt", "protocol", "node lost",
                 "unread", "untold")

# `losses`: the end of each worker that has begun with this, the last one last.
loss_condition <- function(losses, what, timeout) {
  last <- length(losses)
  losses <- lapply(losses, complete_loss)
  lost <- losses[[last]]
  if (lost$cause == "time limit") error <- timeout_error(what, timeout, killed = TRUE)
  else error <- worker_lost_error(lost, losses[-last], what)
  lost$attempts <- losses[-last]
  error[names(lost)] <- lost
  error
}

complete_loss <- function(lost) {
  lost$cause <- loss_causes[lost$cause + 1L]
  lost$signal_name <- if (lost$signal != 0L) signal_name(lost$signal) else NA_character_
  lost
}

worker_lost_error <- function(lost, attempts, what) {
  text <- sprintf("%s %d (pid %d%s) %s while it was evaluating %s", if (is_node_loss(lost)) "node" else "worker",
                  lost$worker, lost$pid, if (isTRUE(nzchar(lost$host))) paste0(", host ", lost$host) else "",
                  how_it_ended(lost), sub("^Future", "future", what))
  if (length(attempts)) {
    text <- sprintf("%s\ni Attempts before: %s.", text, paste(vapply(attempts, how_it_ended, ""), collapse = "; "))
  }
  if (nzchar(hint <- loss_hint(lost))) text <- paste0(text, "\ni ", hint)
  if (nzchar(lost$log)) text <- paste0(text, "\ni The last it wrote to its standard error:\n", lost$log)
  future_interrupt_error(text, "WorkerLostError")
}

is_node_loss <- function(lost) lost$cause == "node lost"

how_it_ended <- function(lost) {
  if (is_node_loss(lost)) return(sprintf("was lost (%s)", lost$note))
  if (lost$cause == "quit") return(sprintf("ended, because quit(status = %d) was called,", lost$exit_code))
  if (lost$cause == "protocol") return(sprintf("was ended, because it sent what no worker may send (%s),", lost$note))
  if (lost$cause == "unread") return(sprintf("was ended, because its answer could not be received (%s),", lost$note))
  if (lost$cause == "untold") return(sprintf("was ended, because it could not be told what to do (%s),", lost$note))
  if (!lost$known) return("ended for a reason that is not known")
  if (lost$signal != 0L) return(sprintf("was killed by signal %d (%s)", lost$signal, lost$signal_name))
  sprintf("ended with exit code %d", lost$exit_code)
}

loss_hint <- function(lost) {
  if (isTRUE(lost$out_of_memory)) {
    return("The system killed it for lack of memory. Fewer workers, or smaller pieces of work, need less at a time.")
  }
  if (lost$signal == 9L && is.na(lost$out_of_memory)) return("Out of memory is a usual cause of signal 9.")
  ""
}

signal_name <- function(number) {
  names <- c("SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
             "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM")
  if (.Platform$OS.type == "unix" && Sys.info()[["sysname"]] != "Linux") {
    names[c(7L, 10L, 12L)] <- c("SIGEMT", "SIGBUS", "SIGSYS")
  }
  names[24:25] <- c("SIGXCPU", "SIGXFSZ")
  if (number %in% which(!is.na(names))) names[number] else sprintf("signal %d", number)
}

worker_start_condition <- function(reason) {
  text <- paste0("no worker could be started: ", reason,
                 "\ni Call plan() again when the cause is removed.")
  future_error(text, "avenir_worker_start_error")
}

cancelled_condition <- function() {
  future_interrupt_error("the future was cancelled before it was evaluated", "FutureCanceledError")
}
