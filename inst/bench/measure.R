# Rows, their sides, and how they are timed.
#
# A side is a function without arguments that does the whole work and returns its result. Names say what it is: "avenir"
# is what the row is about, "avenir ..." a variant of it, ".<name>" what only a floor or check is made of (".serial" is
# plain R, whose result all others must have), every other one a peer.
#   smaller(fun, times)  does only 1 / `times` of the work, because it is slow: its seconds are multiplied
#   reports(fun)         returns what it has measured itself (in the row's unit) instead of being timed

bench_rows <- list()

# `sides`: function(at), gives the sides (NULL: the row cannot be run here). `floor`: function(m) of the named medians,
# what is physically possible, or NULL; `floor_is` says what that is. `per`: so many operations are in a run of a side;
# times are for one. `runs`: how often in a full run. `unit`: "s", "MB", "%" or "calls". `goals`: see goal(). `alone`:
# the peers' and avenir's own workers are ended first.
bench_row <- function(name, workload, sides, floor = NULL, floor_is = "", per = function(at) 1, runs = 9, unit = "s",
                      goals = list(), alone = FALSE, results = NULL) {
  bench_rows[[name]] <<- list(name = name, workload = workload, sides = sides, floor = floor, floor_is = floor_is,
                              per = per, runs = runs, unit = unit, goals = goals, alone = alone, results = results)
}

# A promise: `holds` is a function of the named medians (NA: a peer that it needs is not here).
goal <- function(text, holds) list(text = text, holds = holds)

smaller <- function(fun, times) structure(fun, times = times)

reports <- function(fun) structure(fun, reports = TRUE)

is_own <- function(side) side == "avenir" | grepl("^avenir[ ,]", side)

is_peer <- function(side) !is_own(side) & !startsWith(side, ".")

# What sides are made from: the size of this run.
new_settings <- function(quick) {
  workers <- max(2L, min(4L, as.integer(parallelly::availableCores())))
  force(quick)
  list(quick = quick, workers = workers, size = function(full, small) if (quick) small else full)
}

elapsed <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(Sys.time() - start, units = "secs")
}

# A function that sees the global environment and nothing of ours, as a user's would.
plainly <- function(fun) {
  environment(fun) <- globalenv()
  fun
}

# ---- running a row -------------------------------------------------------------------------------------------------

# A list of results: as a rule one; rows that are scripts of their own give theirs.
run_row <- function(row, at) {
  if (row$alone) stop_peers()
  load <- load_average()
  if (!is.null(row$results)) return(lapply(row$results(at), function(r) c(r, list(row = row, load = load))))
  sides <- row$sides(at)
  if (is.null(sides)) return(list(failed_result(row, "cannot be run on this machine")))
  sides <- sides[!vapply(sides, is.null, NA)]
  warm <- lapply(sides[!vapply(sides, is_fresh, NA)], function(side) side())
  seconds <- time_in_turn(sides, runs_of(row, at)) / row$per(at)
  list(new_result(row, row$workload, seconds, wrong_sides(sides, warm), load, extrapolated(sides)))
}

runs_of <- function(row, at) if (!at$quick) row$runs else if (row$alone) 1 else min(3, row$runs)

# There is nothing to warm up.
is_fresh <- function(side) isTRUE(attr(side, "reports"))

extrapolated <- function(sides) {
  names(sides)[!vapply(sides, function(side) is.null(attr(side, "times")), NA)]
}

# Sides in the rows, runs in the columns. Every other run goes backwards: no side is always the one after another.
time_in_turn <- function(sides, runs) {
  times <- matrix(NA_real_, length(sides), runs, dimnames = list(names(sides), NULL))
  for (run in seq_len(runs)) {
    order <- if (run %% 2) names(sides) else rev(names(sides))
    for (side in order) times[side, run] <- time_side(sides[[side]])
  }
  times
}

time_side <- function(side) {
  gc(FALSE)
  times <- attr(side, "times")
  (if (is_fresh(side)) side() else elapsed(side())) * if (is.null(times)) 1 else times
}

# Sides at full size whose result is not that of plain R.
wrong_sides <- function(sides, values) {
  if (is.null(values$.serial)) return(character())
  compared <- vapply(sides, function(side) !is_fresh(side) && is.null(attr(side, "times")), NA)
  compared <- Filter(function(name) !startsWith(name, "."), names(sides)[compared])
  compared[!vapply(values[compared], identical, NA, values$.serial)]
}

new_result <- function(row, workload, seconds, wrong, load, extrapolated = character(), floor = NULL) {
  medians <- apply(seconds, 1L, stats::median)
  if (is.null(floor) && !is.null(row$floor)) floor <- row$floor(medians)
  list(row = row, workload = workload, seconds = seconds, medians = medians, wrong = wrong, load = load,
       extrapolated = extrapolated, floor = floor)
}

failed_result <- function(row, reason) list(row = row, workload = row$workload, failed = reason)

is_right <- function(result) is.null(result$failed) && !length(result$wrong)

# ---- fresh sessions ------------------------------------------------------------------------------------------------

# Calls fun(...) in an R session of its own, which knows this file's functions and those of the file `known`. `prefix`:
# a command to start it by, such as "taskset -c 0".
in_fresh_session <- function(fun, ..., prefix = NULL, seconds = 120, known = NULL) {
  folder <- tempfile("fresh-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  files <- file.path(folder, c("call", "value", "said"))
  saveRDS(list(fun = plainly(fun), arguments = list(...), sources = file.path(bench_folder, c(fresh_sources, known))),
          files[1L])
  code <- sprintf("x <- readRDS('%s'); for (f in x$sources) source(f); v <- do.call(x$fun, x$arguments);
                   saveRDS(v, '%s')", files[1L], files[2L])
  command <- sprintf("%s timeout %d %s --vanilla -e %s > %s 2>&1", paste(prefix, collapse = " "), seconds,
                     file.path(R.home("bin"), "Rscript"), shQuote(gsub("\n *", " ", code)), files[3L])
  if (system(command) != 0L || !file.exists(files[2L])) {
    stop("a fresh session failed: ", paste(readLines(files[3L], warn = FALSE), collapse = " / "))
  }
  readRDS(files[2L])
}

fresh_sources <- c("measure.R", "machine.R")

# Ends when `number` processes have called it with the same folder; the caller's pid.
meet <- function(folder, number) {
  file.create(file.path(folder, Sys.getpid()))
  deadline <- Sys.time() + 60
  while (length(list.files(folder)) < number && Sys.time() < deadline) Sys.sleep(0.002)
  Sys.getpid()
}
