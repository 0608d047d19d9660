# Row 11: 250,000 numbers sorted: on threads, and by recursive tasks, each of which hands one half to another worker.
#   Rscript row-11-sort.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 2e4 else 250000
workers <- workers_for(4)
numbers <- with_rng_stream(first_stream(11), runif(n))

# Quicksort, as the recursive task that it is: what lies below the middle is another task's, as deep as there are
# workers for.
recursive_sort <- function(x, depth) {
  if (depth == 0 || length(x) < 2) return(sort(x))
  middle <- median(x[seq_len(min(length(x), 101))])
  below <- future(recursive_sort(x[x < middle], depth - 1))
  above <- recursive_sort(x[x >= middle], depth - 1)
  c(value(below), above)
}

depth <- max(1, floor(log2(workers)))
plan(c(list(tweak(multisession, workers = workers)), rep(list(sequential), depth)))
sides <- list(
  serial = function() sort(numbers),
  avenir = function() with_cpu_threads(workers, thread_sort(numbers)),
  `avenir's recursive tasks` = function() recursive_sort(numbers, depth),
  `sort(method = "quick")` = function() sort(numbers, method = "quick"),
  mclapply = function() {
    middle <- median(numbers[1:101])
    unlist(parallel::mclapply(split(numbers, numbers >= middle), sort, mc.cores = workers), use.names = FALSE)
  })
sorted <- measure(sides)
plan(sequential)

show_times(sorted)
report(11, sprintf("sort of %g numbers", n), sorted, workers,
       c("the numbers are not in order" = !is.unsorted(sorted$values$avenir)))
