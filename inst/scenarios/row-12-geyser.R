# Row 12: sum(geyser$duration) / n in 5 tasks; package and global are found automatically.
#   Rscript row-12-geyser.R [--quick]

library(avenir)
library(MASS)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- nrow(geyser)
mean_duration <- function(i) sum(geyser$duration) / n

workers <- workers_for(5)
plan(multisession, workers = workers)
team <- start_peers(workers, "n", "MASS")
runs <- if (quick) 3 else 21
mapped <- measure(map_sides(5, mean_duration, seed = FALSE, team), runs)

# The same by hand: five futures, then their values.
sides <- list(
  serial = function() lapply(1:5, mean_duration),
  avenir = function() value(lapply(1:5, function(i) future(sum(geyser$duration) / n))),
  mcparallel = function() {
    unname(parallel::mccollect(lapply(1:5, function(i) parallel::mcparallel(mean_duration(i)))))
  },
  future = function() future::value(lapply(1:5, function(i) future::future(sum(geyser$duration) / n))))
if (quick || !has("future")) sides$future <- NULL
futures <- measure(sides, runs)

stop_peers(team)
plan(sequential)

answers <- unlist(futures$values$avenir)
cat("The five answers:", format(answers, digits = 7), "\n")
checks <- c("an answer is not 3.460814" = all(round(answers, 6) == 3.460814))
show_times(mapped)
show_times(futures)
report(12, "MASS::geyser, a map over 5 tasks", mapped, workers)
report(12, "MASS::geyser, 5 futures", futures, workers, checks)
