# The peers' processes. Each is started when a side first asks for it, and lives on for the rows after.

has <- function(package) requireNamespace(package, quietly = TRUE)

# The side, when all packages that it needs are here. Those that take long to start or to do a thing sit quick runs out.
if_has <- function(packages, side) {
  if (at_quick && !all(packages %in% quick_peers)) return(NULL)
  if (all(vapply(packages, has, NA))) side
}

quick_peers <- c("avenir", "globals", "mirai")
at_quick <- FALSE # run.R says

peer_state <- new.env()

use_avenir <- function(workers) {
  if (!identical(peer_state$avenir, workers)) avenir::plan(avenir::multisession, workers = I(workers))
  peer_state$avenir <- workers
}

use_cluster <- function(workers) {
  if (is.null(peer_state$cluster)) peer_state$cluster <- parallel::makeCluster(workers)
  peer_state$cluster
}

use_future <- function(workers) {
  if (is.null(peer_state$future)) future::plan(future::multisession, workers = workers)
  peer_state$future <- TRUE
}

use_mirai <- function(workers) {
  if (is.null(peer_state$mirai)) mirai::daemons(workers)
  peer_state$mirai <- TRUE
}

use_foreach <- function(workers) {
  doParallel::registerDoParallel(use_cluster(workers))
  peer_state$foreach <- TRUE
}

stop_peers <- function() {
  if (!is.null(peer_state$avenir)) avenir::plan(avenir::sequential)
  if (!is.null(peer_state$foreach)) foreach::registerDoSEQ()
  if (!is.null(peer_state$cluster)) parallel::stopCluster(peer_state$cluster)
  if (!is.null(peer_state$future)) future::plan(future::sequential)
  if (!is.null(peer_state$mirai)) mirai::daemons(0)
  rm(list = ls(peer_state), envir = peer_state)
}

peer_packages <- c("future", "future.apply", "furrr", "foreach", "doParallel", "mirai", "nanonext")

# ---- the same map by each of them ----------------------------------------------------------------------------------

# A map of `fun` over `x` by all that can do it. `one_by_one`: each element is a task of its own. `share`: named, the
# slow ones do only one in so many elements.
map_sides <- function(x, fun, at, one_by_one = FALSE, share = c()) {
  sides <- c(list(.serial = function(x) lapply(x, fun)), own_maps(fun, at, one_by_one), base_maps(fun, at, one_by_one),
             future_maps(fun, at, one_by_one), other_maps(fun, at))
  sides <- sides[!vapply(sides, is.null, NA)]
  stats::setNames(lapply(names(sides), function(name) over(sides[[name]], x, share[name])), names(sides))
}

# The side for elements `x`, or for a share of them.
over <- function(map, x, times) {
  force(map)
  if (is.na(times) || is.null(times)) return(function() map(x))
  x <- x[seq_len(max(1, length(x) %/% times))]
  smaller(function() map(x), times)
}

own_maps <- function(fun, at, one_by_one) {
  map <- if (one_by_one) {
    function(x) { use_avenir(at$workers); avenir::future_lapply(x, fun, future.chunk.size = 1) }
  } else {
    function(x) { use_avenir(at$workers); avenir::future_lapply(x, fun) }
  }
  list(avenir = map)
}

base_maps <- function(fun, at, one_by_one) {
  workers <- at$workers
  if (one_by_one) {
    return(list(
      mclapply = function(x) parallel::mclapply(x, fun, mc.cores = workers, mc.preschedule = FALSE),
      parLapplyLB = function(x) parallel::parLapplyLB(use_cluster(workers), x, fun, chunk.size = 1)))
  }
  list(mclapply = function(x) parallel::mclapply(x, fun, mc.cores = workers),
       parLapply = function(x) parallel::parLapply(use_cluster(workers), x, fun))
}

future_maps <- function(fun, at, one_by_one) {
  scheduling <- if (one_by_one) Inf else 1
  applied <- function(x) {
    use_future(at$workers)
    future.apply::future_lapply(x, fun, future.scheduling = scheduling)
  }
  mapped <- function(x) {
    use_future(at$workers)
    furrr::future_map(x, fun, .options = furrr::furrr_options(scheduling = scheduling))
  }
  list(future.apply = if_has("future.apply", applied), furrr = if_has("furrr", mapped))
}

# These have no batches: each element is a task.
other_maps <- function(fun, at) {
  each <- function(x) {
    use_foreach(at$workers)
    `%dopar%` <- foreach::`%dopar%`
    foreach::foreach(i = x, .export = "fun") %dopar% fun(i)
  }
  mapped <- function(x) {
    use_mirai(at$workers)
    mirai::mirai_map(x, fun)[]
  }
  force(fun)
  list(foreach = if_has(c("foreach", "doParallel"), each), mirai = if_has("mirai", mapped))
}
