# Shared by the scenario scripts: the sides that are compared, their times, and the line that each prints.
#
# A side is a function without arguments that does the whole work and returns its result. `serial` is plain R
# and says what is right; `avenir` is ours; every other one is a peer: what a user would pick instead.

quick <- "--quick" %in% commandArgs(trailingOnly = TRUE)

# As many of the workers that a scenario asks for as this machine has cores.
workers_for <- function(wanted = Inf) as.integer(min(wanted, availableCores()))

has <- function(package) requireNamespace(package, quietly = TRUE)

elapsed <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(Sys.time() - start, units = "secs")
}

# ---- the BLAS library --------------------------------------------------------------------------------------

# The script starts anew, with OpenBLAS, where R's own BLAS has one thread only and AVENIR_BLAS_BUILDS names a folder
# that has another one (tools/blas-builds.sh).
start_again_with_openblas <- function() {
  build <- file.path(Sys.getenv("AVENIR_BLAS_BUILDS"), "openblas-pthread")
  if (!is.na(blas_info()$setter) || !file.exists(build) || nzchar(Sys.getenv("AVENIR_STARTED_AGAIN"))) return()
  script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  paths <- paste(file.path(R.home(), "lib"), build, sep = ":")
  status <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(script), if (quick) "--quick"),
                    env = c(paste0("R_LD_LIBRARY_PATH=", paths), "AVENIR_STARTED_AGAIN=1",
                            paste0("R_LIBS=", paste(.libPaths(), collapse = ":"))))
  quit(status = status)
}

# ---- streams by base R alone -------------------------------------------------------------------------------

# The L'Ecuyer state that set.seed(seed) gives.
first_stream <- function(seed) {
  kind <- RNGkind("L'Ecuyer-CMRG")
  on.exit(RNGkind(kind[1]))
  set.seed(seed)
  .Random.seed
}

# n streams, each 2^127 steps after the one before.
next_streams <- function(n, seed) {
  step <- function(state, i) parallel::nextRNGStream(state)
  Reduce(step, seq_len(n - 1), first_stream(seed), accumulate = TRUE)
}

# The streams of elements 1..n of a map with `future.seed = seed`.
element_streams <- function(n, seed) lapply(next_streams(n, seed), parallel::nextRNGSubStream)

# `fun` as serial R and the peers without streams of their own run it: element i draws from stream i.
with_streams <- function(fun, n, seed) {
  force(fun)
  if (isFALSE(seed)) return(fun)
  streams <- element_streams(n, seed)
  function(i) {
    assign(".Random.seed", streams[[i]], envir = globalenv())
    fun(i)
  }
}

# ---- sides -------------------------------------------------------------------------------------------------

# Starts what the peers need, outside all timing. `exports` and `packages` are for parallel's cluster, which
# finds neither by itself. In a quick run the peers are those that come with R.
start_peers <- function(workers, exports = character(), packages = character()) {
  cluster <- parallel::makeCluster(workers)
  parallel::clusterExport(cluster, exports)
  for (package in packages) parallel::clusterCall(cluster, library, package, character.only = TRUE)
  if (!quick && has("future")) future::plan(future::multisession, workers = workers)
  list(workers = workers, cluster = cluster)
}

stop_peers <- function(team) {
  if (!quick && has("future")) future::plan(future::sequential)
  parallel::stopCluster(team$cluster)
}

# The map of `fun` over 1..n by the two that every comparison has. avenir needs no hint about the load.
own_sides <- function(n, fun, seed) {
  streamed <- with_streams(fun, n, seed)
  list(serial = function() lapply(seq_len(n), streamed),
       avenir = function() future_lapply(seq_len(n), fun, future.seed = seed))
}

# The same map by what comes with R: a batch for each worker.
base_peers <- function(n, fun, seed, team) {
  streamed <- with_streams(fun, n, seed)
  list(mclapply = function() parallel::mclapply(seq_len(n), streamed, mc.cores = team$workers),
       parLapply = function() parallel::parLapply(team$cluster, seq_len(n), streamed))
}

# The same map by what comes with R: one element at a time.
base_dynamic_peers <- function(n, fun, seed, team) {
  streamed <- with_streams(fun, n, seed)
  forked <- function() {
    parallel::mclapply(seq_len(n), streamed, mc.cores = team$workers, mc.preschedule = FALSE)
  }
  balanced <- function() parallel::parLapplyLB(team$cluster, seq_len(n), streamed, chunk.size = 1)
  list(`mclapply (dynamic)` = forked, parLapplyLB = balanced)
}

# The same map by those of future's relatives that are installed; scheduling = Inf: one element at a time.
future_peers <- function(n, fun, seed, scheduling = 1) {
  applied <- function() {
    future.apply::future_lapply(seq_len(n), fun, future.seed = seed, future.scheduling = scheduling)
  }
  mapped <- function() {
    options <- furrr::furrr_options(seed = seed, scheduling = scheduling)
    furrr::future_map(seq_len(n), fun, .options = options)
  }
  c(if (!quick && has("future.apply")) list(future.apply = applied),
    if (!quick && has("furrr")) list(furrr = mapped))
}

map_sides <- function(n, fun, seed, team) {
  c(own_sides(n, fun, seed), base_peers(n, fun, seed, team), future_peers(n, fun, seed))
}

# ---- times and lines ---------------------------------------------------------------------------------------

# Runs all sides in turn, `runs` times over, so that all meet the same minutes of this machine. Returns each
# side's median seconds and last value.
measure <- function(sides, runs = if (quick) 1 else 3) {
  values <- list()
  time_side <- function(side) elapsed(values[[side]] <<- sides[[side]]())
  one_run <- function(run) vapply(names(sides), time_side, 0)
  seconds <- vapply(seq_len(runs), one_run, numeric(length(sides)))
  list(seconds = apply(seconds, 1, median), values = values)
}

# The sides whose value is not, bit for bit, that of serial R.
wrong_sides <- function(measured) {
  same <- vapply(measured$values, identical, NA, measured$values$serial)
  names(same)[!same]
}

peer_seconds <- function(measured) {
  measured$seconds[!grepl("^(serial$|avenir)", names(measured$seconds))]
}

show_times <- function(measured) {
  seconds <- measured$seconds
  times <- data.frame(seconds = seconds, speed_up = seconds[["serial"]] / seconds)
  print(format(times, digits = 3))
}

# Prints a scenario's line for machines, tab separated: scenario, row, workload, workers, avenir's seconds,
# serial R's, the best peer, its seconds, yes or no. Raises an error when a side is wrong or one of `checks`
# (logical, the names say what went wrong) is FALSE.
report <- function(row, workload, measured, workers, checks = logical()) {
  wrong <- c(sprintf("%s has not the numbers of serial R", wrong_sides(measured)), names(checks)[!checks])
  peers <- peer_seconds(measured)
  if (!length(peers)) peers <- c(none = Inf)
  seconds <- formatC(c(measured$seconds[c("avenir", "serial")], min(peers)), digits = 3, format = "fg")
  verdict <- if (length(wrong)) "no" else "yes"
  fields <- c("scenario", row, workload, workers, seconds[1:2], names(which.min(peers)), seconds[3], verdict)
  cat(paste(fields, collapse = "\t"), "\n", sep = "")
  if (length(wrong)) stop("row ", row, ", ", workload, ": ", paste(wrong, collapse = "; "), call. = FALSE)
}

# ---- the same numbers under every plan ---------------------------------------------------------------------

chunkings <- list(adaptive = list(),
                  `size 1` = list(future.chunk.size = 1), `size 7` = list(future.chunk.size = 7),
                  `one chunk` = list(future.chunk.size = Inf), `2 per worker` = list(future.scheduling = 2))

# Plans to hold against each other: 0 workers (sequential), 1, 2 ... all; with all of them every chunking.
plan_settings <- function(workers) {
  fewer <- setdiff(0:min(4, workers), workers)
  rbind(data.frame(workers = fewer, chunks = "adaptive"),
        data.frame(workers = workers, chunks = names(chunkings)))
}

use_workers <- function(n) {
  if (n == 0) plan(sequential) else plan(multisession, workers = I(n))
}

# Runs map(<arguments that set the chunks>) under every plan and says where its value is `reference`.
under_every_plan <- function(map, reference, workers) {
  settings <- plan_settings(workers)
  settings$identical <- mapply(settings$workers, settings$chunks, FUN = function(n, chunks) {
    use_workers(n)
    identical(do.call(map, chunkings[[chunks]]), reference)
  })
  many <- paste("multisession, workers =", settings$workers)
  settings$plan <- ifelse(settings$workers == 0, "sequential", many)
  settings[c("plan", "chunks", "identical")]
}
