# What the session of a chaos run does (see chaos.R): maps with streams, one after the other, while somebody kills its
# workers; each must give the numbers of serial R to the bit. Twice, after `steady` and after `seconds`, it asks for
# peace and notes what it holds.

folder <- Sys.getenv("AVENIR_FAULT_FOLDER")
spec <- readRDS(file.path(folder, "spec.rds"))
sys.source(file.path(spec$scripts, "rig.R"), globalenv())

mark <- function(name, value = TRUE) {
  saveRDS(value, file.path(folder, "part"))
  file.rename(file.path(folder, "part"), file.path(folder, name))
}

# About a millisecond. The value has the state of the generator in it.
element <- function(i) {
  work <- sum(sqrt(runif(20000)))
  list(i, work, rnorm(2), get(".Random.seed", globalenv()))
}

# The states of n elements by base R: each draws from the first substream of its stream.
element_states <- function(n, seed) {
  before <- RNGkind("L'Ecuyer-CMRG")
  on.exit(RNGkind(before[1L]))
  set.seed(seed)
  step <- function(state, i) parallel::nextRNGStream(state)
  streams <- Reduce(step, seq_len(n - 1L), get(".Random.seed", globalenv()), accumulate = TRUE)
  lapply(streams, parallel::nextRNGSubStream)
}

serial_values <- function(n, seed) {
  states <- element_states(n, seed)
  lapply(seq_len(n), function(i) {
    assign(".Random.seed", states[[i]], envir = globalenv())
    element(i)
  })
}

chaotic_values <- function(n, seed) avenir::future_lapply(seq_len(n), element, future.seed = seed, future.retries = 5)

engine_workers <- function() avenir:::cpp_engine_workers(avenir::plan("backend")$engine)

# All that is under way is over: every worker there and idle; of forks, none left.
settle <- function() {
  wanted <- if (spec$strategy == "multicore") 0L else spec$workers
  within_time(function() {
    workers <- engine_workers()
    nrow(workers) == wanted && all(workers$state == "idle")
  }, 30)
}

held <- function() {
  for (i in 1:3) gc()
  links <- suppressWarnings(Sys.readlink(list.files("/proc/self/fd", full.names = TRUE)))
  pages <- as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1L]][2L])
  list(resident = pages * 4096, descriptors = sum(!grepl("^/proc/", links)),
       segments = sum(grepl("memfd:", links)) + length(shared_segments()))
}

# The killer stops, and counts the processes.
rest <- function(name) {
  mark(paste0(name, ".wish"))
  within_time(function() file.exists(file.path(folder, paste0(name, ".peace"))), 30)
  settled <- settle()
  mark(paste0(name, ".held"), c(held(), settled = settled))
  within_time(function() file.exists(file.path(folder, paste0(name, ".go"))), 30)
}

main <- function() {
  suppressPackageStartupMessages(library(avenir))
  seeds <- spec$seed + seq_len(4L)
  expected <- lapply(seeds, serial_values, n = spec$elements)
  plan(spec$strategy, workers = I(spec$workers))
  stopifnot(identical(chaotic_values(spec$elements, seeds[1L]), expected[[1L]]))
  mark("pid", Sys.getpid())
  begun <- seconds_now()
  maps <- wrong <- 0
  rests <- c(steady = spec$steady, end = spec$seconds)
  while (length(rests)) {
    k <- maps %% length(seeds) + 1L
    maps <- maps + 1
    wrong <- wrong + !identical(chaotic_values(spec$elements, seeds[k]), expected[[k]])
    gc()  # or R's own heap grows and shrinks by more than is looked for
    if (seconds_now() - begun < rests[1L]) next
    rest(names(rests)[1L])
    rests <- rests[-1L]
  }
  mark("result", list(maps = maps, wrong = wrong))
}

main()
