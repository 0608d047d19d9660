# Row 2: three different tasks at once, the means of 1e8 normal, gamma and uniform numbers, with 3 workers.
#   Rscript row-02-three-tasks.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 1e5 else 1e8
workers <- workers_for(3)
plan(multisession, workers = workers)
team <- start_peers(workers, "n")

# A seed that is the whole state of the generator is taken as it is: each task has a stream of its own.
seeds <- next_streams(3, seed = 2)

# As avenir does, for serial R and for the peers: the generator is set, then the task is done.
drawn_from <- function(seed, task) {
  assign(".Random.seed", seed, envir = globalenv())
  task()
}
tasks <- list(function() mean(rnorm(n)), function() mean(rgamma(n, shape = 2)), function() mean(runif(n)))

sides <- list(
  serial = function() Map(drawn_from, seeds, tasks),
  avenir = function() {
    normal <- future(mean(rnorm(n)), seed = seeds[[1]])
    gamma <- future(mean(rgamma(n, shape = 2)), seed = seeds[[2]])
    uniform <- future(mean(runif(n)), seed = seeds[[3]])
    value(list(normal, gamma, uniform))
  },
  mcparallel = function() {
    started <- Map(function(seed, task) parallel::mcparallel(drawn_from(seed, task)), seeds, tasks)
    unname(parallel::mccollect(started))
  },
  clusterMap = function() parallel::clusterMap(team$cluster, drawn_from, seeds, tasks),
  future = function() {
    started <- list(future::future(mean(rnorm(n)), seed = seeds[[1]]),
                    future::future(mean(rgamma(n, shape = 2)), seed = seeds[[2]]),
                    future::future(mean(runif(n)), seed = seeds[[3]]))
    future::value(started)
  })
if (quick || !has("future")) sides$future <- NULL
measured <- measure(sides)
stop_peers(team)
plan(sequential)

means <- unlist(measured$values$avenir)
cat("Means of normal, gamma(2) and uniform numbers:", format(means, digits = 4), "\n")
checks <- c("a mean is not near 0, 2 or 0.5" = all(abs(means - c(0, 2, 0.5)) < 10 * c(1, sqrt(2), 1) / sqrt(n)))
show_times(measured)
report(2, sprintf("means of %g normal, gamma and uniform numbers", n), measured, workers, checks)
