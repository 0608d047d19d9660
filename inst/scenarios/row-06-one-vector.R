# Row 6: 8 analyses (a mean) of one vector of 5e7 doubles, 4 workers, without needless copies.
#   Rscript row-06-one-vector.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 1e6 else 5e7
set.seed(6)
x <- rnorm(n)
analysis <- function(i) mean(x)

workers <- workers_for(4)
plan(multisession, workers = workers)
team <- start_peers(workers, "x")
options(future.globals.maxSize = Inf) # future refuses this vector otherwise

# The first map sends the vector, those that follow find it there.
first <- elapsed(future_lapply(1:8, analysis))
measured <- measure(map_sides(8, analysis, seed = FALSE, team))

# What the workers have is the vector itself: one copy for all of them, and no other.
seen <- future_sapply(seq_len(2 * workers), function(i) is_shared(x), future.packages = "avenir")
big <- future_lapply(1:4, function(i) x[seq_len(n / 4)] * i)

stop_peers(team)
plan(sequential)

cat(sprintf("8 means of a vector of %g MB; the first map, which sends it: %.3f s\n", n * 8 / 1e6, first))
show_times(measured)
report(6, sprintf("8 means of one vector of %g doubles", n), measured, workers,
       c("the workers have copies" = all(seen), "the results were copied" = is_shared(big)))
