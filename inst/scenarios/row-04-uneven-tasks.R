# Row 4: 4 slow tasks, then 12 fast ones, 4 workers. Dealt out in advance, the slow ones meet on one worker.
#   Rscript row-04-uneven-tasks.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

sizes <- rep(if (quick) c(1e5, 1e3) else c(1e7, 1e5), c(4, 12))
slow_then_fast <- function(i) mean(lgamma(exp(rnorm(sizes[i]))))
identity_task <- function(i) i
empty_tasks <- if (quick) 100 else 1000

workers <- workers_for(4)
plan(multisession, workers = workers)
team <- start_peers(workers, "sizes")

one_at_a_time <- future_peers(16, slow_then_fast, seed = 4, scheduling = Inf)
if (length(one_at_a_time)) names(one_at_a_time) <- paste(names(one_at_a_time), "(dynamic)")
uneven <- measure(c(own_sides(16, slow_then_fast, seed = 4),
                    base_dynamic_peers(16, slow_then_fast, seed = 4, team),
                    one_at_a_time,
                    base_peers(16, slow_then_fast, seed = 4, team),
                    future_peers(16, slow_then_fast, seed = 4)))

# What one task costs in itself: every element on its own, as `future.chunk.size = 1` asks.
one_by_one <- own_sides(empty_tasks, identity_task, seed = FALSE)
one_by_one$avenir <- function() future_lapply(seq_len(empty_tasks), identity_task, future.chunk.size = 1)
empty <- measure(c(one_by_one, base_dynamic_peers(empty_tasks, identity_task, seed = FALSE, team)))

stop_peers(team)
plan(sequential)

cat("4 slow and 12 fast tasks; the last rows are the peers with batches in advance\n")
show_times(uneven)
cat(sprintf("One empty task: %.3f ms\n", 1e3 * empty$seconds[["avenir"]] / empty_tasks))
report(4, sprintf("4 slow (%g numbers), then 12 fast (%g) tasks", sizes[1], sizes[16]), uneven, workers)
report(4, sprintf("%d empty tasks, one by one", empty_tasks), empty, workers)
