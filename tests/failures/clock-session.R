# A session whose clocks are somebody's to set (libfaketime) while it works. Run by clock.R; arguments: the case's
# folder, the plan, the file with the clocks' offset, the offsets that it sets one after the other.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "session.R"))
suppressPackageStartupMessages(library(avenir))

arguments <- commandArgs(TRUE)
clock <- arguments[3L]
offsets <- arguments[-(1:3)]

# Read anew at each call: all processes have it at once.
set_clock <- function(offset) {
  writeLines(offset, paste0(clock, "-part"))
  file.rename(paste0(clock, "-part"), clock)
}

# Seconds that nobody can set.
system_seconds <- function() as.numeric(sub(" .*$", "", readLines("/proc/uptime")))

# Sys.sleep() goes by the wall's clock.
pause <- function(seconds) {
  until <- system_seconds() + seconds
  while (system_seconds() < until) NULL
}

within <- function(seconds, from, to) seconds >= from && seconds < to

plan_starts$sequential()
expected <- work()
leave("ready", Sys.getpid())

# Each jump comes in the middle of a map.
map_with_jump <- function(offset) {
  values <- future_lapply(1:40, function(i) {
    if (i == 10L) set_clock(offset)
    pause(0.02)
    draw(i)
  }, future.seed = 7)
  identical(values, expected$drawn)
}

# So does one in the middle of what a limit ends after two seconds.
limit_with_jump <- function(offset) {
  begin <- system_seconds()
  stuck <- function(i) {
    if (i == 1L) set_clock(offset)
    while (TRUE) 1
  }
  class <- tryCatch(future_lapply(1:2, stuck, future.timeout = 2), error = class)
  list(class = "FutureTimeoutError" %in% class, seconds = system_seconds() - begin)
}

wait_with_jump <- function(offset) {
  begin <- system_seconds()
  asked <- future(pause(1))
  set_clock(offset)
  value(asked)
  system_seconds() - begin
}

begin <- system_seconds()
plan_starts[[arguments[2L]]]()
right <- identical(work(), expected)
start <- system_seconds() - begin
seen <- list(c(`the first work is right` = right, `the plan starts in time` = start < 30))
for (offset in offsets) {
  map <- map_with_jump(offset)
  limit <- limit_with_jump("+0")
  limit_back <- limit_with_jump(offset)
  waited <- wait_with_jump("+0")
  seen <- c(seen, list(c(
    `the map is right` = map,
    `the limit ends what it is for` = limit$class && limit_back$class,
    `the limit is of two seconds` = within(limit$seconds, 1.9, 15) && within(limit_back$seconds, 1.9, 15),
    `a future is waited for` = within(waited, 0.5, 15))))
}
plan_starts$sequential()
leave("seen", seen)
leave("done")
