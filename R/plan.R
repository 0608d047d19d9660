# Plans: strategies (what the user names), the stack of levels (what is in force), and their backends.

# ---- Strategies ----

# Strategies are functions only because code inspects them as such: formals() shows their arguments,
# attributes "tweaks" and "call" how they were made. They are never called.
new_strategy <- function(fun, classes, factory, untweakable = character()) {
  structure(fun, class = c(classes, "avenir_strategy", "future", "function"), init = TRUE, factory = factory,
            untweakable = untweakable)
}

#' Plans
#'
#' `plan()` says how futures and maps are evaluated from here on. `sequential` evaluates them in this R
#' session; `multisession` in R sessions on this machine that run in the background; `multicore` in forks of this
#' session, made when the future is; `cluster` in R sessions on other machines, which ssh, Slurm or any other scheduler
#' starts.
#'
#' @details
#' A plan is given as a name (`plan(multisession, workers = 4)`), a string, or a strategy made by [tweak()]. A
#' list makes a stack: the first strategy is for futures created here, the second for futures created while
#' evaluating those, and so on. A level that is not given is sequential, so that nesting does not multiply
#' processes.
#'
#' Setting the plan that is in force already does nothing: the workers stay. When only the number of workers is another,
#' some are added, or some end when they have nothing to do. Any other plan ends the workers of the plan before; their
#' unfinished futures are lost.
#'
#' Instead of a strategy `plan()` takes one of these words. `"next"` (or `NULL`, or nothing): the strategy in
#' force. `"list"`: the stack. `"tail"`: the stack below the first. `"backend"`: the backend in force.
#' `"default"`: sets the plan of option `future.plan`, sequential when there is none. `"reset"`: sets
#' sequential. `"pop"`: takes the first strategy off the stack.
#'
#' Workers that die are replaced. Those that do not heed an interrupt are killed after `interrupt_grace` seconds (2);
#' others take their place before that. With `max_memory` (bytes, or a string such as `"2 GB"`) a worker whose own
#' memory has grown past it, when what is garbage is freed, is replaced between two futures or elements, and nothing is
#' lost by that. Memory that processes share does not count.
#'
#' `with(plan(...), expr)` evaluates `expr` under a plan and returns to the plan before, whose workers stay;
#' `with(plan(...), local = TRUE)` sets a plan until the calling function returns.
#'
#' @param strategy A strategy, a string, a list of these, a stack that `plan()` returned, or one of the words
#'   above.
#' @param ... Arguments of the strategy, such as `workers`, `max_memory` or `interrupt_grace`. Arguments that no
#'   strategy knows give a warning.
#' @param substitute `FALSE`: `strategy` is evaluated as usual instead of being read as written.
#' @param .skip,.call,.cleanup,.init For other packages: the call to note down (`.call`), whether the workers
#'   of the plan before are ended (`.cleanup`), whether workers are started now or when first needed
#'   (`.init`).
#' @return The stack before, invisibly; for the words the thing they name.
#' @section Clusters:
#' `workers` of `plan(cluster)` says where workers are: names of machines, to which ssh is used, a name given n times
#' for n workers (those of [workers_ssh()]); what [workers_slurm()], [workers_ssh()], [workers_file()] or
#' [workers_command()] returned; a cluster object of package parallel, whose R processes are used once, to start other
#' ones beside them, and are free again; a function that returns one of these. A number, and names that all mean this
#' machine, are workers as `multisession` has them. The machines need the same version of avenir and of R (4.2.1 and
#' 4.2.3 are the same) and the same platform; a machine with others is refused, and the error says what differs.
#'
#' On each machine one process, a *node*, forks the workers and has one connection to this session. A large object goes
#' to each machine once, whatever the number of its workers. Nodes may come and go, also during a map: the first one
#' begins. [plan_workers()] lists the workers, [plan_grow()] and [plan_shrink()] change their number.
#'
#' Besides `max_memory` and `interrupt_grace` there are these arguments:
#'
#' * `lost_after` (15): so many seconds without a word, and a machine is given up. A cut that is shorter loses nothing.
#' * `heartbeat` (2): at least every so many seconds both sides say something.
#' * `queue_timeout` (`Inf`): seconds until the first worker has to be there; then the futures that wait are errors of
#'   class `avenir_worker_start_error`. Schedulers may let jobs wait long: a message tells the scheduler's reason.
#' * `port` (0: any that is free): where this session listens, if a firewall lets only some ports through.
#' * `user`, `rshopts`, `revtunnel`, `rscript`: for names of machines, as `user`, `options`, `revtunnel` and `rscript`
#'   of [workers_ssh()].
#'
#' Option `avenir.cluster.address` has the addresses of this machine that nodes are to use, the first of which it
#' listens at; without it they are found by the routes to the machines. Option `avenir.cluster.folder` names the folder
#' for the keys of batch jobs ([workers_slurm()]): it must be yours, closed to others, and seen by the machines.
#'
#' With option `avenir.cluster.compress = TRUE` parts of large objects that zstd makes smaller travel so, which pays on
#' slow links. This session needs the library of zstd for that, else `plan()` is an error of class
#' `avenir_unsupported_error`; machines without it get and send everything as it is.
#'
#' When a machine is lost, others do again what it had not answered: once more by itself, and as often as `retries` says
#' besides. Then that future or element is a `WorkerLostError`, which names the host and the reason, the scheduler's own
#' where it tells (out of memory, node failure, preempted, time limit). Something may therefore be evaluated twice, but
#' its answer counts once. When this session ends, is killed or cannot be reached for `lost_after` seconds, nodes end
#' with their workers.
#'
#' Slurm brings back what it requeues. Other workers of [workers_slurm()] (with `n`) and [workers_command()] that were
#' lost are replaced, up to the `max` of `n`, when the next future or map needs them.
#' @section Security of clusters:
#' What session and nodes say to each other is encrypted, and both have proved who they are before: TLS 1.3 of the
#' system's OpenSSL, with a key that both must know. There is no way to switch that off; where OpenSSL is missing,
#' `plan(cluster)` with other machines is an error of class `avenir_unsupported_error`, and everything else works. Each
#' plan has a secret of 32 bytes of the system's random generator (never R's), from which each node's key is derived;
#' each is good for one node and one start. It is told to a node by the standard input of what starts it, or in a file
#' that only you can read, never in arguments or environment variables. The session listens at one address and only
#' while such a plan is in force. What comes from somebody who has not proved to know a key is limited in size, number
#' and time, is not logged, and never reaches R.
#'
#' Not promised is protection from root and from your own user on any of the machines, from whoever can read what ssh,
#' the scheduler, the folder's file system or a cluster object's connections carry (they bring the key), and from a node
#' that has proved itself: it runs your code, and this session reads its values. Nor is it hidden that, when and how
#' much is sent, nor can somebody on the network be kept from disturbing the connections.
#' @section Errors:
#' An unknown plan and a number of workers that is not a whole number from 1 are errors of class
#' `avenir_invalid_argument`; workers that cannot start are errors of class `avenir_worker_start_error`. The
#' plan before stays in force.
#' @seealso [future()], [future_lapply()], [nbrOfWorkers()], [plan_workers()]; [workers_ssh()], [workers_slurm()],
#'   [workers_file()], [workers_command()]
#' @examples
#' plan(sequential)
#' value(future(1 + 1))
#'
#' \donttest{
#' plan(multisession, workers = 2)
#' future_sapply(1:4, sqrt)
#'
#' with(plan(sequential), value(future(Sys.getpid() == Sys.getpid())))
#' plan(sequential)
#' }
#'
#' \dontrun{
#' plan(cluster, workers = c("n1", "n2", "n2"))  # ssh: one worker on n1, two on n2
#' plan(cluster, workers = workers_slurm(c(4, 40), time = "2:00:00"))  # jobs of Slurm
#' }
#' @export
plan <- function(strategy = NULL, ..., substitute = TRUE, .skip = FALSE, .call = TRUE, .cleanup = NA,
                 .init = TRUE) {
  if (substitute) strategy <- substitute(strategy)
  if (is.null(strategy) || is_plan_word(strategy)) return(plan_word(strategy, .cleanup, .init))
  if (is.language(strategy)) strategy <- read_strategy(strategy, parent.frame())
  call <- if (isTRUE(.call)) sys.call() else .call
  strategies <- plan_strategies(strategy, list(...), call, parent.frame())
  set_plan(strategies, .cleanup, .init, temporary = called_by_with(sys.nframe()))
}

#' @rdname plan
#' @param workers The number of workers: a whole number from 1, or a function that returns one. With 1 worker
#'   everything is evaluated in this session; `I(1)` asks for one worker in the background. Under `cluster` also
#'   machines: see section Clusters.
#' @param rscript_libs The library paths of the workers. `multisession` and `cluster` on this machine also take
#'   `rscript_envs` (environment variables of the workers, by name), `rscript_args` (further arguments of R) and
#'   `rscript_startup` (code that each worker runs before its first job), as [parallelly::makeClusterPSOCK()] does.
#' @param envir Not used.
#' @export
sequential <- new_strategy(function(..., envir = parent.frame()) stop_called_strategy("sequential"),
                           c("sequential", "uniprocess"), function(...) new_sequential_backend(...))

#' @rdname plan
#' @export
multisession <- new_strategy(
  function(..., workers = availableCores(), rscript_libs = .libPaths()) stop_called_strategy("multisession"),
  c("multisession", "cluster", "multiprocess"), function(...) start_multisession(...),
  untweakable = "persistent"
)

#' @rdname plan
#' @export
multicore <- new_strategy(
  function(..., workers = availableCores(constraints = "multicore")) stop_called_strategy("multicore"),
  c("multicore", "multiprocess"), function(...) start_multicore(...)
)

#' @rdname plan
#' @param persistent Taken for compatibility: workers are as new for each future.
#' @export
cluster <- new_strategy(
  function(..., workers = availableWorkers(), persistent = FALSE, rscript_libs = .libPaths()) {
    stop_called_strategy("cluster")
  },
  c("cluster", "multiprocess"), function(...) start_cluster(...)
)

stop_called_strategy <- function(name) {
  text <- "%1$s() is a plan and is not called.\ni Use plan(%1$s, ...) or tweak(%1$s, ...)."
  stop_avenir(sprintf(text, name), "avenir_invalid_argument")
}

# "multisession": the class of a strategy that names it.
strategy_name <- function(strategy) setdiff(class(strategy), c("FutureStrategy", "tweaked"))[1L]

#' Change the arguments of a plan
#'
#' @param strategy A strategy such as [multisession], or its name.
#' @param ... Named arguments that the strategy is to have.
#' @param penvir Where a name is looked up.
#' @return The strategy with these arguments, of class `tweaked`; the strategy itself when there are none.
#' @examples
#' two <- tweak(multisession, workers = 2)
#' formals(two)$workers
#' @export
tweak <- function(strategy, ..., penvir = parent.frame()) {
  tweak_strategy(as_strategy(strategy, penvir), list(...))
}

tweak_strategy <- function(strategy, tweaks) {
  if (!length(tweaks)) return(strategy)
  check_tweaks(strategy, tweaks)
  tweaks <- tweaks[!duplicated(names(tweaks))]
  tweaked <- strategy
  formals <- formals(strategy)
  formals[names(tweaks)] <- lapply(tweaks, function(x) if (is.language(x)) call("quote", x) else x)
  attributes <- attributes(strategy)
  formals(tweaked) <- formals
  attributes(tweaked) <- attributes[names(attributes) != "srcref"]
  attr(tweaked, "tweaks") <- utils::modifyList(as.list(attr(strategy, "tweaks")), tweaks, keep.null = TRUE)
  class(tweaked) <- c("tweaked", setdiff(class(strategy), "tweaked"))
  tweaked
}

check_tweaks <- function(strategy, tweaks) {
  names <- names(tweaks)
  if (is.null(names) || !all(nzchar(names))) {
    invalid_argument("the arguments of a plan must be named", tweaks, "Use for instance workers = 2.")
  }
  own <- intersect(names, c(future_only_arguments, attr(strategy, "untweakable")))
  if (length(own)) {
    invalid_argument("these arguments cannot be set by plan() or tweak()", own,
                     "Give them to future() itself.")
  }
  unknown <- setdiff(names, known_arguments(strategy, names))
  if (!length(unknown)) return(invisible())
  text <- sprintf("Detected %d unknown future arguments: %s", length(unknown),
                  paste(sQuote(unknown), collapse = ", "))
  warn_avenir(text)
}

future_only_arguments <- c("conditions", "envir", "expr", "globals", "lazy", "local", "packages", "seed",
                           "stdout", "substitute", "version")

# Arguments that plans of future take, ours among them; those for starting workers only when need be.
known_arguments <- function(strategy, names) {
  known <- c(names(formals(strategy)), "earlySignal", "split", "gc", "maxSizeOfObjects", "interrupts",
             "hooks", "label")
  if (all(names %in% known) || !inherits(strategy, "multiprocess")) return(known)
  starters <- list(parallelly::makeClusterPSOCK, parallelly::makeNodePSOCK)
  c(known, "wait.timeout", "wait.interval", "wait.alpha", "start_timeout", "interrupt_grace", "max_memory", "profile",
    if (inherits(strategy, "cluster")) setdiff(names(formals(new_cluster_backend)), c("launcher", "...", "reuse")),
    unlist(lapply(starters, function(f) names(formals(f)))))
}

# ---- Reading what plan() was given ----

# `multisession(workers = 2)` names a strategy with arguments; any other expression is evaluated.
read_strategy <- function(expr, envir) {
  if (is.symbol(expr) && !exists(as.character(expr), envir = envir)) stop_unknown_plan(as.character(expr))
  if (is.symbol(expr) || !is_strategy_call(expr, envir)) return(eval(expr, envir))
  tweak_strategy(as_strategy(eval(expr[[1L]], envir), envir), lapply(as.list(expr)[-1L], eval, envir))
}

is_strategy_call <- function(expr, envir) {
  head <- expr[[1L]]
  if (is.symbol(head)) {
    head <- get0(as.character(head), envir, mode = "function")
  } else if (is.call(head) && as.character(head[[1L]])[1L] %in% c("::", ":::")) {
    head <- eval(head, envir)
  }
  inherits(head, "future")
}

# A list of strategies that have the call attached, from one strategy or a list of them.
plan_strategies <- function(strategy, tweaks, call, envir) {
  stack <- if (is.list(strategy)) strategy else list(strategy)
  if (!length(stack)) invalid_argument("a plan must have at least one strategy", stack)
  strategies <- lapply(stack, function(s) {
    s <- tweak_strategy(as_strategy(s, envir), tweaks)
    if (is.null(attr(s, "call", exact = TRUE))) attr(s, "call") <- call
    class(s) <- setdiff(class(s), "FutureStrategy")
    s
  })
  new_plan_list(strategies)
}

new_plan_list <- function(strategies) {
  structure(strategies, class = c("avenir_plan_list", "FutureStrategyList", "list"))
}

# One of our strategies, from a strategy of ours or of future's, its name ("pkg::name" too), or what
# describe_strategy() made of it.
as_strategy <- function(x, envir) {
  if (inherits(x, "avenir_strategy")) return(x)
  if (is.character(x) && length(x) == 1L) return(named_strategy(x, envir))
  if (inherits(x, "future")) x <- describe_strategy(x)
  if (is.list(x) && is.character(x$strategy)) {
    strategy <- tweak_strategy(named_strategy(x$strategy, envir), x$tweaks)
    attr(strategy, "call") <- x$call
    return(strategy)
  }
  invalid_argument("a plan must be a strategy such as sequential or multisession, or its name", x)
}

named_strategy <- function(name, envir) {
  own <- switch(sub("^(avenir|future)::", "", name), sequential = sequential, multisession = multisession,
                multicore = multicore, cluster = cluster)
  if (!is.null(own)) return(own)
  parts <- strsplit(name, "::", fixed = TRUE)[[1L]]
  if (length(parts) == 2L && requireNamespace(parts[1L], quietly = TRUE)) envir <- getNamespace(parts[1L])
  found <- get0(parts[length(parts)], envir, mode = "function")
  if (!inherits(found, "avenir_strategy")) stop_unknown_plan(name)
  found
}

stop_unknown_plan <- function(name) {
  text <- "No such backend for futures: %s.\ni Plans are sequential, multisession, multicore and cluster."
  stop_avenir(sprintf(text, sQuote(name)), "avenir_invalid_argument")
}

# A strategy as plain data, for a worker that must not load the package to read it.
describe_strategy <- function(strategy) {
  list(strategy = strategy_name(strategy), tweaks = attr(strategy, "tweaks", exact = TRUE),
       call = attr(strategy, "call", exact = TRUE))
}

# ---- The stack ----

# `levels`: one environment for each level of the stack, with its strategy and, once needed, its backend.
# Futures evaluated in this session see the tail of it (enter_next_level()). `first`: the levels that the
# session started with. `pid`: the process that made the backends.
plan_state <- new.env(parent = emptyenv())

new_level <- function(strategy, below) {
  list2env(list(strategy = strategy, below = below, backend = NULL), parent = emptyenv())
}

new_levels <- function(strategies) {
  described <- lapply(strategies, describe_strategy)
  levels <- lapply(seq_along(strategies), function(i) new_level(strategies[[i]], described[-seq_len(i)]))
  stats::setNames(levels, names(strategies))
}

plan_levels <- function() {
  if (is.null(plan_state$levels)) {
    plan_state$levels <- plan_state$first <- new_levels(default_strategies())
    plan_state$pid <- Sys.getpid()
  }
  plan_state$levels
}

# What a session starts with: option "future.plan", in a worker the rest of the stack it was given.
default_strategies <- function() {
  strategy <- getOption("avenir.plan", getOption("future.plan", sequential))
  plan_strategies(strategy, list(), quote(plan(sequential)), globalenv())
}

# The level below the last. One for all: its backend has no state.
sequential_level <- function() {
  if (is.null(plan_state$sequential)) {
    strategies <- plan_strategies(sequential, list(), quote(plan(sequential)), baseenv())
    plan_state$sequential <- new_levels(strategies)
  }
  plan_state$sequential
}

plan_list <- function() new_plan_list(lapply(plan_levels(), function(level) level$strategy))

# Sets new strategies in force unless they are already. The first backend is started before the one in force
# is ended: when that fails the plan stays. Returns the strategies before, invisibly.
set_plan <- function(strategies, cleanup = NA, init = TRUE, temporary = FALSE) {
  before <- plan_list()
  levels_before <- plan_levels()
  if (temporary) attr(before, "levels") <- levels_before
  note_environment_variables()
  if (same_strategies(strategies, before)) return(invisible(before))
  assert_allowed(strategies)
  levels <- new_levels(strategies)
  ends <- !temporary && !isFALSE(cleanup)
  if (init) level_backend(levels[[1L]], if (ends) levels_before[[1L]])
  if (ends) close_levels(levels_before)
  plan_state$levels <- levels
  plan_state$pid <- Sys.getpid()
  invisible(before)
}

same_strategies <- function(a, b) {
  key <- function(strategies) lapply(strategies, function(s) list(strategy_name(s), as.list(formals(s))))
  isTRUE(all.equal(key(a), key(b)))
}

assert_allowed <- function(strategies) {
  names <- vapply(strategies, strategy_name, "")
  refused <- intersect(names, getOption("future.plan.disallow"))
  if (!length(refused)) return(invisible())
  text <- "plan(%s) is not allowed here: option `future.plan.disallow` lists it.\ni Use another plan."
  stop(future_error(sprintf(text, refused[1L])))
}

close_levels <- function(levels) {
  for (level in levels) {
    if (!is.null(level$backend)) backend_close(level$backend)
    level$backend <- NULL
  }
}

# For workers, after each task: a plan that the task has set ends with it.
reset_worker_plan <- function() {
  if (identical(plan_state$levels, plan_state$first)) return(invisible())
  close_levels(plan_state$levels)
  plan_state$levels <- plan_state$first
}

# The session's plan is given up, as when the package is unloaded or R ends.
forget_plan <- function() {
  levels <- plan_state$levels
  plan_state$levels <- NULL
  if (identical(plan_state$pid, Sys.getpid())) close_levels(levels)
}

# ---- Words ----

is_plan_word <- function(x) {
  is.character(x) && length(x) == 1L && x %in% c("next", "list", "tail", "backend", "default", "reset", "pop")
}

plan_word <- function(word, cleanup, init) {
  switch(if (is.null(word)) "next" else word,
    "next" = with_strategy_class(plan_levels()[[1L]]$strategy),
    list = plan_list(),
    tail = new_plan_list(unclass(plan_list())[-1L]),
    backend = current_backend(),
    default = set_plan(plan_strategies(getOption("future.plan", sequential), list(), quote(plan("default")),
                                       globalenv()), cleanup, init),
    reset = reset_plan(cleanup),
    pop = pop_plan()
  )
}

with_strategy_class <- function(strategy) {
  class(strategy) <- c("FutureStrategy", class(strategy))
  strategy
}

reset_plan <- function(cleanup) {
  if (!isFALSE(cleanup)) close_levels(plan_levels())
  plan_state$levels <- sequential_level()
  plan_list()
}

pop_plan <- function() {
  before <- plan_list()
  levels <- plan_levels()[-1L]
  plan_state$levels <- if (length(levels)) levels else sequential_level()
  before
}

# ---- Backends ----

# The backend in force. In a process that a user forked from this one the workers are not ours to use.
current_backend <- function() {
  levels <- plan_levels()
  if (plan_state$pid != Sys.getpid()) return(forked_backend())
  level_backend(levels[[1L]])
}

forked_backend <- function() {
  message("avenir: in a forked process the plan is sequential.")
  plan_state$levels <- sequential_level()
  plan_state$pid <- Sys.getpid()
  current_backend()
}

# `before`: a level that ends; its workers are taken over when they are of the same kind.
level_backend <- function(level, before = NULL) {
  if (!is.null(level$backend)) return(level$backend)
  same <- !is.null(before) && strategy_name(before$strategy) == strategy_name(level$strategy)
  level$backend <- make_backend(level$strategy, level$below, if (same) before$backend)
  if (identical(level$backend, before$backend)) before$backend <- NULL
  level$backend
}

make_backend <- function(strategy, below, reuse = NULL) {
  arguments <- as.list(formals(strategy))
  arguments <- arguments[setdiff(names(arguments), c("...", "envir"))]
  arguments <- lapply(arguments, eval, environment(strategy))
  if (!is.null(reuse)) arguments$reuse <- reuse
  delayedAssign("cores", availableCores())
  plan_state$count_cores <- function() cores
  on.exit(plan_state$count_cores <- NULL)
  backend <- do.call(attr(strategy, "factory"), arguments, quote = TRUE)
  backend$below <- below
  backend$early_signal <- isTRUE(arguments$earlySignal)
  backend$max_size <- arguments$maxSizeOfObjects
  backend
}

# Counted once while a backend is made: that takes milliseconds.
counted_cores <- function() if (is.null(plan_state$count_cores)) availableCores() else plan_state$count_cores()

# One worker is this session itself, unless it is asked for as I(1).
start_multisession <- function(workers, ..., split = FALSE) {
  exact <- inherits(workers, "AsIs")
  workers <- check_workers(workers, "multisession")
  if (workers == 1L && !exact) return(new_sequential_backend(split = split))
  if (!exact) check_load(workers)
  new_multisession_backend(workers, ...)
}

# Where forking is not safe (RStudio, or switched off) the plan is sequential; parallelly says so once.
start_multicore <- function(workers, ..., split = FALSE) {
  exact <- inherits(workers, "AsIs")
  workers <- check_workers(workers, "multicore")
  if (!parallelly::supportsMulticore(warn = TRUE)) return(new_sequential_backend(split = split))
  if (workers == 1L && !exact) return(new_sequential_backend(split = split))
  if (!exact) check_load(workers)
  new_multicore_backend(workers, ...)
}

# A number, or "localhost" as often as there are to be workers: the engine's own workers on this machine. Names of
# other machines, and what a launcher describes: nodes there.
start_cluster <- function(workers, persistent = FALSE, user = NULL, revtunnel = NA, rshopts = character(),
                          rscript = NULL, interrupts = FALSE, ..., reuse = NULL) {
  workers <- cluster_workers(workers, user = user, revtunnel = revtunnel, options = rshopts, rscript = rscript)
  if (inherits(workers, "avenir_workers")) return(new_cluster_backend(workers, interrupts = interrupts, ...))
  if (inherits(reuse, "cluster_backend")) reuse <- NULL
  backend <- new_multisession_backend(check_workers(workers, "cluster"), interrupts = interrupts, ..., reuse = reuse)
  backend$future_classes <- c("ClusterFuture", "MultiprocessFuture")
  backend
}

# A number of workers on this machine, or a launcher; `...`: for workers_ssh().
cluster_workers <- function(workers, ...) {
  if (is.function(workers)) workers <- workers()
  if (inherits(workers, "cluster")) return(workers_of_cluster(workers))
  if (!is.character(workers)) return(workers)
  if (!length(workers) || anyNA(workers)) {
    invalid_argument("`workers` of plan(cluster) must be a number or names of machines", workers)
  }
  here <- c("localhost", "127.0.0.1", "::1", this_host())
  if (all(workers %in% here)) length(workers) else workers_ssh(workers, ...)
}

# More workers than cores warn, more than three times as many are an error; option
# "parallelly.maxWorkers.localhost" sets both limits.
check_load <- function(workers) {
  cores <- counted_cores()
  limits <- rep_len(getOption("parallelly.maxWorkers.localhost", c(1, 3)), 2L)
  load <- workers / cores
  if (load > limits[2L]) {
    stop_avenir(load_message(workers, cores, "hard", limits[2L]), "avenir_invalid_argument")
  }
  if (load > limits[1L]) warn_avenir(load_message(workers, cores, "soft", limits[1L]))
}

load_message <- function(workers, cores, kind, limit) {
  text <- paste0("%d workers on %d available cores (per %s) are a load of %.0f%%; the %s limit is %.0f%%.",
                 "\ni Use I(%d) for as many, or set option `parallelly.maxWorkers.localhost`.")
  sprintf(text, workers, cores, sQuote(names(cores)), 100 * workers / cores, kind, 100 * limit, workers)
}

# ---- Nesting ----

# Futures evaluated in this session see the rest of the stack. Returns what leave_level() needs.
enter_next_level <- function() {
  levels <- plan_levels()
  plan_state$levels <- if (length(levels) > 1L) levels[-1L] else sequential_level()
  list(before = levels, entered = plan_state$levels)
}

# The same for good, in a process forked for one task. The backends of the levels belong to the process that made them.
enter_fork <- function() {
  enter_next_level()
  for (level in plan_state$levels) level$backend <- NULL
  plan_state$pid <- Sys.getpid()
}

# A plan that was set meanwhile ends with the future that set it.
leave_level <- function(levels) {
  if (!identical(plan_state$levels, levels$entered)) close_levels(plan_state$levels)
  plan_state$levels <- levels$before
}

# The options by which a worker learns the rest of the stack.
nested_plan_options <- function(backend) if (length(backend$below)) list(avenir.plan = backend$below)

# ---- with(plan(...), ...) ----

# TRUE when plan() is the first argument of with(): frame `n` is plan()'s.
called_by_with <- function(n) n > 1L && identical(sys.function(n - 1L), base::with)

#' @export
with.avenir_plan_list <- function(data, expr, ..., local = FALSE, envir = parent.frame()) {
  undo <- undo_plan(data)
  if (!local) {
    on.exit(undo())
    return(invisible(expr))
  }
  if (!missing(expr)) invalid_argument("`expr` must not be given with `local = TRUE`", substitute(expr))
  do.call(base::on.exit, list(as.call(list(undo)), add = TRUE), envir = envir)
  invisible(data)
}

# A function that brings the plan before back. In with(plan(...), ...) that plan's levels come along in
# `data`, its workers alive; otherwise `data` is a stack that is to be in force for a while.
undo_plan <- function(data) {
  before <- attr(data, "levels", exact = TRUE)
  if (is.null(before)) before <- attr(set_plan(data, temporary = TRUE), "levels")
  force(before)
  function() {
    if (!identical(plan_state$levels, before)) close_levels(plan_state$levels)
    plan_state$levels <- before
  }
}

# ---- Looking at plans ----

#' @method all.equal avenir_plan_list
#' @export
all.equal.avenir_plan_list <- function(target, current, ...) {
  if (same_strategies(target, current) && identical(names(target), names(current))) return(TRUE)
  "The plans differ"
}

#' @export
print.avenir_strategy <- function(x, ...) {
  cat(sprintf("%s:\n%s\n", strategy_name(x), paste0("- ", strategy_facts(x), collapse = "\n")))
  invisible(x)
}

#' @export
print.avenir_plan_list <- function(x, ...) {
  cat("List of future strategies:\n")
  for (i in seq_along(x)) {
    cat(sprintf("%d. %s:\n%s\n", i, strategy_name(x[[i]]),
                paste0("   - ", strategy_facts(x[[i]]), collapse = "\n")))
  }
  invisible(x)
}

strategy_facts <- function(strategy) {
  arguments <- trimws(utils::head(deparse(args(strategy), width.cutoff = 500L), -1L))
  call <- deparse(attr(strategy, "call", exact = TRUE), width.cutoff = 500L)
  c(paste("args:", paste(arguments, collapse = " ")), paste("tweaked:", inherits(strategy, "tweaked")),
    paste("call:", paste(call, collapse = "")))
}

#' The number of workers
#'
#' @param evaluator A strategy or backend; `NULL` for the plan in force.
#' @param background `TRUE` counts only workers other than this session.
#' @param ... Not used.
#' @return One integer.
#' @examples
#' nbrOfWorkers()
#' nbrOfFreeWorkers()
#' @export
nbrOfWorkers <- function(evaluator = NULL) {
  if (is.null(evaluator)) return(backend_workers(current_backend()))
  if (inherits(evaluator, "avenir_backend")) return(backend_workers(evaluator))
  if (is.function(evaluator) && !inherits(evaluator, "avenir_strategy")) return(foreign_workers(evaluator))
  strategy <- as_strategy(evaluator, parent.frame())
  if (!inherits(strategy, "multiprocess")) return(1L)
  workers <- eval(formals(strategy)$workers, environment(strategy))
  if (strategy_name(strategy) == "cluster") workers <- cluster_workers(workers)
  if (inherits(workers, "avenir_workers")) launch_size(workers) else check_workers(workers, strategy_name(strategy))
}

# Of a strategy that somebody else has made: any number, unless it has an argument that says so.
foreign_workers <- function(strategy) {
  workers <- formals(strategy)$workers
  if (is.null(workers)) return(Inf)
  workers <- eval(workers, environment(strategy))
  if (is.function(workers)) workers <- workers()
  if (is.character(workers)) length(workers) else check_workers(workers, class(strategy)[1L])
}

#' @rdname nbrOfWorkers
#' @export
nbrOfFreeWorkers <- function(evaluator = NULL, background = FALSE, ...) {
  check_flag(background, "background")
  backend <- if (is.null(evaluator)) current_backend() else evaluator
  if (inherits(backend, "sequential_backend")) return(if (background) 0L else 1L)
  if (inherits(backend, "avenir_backend")) backend_free(backend) else nbrOfWorkers(backend)
}

#' Make workers as new
#'
#' For scripts that call it, as future's tests do: workers are as new after each future anyhow.
#'
#' @param x A plan or backend.
#' @param ... Not used.
#' @return `x`, invisibly.
#' @seealso [workers]
#' @examples
#' resetWorkers(plan())
#' @export
resetWorkers <- function(x, ...) invisible(x)
