# The workers of the plan in force: what they are, more of them, fewer.

#' The workers of the plan
#'
#' `plan_workers()` lists the workers of the plan in force. `plan_grow()` has more of them, `plan_shrink()` fewer.
#'
#' @details
#' Under `plan(multicore)` the workers are the forks that there are at the moment. What is known of workers on other
#' machines is what their node said last: at least every `heartbeat` seconds (see [plan()]), and less often of a node
#' that has much to answer. Workers of which their node has said nothing yet have `NA` there.
#'
#' `plan_grow()` returns at once, and the workers take part when they are ready, also in what has begun. On this machine
#' it adds workers under the limits of [plan()]; `I(n)` asks for as many all the same. With [workers_slurm()] (with `n`)
#' and [workers_command()] it starts another array of jobs, whatever the `max` of `n = c(min, max)` is. The hosts of
#' [workers_ssh()], an allocation of Slurm and a cluster object of parallel are what they are: set the plan again with
#' others.
#'
#' `plan_shrink()` lets workers end when they have done what they are doing: nothing is lost. On this machine all
#' workers are alike: as many as there are `ids` end, those first that have nothing to do. On other machines a node
#' ends with all its workers, and a message says so when some of them were not named. One worker stays in any case.
#'
#' Both last until the plan changes. To set the same plan again changes nothing.
#'
#' @param n How many more.
#' @param ids Workers: of column `id` of `plan_workers()`.
#' @return `plan_workers()`: a data frame with one row for each worker.
#' \describe{
#' \item{`id`}{its name in this plan, a string; `"3/1"` is worker 1 of node 3}
#' \item{`node`}{the number of its node; `NA` on this machine}
#' \item{`host`, `pid`}{where it runs}
#' \item{`state`}{`"starting"`, `"idle"`, `"busy"`, `"waiting"` (a fork, for its turn), `"leaving"` (with its node, when
#'   that has done what it has), `"ending"`}
#' \item{`tasks`}{how many futures and elements it has answered; `NA` for this session}
#' \item{`memory`}{bytes in use, memory that it shares with others included; `NA` where the system does not say}
#' }
#' `plan_grow()` and `plan_shrink()`: the number of workers that the plan has from now on, invisibly.
#' @section Errors:
#' A plan that cannot grow or shrink: class `avenir_unsupported_error`. `n` that is no whole number from 1, too many
#' workers for this machine, `ids` that are none, all of them: class `avenir_invalid_argument`.
#' @seealso [plan()], [nbrOfWorkers()]
#' @examples
#' plan(sequential)
#' plan_workers()
#'
#' \donttest{
#' plan(multisession, workers = I(2))
#' future_sapply(1:4, sqrt)
#' plan_workers()
#' plan_grow(I(1))
#' plan_shrink(plan_workers()$id[1])
#' nbrOfWorkers()
#' plan(sequential)
#' }
#' @export
plan_workers <- function() backend_list(current_backend())

#' @rdname plan_workers
#' @export
plan_grow <- function(n) invisible(backend_grow(current_backend(), check_more(n)))

#' @rdname plan_workers
#' @export
plan_shrink <- function(ids) {
  backend <- current_backend()
  workers <- plan_workers()
  invisible(backend_shrink(backend, workers[workers$id %in% check_ids(ids, workers, backend), ]))
}

# I(n) stays what it is.
check_more <- function(n) {
  if (is_number(unclass(n)) && n >= 1 && n == floor(n) && n <= 1e6) return(n)
  invalid_argument("`n` must be a whole number from 1: how many workers more", n)
}

check_ids <- function(ids, workers, backend) {
  if (inherits(backend, "sequential_backend")) return(ids)
  known <- is.atomic(ids) && length(ids) && !anyNA(ids)
  unknown <- if (known) setdiff(as.character(ids), workers$id)
  if (known && !length(unknown)) return(as.character(ids))
  remedy <- if (nrow(workers)) paste("Workers now:", toString(workers$id, width = 200L)) else "There are none now."
  invalid_argument("`ids` must be workers of the plan (column `id` of plan_workers())", if (known) unknown else ids,
                   remedy)
}

# ---- Methods. `workers`: rows of backend_list(). ----

backend_list <- function(backend) UseMethod("backend_list")

# Both return the number of workers from now on.
backend_grow <- function(backend, n) UseMethod("backend_grow")
backend_shrink <- function(backend, workers) UseMethod("backend_shrink")

worker_rows <- function(id, node, host, pid, state, tasks, memory) {
  data.frame(id = as.character(id), node = as.integer(node), host = as.character(host), pid = as.integer(pid),
             state = as.character(state), tasks = as.double(tasks), memory = as.double(memory))
}

#' @export
backend_list.sequential_backend <- function(backend) {
  pid <- Sys.getpid()
  worker_rows(1L, NA, this_host(), pid, "idle", NA, cpp_resident_memory(pid))
}

#' @export
backend_list.multisession_backend <- function(backend) local_rows(backend)

#' @export
backend_list.multicore_backend <- function(backend) local_rows(backend)

local_rows <- function(backend) {
  workers <- cpp_engine_workers(backend$engine)
  workers <- workers[workers$node == 0L, ]
  pid <- ifelse(workers$pid > 0L, workers$pid, NA_integer_)
  worker_rows(workers$id, rep(NA, nrow(workers)), rep(this_host(), nrow(workers)), pid, workers$state, workers$answers,
              cpp_resident_memory(pid))
}

#' @export
backend_list.cluster_backend <- function(backend) {
  nodes <- cpp_cluster_nodes(backend$engine)
  nodes <- nodes[nodes$state %in% c("ready", "leaving"), ]
  told <- cpp_cluster_workers(backend$engine)
  rows <- lapply(seq_len(nrow(nodes)), function(i) node_rows(nodes[i, ], told[told$node == nodes$node[i], ]))
  none <- worker_rows(character(), integer(), character(), integer(), character(), double(), double())
  do.call(rbind, c(list(none), rows))
}

# The workers of a node that has said nothing of them yet are known by their number only.
node_rows <- function(node, told) {
  if (!nrow(told)) {
    unknown <- rep(NA, node$workers)
    told <- data.frame(id = seq_len(node$workers), pid = unknown, state = "starting", answers = unknown, memory = 0)
  }
  state <- if (node$state == "leaving") rep("leaving", nrow(told)) else told$state
  worker_rows(paste0(node$node, "/", told$id), rep(node$node, nrow(told)), rep(node$host, nrow(told)),
              ifelse(told$pid > 0L, told$pid, NA), state, told$answers, ifelse(told$memory > 0, told$memory, NA))
}

# ---- Workers of this machine ----

#' @export
backend_grow.multisession_backend <- function(backend, n) resize_checked(backend, n)

#' @export
backend_grow.multicore_backend <- function(backend, n) resize_checked(backend, n)

#' @export
backend_shrink.multisession_backend <- function(backend, workers) shrink_local(backend, workers)

# Forks come and go; what there is less of is their turns.
#' @export
backend_shrink.multicore_backend <- function(backend, workers) shrink_local(backend, workers)

resize_checked <- function(backend, n) {
  total <- backend$workers + as.integer(n)
  if (!inherits(n, "AsIs")) check_load(total)
  resize_local(backend, total)
}

# One that ends has given up its place already.
shrink_local <- function(backend, workers) {
  count <- sum(workers$state != "ending")
  if (count >= backend$workers) stop_last_worker(backend)
  resize_local(backend, backend$workers - count)
}

resize_local <- function(backend, workers) {
  options <- backend$options
  options$workers <- as.integer(workers)
  options$threads <- worker_threads(workers)
  resize_backend(backend, options)$workers
}

stop_last_worker <- function(backend) {
  invalid_argument("`ids` must leave one worker", sprintf("all %d of them", as.integer(backend$workers)),
                   "plan(sequential) ends them all.")
}

# ---- Nodes ----

# TRUE when a launcher can start more than what it was made for.
launch_grows <- function(x) UseMethod("launch_grows")

#' @export
launch_grows.default <- function(x) FALSE

#' @export
launch_grows.avenir_workers_slurm <- function(x) !in_allocation(x)

#' @export
launch_grows.avenir_workers_command <- function(x) TRUE

#' @export
backend_grow.cluster_backend <- function(backend, n) {
  if (!launch_grows(backend$launcher)) {
    text <- paste0("plan_grow(): these workers cannot become more:\n", paste(format(backend$launcher), collapse = "\n"),
                   "\ni Set the plan again with all that there are to be.")
    stop_avenir(text, "avenir_unsupported_error")
  }
  launch_nodes(backend, as.integer(n))
  backend$workers
}

#' @export
backend_shrink.cluster_backend <- function(backend, workers) {
  all <- plan_workers()
  leaving <- all[all$node %in% workers$node & all$state != "leaving", ]
  if (all(all$state[!all$node %in% workers$node] == "leaving")) stop_last_worker(backend)
  tell_whole_nodes(leaving, workers)
  for (node in unique(leaving$node)) cpp_cluster_remove(backend$engine, node)
  backend$discounted <- c(backend$discounted, unique(leaving$node))
  backend$workers <- backend$workers - nrow(leaving)
  backend$workers
}

tell_whole_nodes <- function(leaving, named) {
  others <- setdiff(leaving$id, named$id)
  if (!length(others)) return(invisible())
  message("plan_shrink(): a node ends with all its workers, so these end, too: ", toString(others, width = 200L))
}

# ---- Plans without workers ----

#' @export
backend_grow.sequential_backend <- function(backend, n) stop_no_workers("plan_grow")

#' @export
backend_shrink.sequential_backend <- function(backend, workers) stop_no_workers("plan_shrink")

stop_no_workers <- function(name) {
  text <- paste0("%s(): the plan is sequential: it has no workers but this session.\ni These plans have: ",
                 "plan(multisession, workers = 2), plan(multicore, workers = 2), plan(cluster, workers = ...).")
  stop_avenir(sprintf(text, name), "avenir_unsupported_error")
}
