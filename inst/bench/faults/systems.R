# What the faults are tried on: avenir's plans and their peers, each by the functions that a user calls.
#
# start(workers): outside all timing; map(x, f, arguments): the values of f for x, on those workers; `arguments` are for
# avenir only.

avenir_system <- function(strategy) {
  list(
    ours = TRUE,
    start = function(workers) {
      suppressPackageStartupMessages(library(avenir))
      plan(strategy, workers = I(workers), interrupt_grace = of_size(full = 2, small = 0.3))
      value(future(1))
    },
    map = function(x, f, arguments = list()) do.call(future_lapply, c(list(x, f), arguments))
  )
}

future_system <- function(strategy) {
  list(
    ours = FALSE, needs = c("future", "future.apply"),
    start = function(workers) {
      future::plan(strategy, workers = workers)
      future::value(future::future(1))
    },
    map = function(x, f, arguments) future.apply::future_lapply(x, f)
  )
}

mclapply_system <- list(
  ours = FALSE, needs = "parallel",
  start = function(workers) options(mc.cores = workers),
  map = function(x, f, arguments) parallel::mclapply(x, f)
)

psock_system <- list(
  ours = FALSE, needs = "parallel",
  start = function(workers) options(faults.cluster = parallel::makeCluster(workers)),
  map = function(x, f, arguments) parallel::parLapply(getOption("faults.cluster"), x, f)
)

mirai_system <- list(
  ours = FALSE, needs = "mirai",
  start = function(workers) mirai::daemons(workers),
  map = function(x, f, arguments) mirai::mirai_map(x, f)[]
)

all_systems <- function() {
  list(
    `avenir multisession` = avenir_system("multisession"),
    `avenir multicore` = avenir_system("multicore"),
    `future multisession` = future_system("multisession"),
    `future multicore` = future_system("multicore"),
    mclapply = mclapply_system,
    parLapply = psock_system,
    mirai = mirai_system
  )
}

is_installed <- function(system) all(vapply(as.character(system$needs), requireNamespace, NA, quietly = TRUE))
