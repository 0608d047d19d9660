# Starting, growing, replacing and ending workers. Each measurement has an R session of its own, in which nothing has
# run yet; packages are loaded before.

# Seconds until every worker has answered once, and of plan() alone.
start_avenir <- function(workers) {
  library(avenir)
  folder <- tempfile("meet-")
  dir.create(folder)
  plan <- elapsed(plan(multisession, workers = I(workers)))
  answers <- elapsed(pids <- unlist(value(lapply(seq_len(workers), function(i) future(meet(folder, workers))))))
  stopifnot(length(unique(pids)) == workers)
  c(plan = plan, all = plan + answers)
}

start_cluster <- function(workers) {
  loadNamespace("parallel")
  elapsed(parallel::clusterCall(parallel::makeCluster(workers), Sys.getpid))
}

start_future <- function(workers) {
  loadNamespace("future")
  options(parallelly.maxWorkers.localhost = c(1000, 1000))
  suppressWarnings(elapsed({
    future::plan(future::multisession, workers = workers)
    future::value(lapply(seq_len(workers), function(i) future::future(Sys.getpid())))
  }))
}

start_mirai <- function(workers) {
  loadNamespace("mirai")
  elapsed({
    mirai::daemons(workers)
    mirai::everywhere(Sys.getpid())[]
  })
}

# The sides of a start: functions of the number of workers, in sessions of their own.
fresh <- function(fun, workers) reports(function() in_fresh_session(fun, workers))

start_sides <- function(workers) {
  list(
    avenir = reports(function() in_fresh_session(start_avenir, workers)[["all"]]),
    makeCluster = fresh(start_cluster, workers),
    future = if_has("future", fresh(start_future, workers)),
    mirai = if_has("mirai", fresh(start_mirai, workers)),
    .R = function() bare_r_start())
}

bare_start <- function(m) m[[".R"]]
bare_start_is <- "R itself, started and ended once"

bench_row("start-2", "plan() to the first results of 2 workers", function(at) start_sides(2L), runs = 7, alone = TRUE,
          floor = bare_start, floor_is = bare_start_is,
          goals = list(goal("\u2264 1.0 \u00d7 makeCluster", function(m) m[["avenir"]] <= m[["makeCluster"]])))

bench_row("start-8", "plan() to the first results of 8 workers", function(at) start_sides(8L), runs = 5, alone = TRUE,
          floor = bare_start, floor_is = bare_start_is,
          goals = list(goal("\u2264 0.4 \u00d7 makeCluster", function(m) m[["avenir"]] <= 0.4 * m[["makeCluster"]])))

bench_row("start-plan", "plan() itself, 2 workers", function(at) {
  list(avenir = reports(function() in_fresh_session(start_avenir, 2L)[["plan"]]),
       makeCluster = reports(function() in_fresh_session(function() elapsed(parallel::makeCluster(2)))))
}, runs = 7, alone = TRUE, goals = list(goal("< 30 ms", function(m) m[["avenir"]] < 0.03)))

bench_row("start-again", "the same plan again, to the next result", function(at) {
  again <- function() {
    library(avenir)
    plan(multisession, workers = I(2))
    workers <- function() asNamespace("avenir")$cpp_engine_workers(plan("backend")$engine)$pid
    value(lapply(1:10, function(i) future(i)))
    before <- workers()
    seconds <- elapsed({
      plan(multisession, workers = I(2))
      value(future(1))
    })
    stopifnot(identical(before, workers()))
    seconds
  }
  list(avenir = reports(function() in_fresh_session(again)))
}, runs = 5, alone = TRUE, goals = list(goal("\u2264 10 ms", function(m) m[["avenir"]] < 0.01)))

bench_row("start-more", "from 2 workers to 4, to the first results of all", function(at) {
  own <- function() {
    library(avenir)
    plan(multisession, workers = I(2))
    value(future(1))
    folder <- tempfile("meet-")
    dir.create(folder)
    elapsed({
      plan(multisession, workers = I(4))
      value(lapply(1:4, function(i) future(meet(folder, 4))))
    })
  }
  cluster <- function() {
    old <- parallel::makeCluster(2)
    elapsed({
      all <- structure(c(old, parallel::makeCluster(2)), class = class(old))
      parallel::clusterCall(all, Sys.getpid)
    })
  }
  list(avenir = reports(function() in_fresh_session(own)),
       makeCluster = reports(function() in_fresh_session(cluster)))
}, runs = 5, alone = TRUE)

bench_row("start-replaced", "a killed worker's replacement is ready", function(at) {
  own <- function() {
    library(avenir)
    plan(multisession, workers = I(2))
    value(lapply(1:4, function(i) future(i)))
    workers <- function() asNamespace("avenir")$cpp_engine_workers(plan("backend")$engine)
    before <- workers()$pid
    tools::pskill(before[1L], tools::SIGKILL)
    deadline <- Sys.time() + 30
    elapsed(repeat {
      now <- workers()
      if (Sys.time() > deadline) stop("the worker was not replaced")
      if (!before[1L] %in% now$pid && sum(now$state == "idle") == 2L) break
      Sys.sleep(5e-4) # the core is the template's
    })
  }
  list(avenir = reports(function() in_fresh_session(own)))
}, runs = 9, alone = TRUE, goals = list(goal("\u2264 15 ms", function(m) m[["avenir"]] <= 0.015)))

# ---- loading -------------------------------------------------------------------------------------------------------

# Seconds of library(package) when what it imports is loaded already.
load_alone <- function(package) {
  fields <- unlist(utils::packageDescription(package, fields = c("Imports", "Depends")))
  imports <- trimws(sub("\\(.*", "", unlist(strsplit(fields[!is.na(fields)], ","))))
  for (import in setdiff(imports, "R")) loadNamespace(import)
  threads <- threads_here()
  seconds <- elapsed(library(package, character.only = TRUE))
  if (package == "avenir") stopifnot(threads_here() == threads, length(descendants()) == 0L)
  seconds
}

load_side <- function(package) if_has(package, reports(function() in_fresh_session(load_alone, package)))

bench_row("library", "library() over loading its Imports", function(at) {
  list(avenir = load_side("avenir"), future = load_side("future"), future.apply = load_side("future.apply"),
       mirai = load_side("mirai"), doParallel = load_side("doParallel"))
}, runs = 9, goals = list(goal("\u2264 30 ms", function(m) m[["avenir"]] <= 0.03)))
