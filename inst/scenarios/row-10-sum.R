# Row 10: the sum of 5e7 random numbers, drawn and added up on threads, and by workers that each take a part.
#   Rscript row-10-sum.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 1e5 else 5e7
workers <- workers_for(4)
parts <- 4 * workers
state <- first_stream(10)

# All sides draw the same numbers; only the order in which they are added differs, in the last digits.
digits <- function(total) signif(total, 12)

threads <- function() {
  x <- thread_runif(n, state)
  digits(threaded(sum(x)))
}

# Part i of the same stream: from where it begins to where the next one does.
begins <- round(seq(0, n, length.out = parts + 1))
starts <- lapply(begins[seq_len(parts)], function(k) rng_advance(state, k))
sizes <- diff(begins)
part_sum <- function(i) {
  assign(".Random.seed", starts[[i]], envir = globalenv())
  sum(runif(sizes[i]))
}

plan(multisession, workers = workers)
team <- start_peers(workers, c("starts", "sizes"))
sides <- list(
  serial = function() digits(with_rng_stream(state, sum(runif(n)))),
  avenir = function() with_cpu_threads(workers, threads()),
  `avenir's workers` = function() digits(sum(future_sapply(seq_len(parts), part_sum, future.seed = NULL))),
  mclapply = function() digits(sum(unlist(parallel::mclapply(seq_len(parts), part_sum, mc.cores = workers)))),
  parLapply = function() digits(sum(unlist(parallel::parLapply(team$cluster, seq_len(parts), part_sum)))),
  future.apply = if (!quick && has("future.apply")) function() {
    digits(sum(future.apply::future_sapply(seq_len(parts), part_sum, future.seed = NULL)))
  })
summed <- measure(Filter(Negate(is.null), sides))
stop_peers(team)
plan(sequential)

total <- summed$values$avenir
cat(sprintf("%g numbers add up to %.3f; %.3f standard deviations from n / 2\n", n, total,
            (total - n / 2) / sqrt(n / 12)))
show_times(summed)
report(10, sprintf("sum of %g random numbers", n), summed, workers,
       c("the sum is not that of uniform numbers" = abs(total - n / 2) < 6 * sqrt(n / 12),
         "the number of threads matters" = identical(with_cpu_threads(1, threads()), with_cpu_threads(7, threads()))))
