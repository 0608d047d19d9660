# Chaos: a session runs maps whose tasks take about a millisecond (chaos-session.R) while a random worker of it is
# killed every `every` seconds, from outside. Sourced after rig.R.

# `steady`: the second from which on nothing may grow. Gives list(maps, wrong = maps unlike serial R, kills, before and
# after: what was held at `steady` and at the end, ended = "value", "hangs" or "died").
run_chaos <- function(strategy, seconds, seed, steady = seconds / 6, workers = 2L, elements = 400L, every = 0.1,
                      tools = fault_tools()) {
  case <- new_case(strategy, character(), deadline = 120, tools = tools)
  on.exit(close_case(case))
  spec <- list(strategy = strategy, seconds = seconds, steady = steady, seed = seed, workers = workers,
               elements = elements, scripts = tools$scripts)
  saveRDS(spec, file.path(case$folder, "spec.rds"))
  start_session(case, script = "chaos-session.R")
  set.seed(seed)
  case$kills <- 0L
  rests <- list(before = "steady", after = "end")
  seen <- lapply(rests, function(rest) if (kill_until(case, rest, every, seconds + 60)) observe_rest(case, rest))
  result <- await_mark(case, "result", 30)
  if (is.character(result)) return(list(ended = result, kills = case$kills, said = said_by(case)))
  c(list(ended = "value", kills = case$kills), result, seen)
}

# Kills until the session wishes to rest; FALSE when it does not within `seconds`, or is gone.
kill_until <- function(case, rest, every, seconds) {
  deadline <- seconds_now() + seconds
  wish <- paste0(rest, ".wish")
  while (!has_mark(case, wish)) {
    if (!is_alive(case$pid) || seconds_now() > deadline) return(FALSE)
    case$kills <- case$kills + kill_one(case)
    Sys.sleep(every)
  }
  TRUE
}

# 1, or 0 when there is no worker at the moment.
kill_one <- function(case) {
  workers <- workers_of(case)
  if (!length(workers)) return(0L)
  as.integer(tools::pskill(workers[sample.int(length(workers), 1L)], tools::SIGKILL))
}

# Of a session with forks its children, else those of its template.
workers_of <- function(case) {
  children <- children_of(case$pid)
  if (case$system == "multicore") children else unlist(lapply(children, children_of))
}

children_of <- function(pid) {
  listed <- file.path("task", pid, "children")
  if (file.exists(file.path("/proc", pid, "stat")) && !file.exists(file.path("/proc", pid, listed))) {
    return(Filter(function(other) identical(parent_of(other), pid), as.integer(list.files("/proc", "^[0-9]+$"))))
  }
  as.integer(strsplit(trimws(rawToChar(read_proc(pid, listed))), " +")[[1L]])
}

# What the session holds when nothing is under way, and how many processes it has.
observe_rest <- function(case, rest) {
  saveRDS(TRUE, file.path(case$folder, paste0(rest, ".peace")))
  held <- await_mark(case, paste0(rest, ".held"))
  if (!is.list(held)) return(NULL)
  held$processes <- length(processes_of(case))
  saveRDS(TRUE, file.path(case$folder, paste0(rest, ".go")))
  held
}

# What a run broke of what must hold. `megabytes`: by how much a session may grow; NA: not looked at.
broken_by_chaos <- function(run, megabytes = 1) {
  if (run$ended != "value") return(paste("the session", run$ended))
  grown <- growth(run)
  held <- c(
    `workers were killed` = run$kills > 0,
    `every map gave the numbers of serial R` = run$maps > 0 && run$wrong == 0,
    `the workers were all there at rest` = isTRUE(run$before$settled) && isTRUE(run$after$settled),
    `no descriptors, processes or segments were gained` = all(grown[c("descriptors", "processes", "segments")] <= 0),
    `the session did not grow` = is.na(megabytes) || grown[["resident"]] < megabytes * 1e6)
  names(held)[!held]
}

growth <- function(run) {
  of <- function(held) unlist(held[c("resident", "descriptors", "processes", "segments")])
  of(run$after) - of(run$before)
}
