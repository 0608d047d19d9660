# What the backends on the C++ engine share.
#
# Contexts, which travel to the workers (read by inst/worker/worker.R and src/worker):
#   of a future: list(expr, globals, packages, seed, check_rng, stdout, conditions, options)
#   of a map:    list(kernel, fun, args, globals, packages, seeded, listed_seeds, check_rng, stdout, conditions,
#                options)
# Answers: list(kind, content, element, position); kind 0 a value, 1 a record, 2 a lost worker, 3 no worker started,
# 4 cancelled.

task_context <- function(task) {
  unclass(task)[c("expr", "globals", "packages", "seed", "check_rng", "stdout", "conditions", "options")]
}

map_context <- function(job) {
  context <- job[c("kernel", "fun", "args", "globals", "packages", "check_rng", "stdout", "conditions", "options")]
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
       bounds = job$bounds, stream = job$seeds$base, keep_going = isTRUE(job$keep_going))
}

engine_resolved <- function(backend, handle, timeout) {
  cpp_engine_answered(backend$engine, handle, timeout, relay_immediate)
}

engine_collect <- function(backend, handle) {
  record_of_answer(cpp_engine_collect(backend$engine, handle, relay_immediate))
}

engine_cancel <- function(backend, handle, interrupt) {
  invisible(cpp_engine_cancel(backend$engine, handle, interrupt, FALSE))
}

engine_close <- function(backend) {
  if (!is.null(backend$engine)) cpp_engine_stop(backend$engine)
  backend$engine <- NULL
  invisible()
}

# The values of a map with these parts (engine_job()). The engine fills in plain ones by itself and stops at each that R
# must look at, and where the map wants another fork.
collect_map <- function(backend, id, parts, relay, fork_again = NULL) {
  results <- vector("list", length(parts$x))
  from <- 1
  collect <- function() cpp_engine_collect_map(backend$engine, id, results, from, parts$order, relay_immediate)
  while (!is.null(answer <- collect())) {
    if (answer$kind == kind_wants_fork) {
      fork_again()
      next
    }
    relay(answer$element, record_of_answer(answer))
    from <- answer$position + 1
  }
  results
}

kind_wants_fork <- 5L

record_of_answer <- function(answer) {
  content <- answer$content
  switch(answer$kind + 1L,
    new_record(content),
    content,
    new_record(error = worker_lost_condition(content)),
    new_record(error = worker_start_condition(content)),
    new_record(error = cancelled_condition())
  )
}

worker_lost_condition <- function(lost) {
  text <- sprintf("worker %d (pid %d) %s while it was evaluating", lost$worker, lost$pid, how_it_ended(lost))
  if (lost$signal == 9L) text <- paste0(text, "\ni Out of memory is a usual cause of signal 9.")
  if (nzchar(lost$log)) text <- paste0(text, "\ni The last it wrote to its standard error:\n", lost$log)
  error <- future_interrupt_error(text, "WorkerLostError")
  error[names(lost)] <- lost
  error
}

how_it_ended <- function(lost) {
  if (!lost$known) return("ended for a reason that is not known")
  if (lost$signal != 0L) return(sprintf("was killed by signal %d", lost$signal))
  sprintf("ended with exit code %d", lost$exit_code)
}

worker_start_condition <- function(reason) {
  text <- paste0("no worker could be started: ", reason,
                 "\ni Call plan(multisession) again when the cause is removed.")
  future_error(text, "avenir_worker_start_error")
}

cancelled_condition <- function() {
  future_interrupt_error("the future was cancelled before it was evaluated", "FutureCanceledError")
}
