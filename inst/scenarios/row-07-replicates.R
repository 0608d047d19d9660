# Row 7: 1000 replicates of a simulation, each with its own stream; the same numbers whatever the workers.
#   Rscript row-07-replicates.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 50 else 1000
resamples <- if (quick) 19 else 199

# One replicate: a bootstrap interval for the median of a log-normal sample, whose true median is 1.
interval <- function(i) {
  x <- rlnorm(50)
  medians <- replicate(resamples, median(sample(x, replace = TRUE)))
  quantile(medians, c(0.025, 0.975), names = FALSE)
}

workers <- workers_for(4)
plan(multisession, workers = workers)
team <- start_peers(workers, "resamples")
measured <- measure(map_sides(n, interval, seed = 7, team))
stop_peers(team)
reference <- do.call(cbind, measured$values$serial)

replicates <- function(...) future_replicate(n, interval(), future.seed = 7, ...)
plans <- under_every_plan(replicates, reference, workers)
plan(sequential)

# The streams themselves: 2^127 apart, as parallel::nextRNGStream() steps, and reached in one jump.
streams <- next_streams(n, seed = 7)
checks <- c(
  "the numbers depend on the plan" = all(plans$identical),
  "rng_streams() differs from nextRNGStream()" = identical(rng_streams(n, seed = 7), streams),
  "rng_jump() misses the last stream" = identical(rng_jump(first_stream(7), n - 1), streams[[n]]),
  "jumps do not add up" = identical(rng_jump(rng_jump(streams[[n]], 1e15), 2^60), rng_jump(streams[[n]], 2^60 + 1e15)),
  "a stream is not 2^127 draws" = identical(rng_advance(streams[[1]], 2^127), streams[[2]]))

covered <- mean(reference[1, ] <= 1 & reference[2, ] >= 1)
cat(sprintf("95 %% bootstrap intervals of a median hold it in %.1f %% of %d replicates\n", 100 * covered, n))
print(plans, row.names = FALSE)
show_times(measured)
report(7, sprintf("%d replicates, each with its stream", n), measured, workers, checks)
