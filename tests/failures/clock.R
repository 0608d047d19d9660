# Clocks that are set: the wall's jumps by hours and days, to and fro, while a plan starts, maps run, limits count and
# futures are waited for. All must be right and in time by a clock that nobody sets; also where the monotonic clock is
# another from the start, and where it jumps ahead: then what is too late for it may end, by a classed error.
#
#   Rscript clock.R [--plans=sequential,multisession,multicore,cluster]
#
# Needs libfaketime. Prints Markdown; status 1 when anything is not as it must be.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "support.R"))

faketime <- Sys.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[1L]

jumps <- list(`the wall, an hour` = c("+1h", "-1h"), `the wall, days` = c("+3d", "-40d"),
              `the wall, years` = c("+20y", "-20y"))

variables <- function(clock, monotonic) {
  c(LD_PRELOAD = faketime, FAKETIME_TIMESTAMP_FILE = clock, FAKETIME_NO_CACHE = "1",
    FAKETIME_DONT_FAKE_MONOTONIC = if (monotonic) "0" else "1", DONT_FAKE_MONOTONIC = if (monotonic) "0" else "1",
    FAKETIME_DONT_RESET = "1")
}

run_case <- function(plan, offsets, first = "+0", monotonic = FALSE) {
  clock <- tempfile("clock-")
  writeLines(first, clock)
  case <- start_case(file.path(here, "clock-session.R"), c(plan, clock, offsets), variables(clock, monotonic))
  on.exit(end_case(case))
  if (!await_ready(case)) return(paste("did not start:", utils::tail(said(case), 1L)))
  if (!wait_for(function() !is_alive(case$pid), 150)) return("hangs")
  if (!has_word(case, "seen")) return(paste("died:", paste(utils::tail(said(case), 2L), collapse = " ")))
  seen <- unlist(get_word(case, "seen"))
  c(unique(names(seen)[!seen]), if (!none_left(case$mark, 10)) "processes are left")
}

bad <- FALSE
row <- function(what, plan, expr) {
  begin <- seconds_now()
  words <- expr
  bad <<- bad || length(words) > 0L
  table_row(c(what, plan, if (length(words)) paste0("**", words, "**", collapse = "; ") else "as it must be",
              sprintf("%.1f", seconds_now() - begin)))
}

table_head(c("clock", "plan", "outcome", "seconds"))
for (plan in strsplit(argument("plans", "sequential,multisession,multicore,cluster"), ",", fixed = TRUE)[[1L]]) {
  for (name in names(jumps)) row(name, plan, run_case(plan, jumps[[name]]))
  row("both, another day from the start", plan, run_case(plan, character(), "-2d", monotonic = TRUE))
}
if (bad) quit(status = 1L)
