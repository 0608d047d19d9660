# Row 1A: one model, many cores: a random forest in parts that workers grow, and by a package with threads of its own,
# in the session and inside workers.
#   Rscript row-01a-forest.R [--quick]

library(avenir)
library(randomForest)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 200 else 2000
set.seed(1)
X <- matrix(rnorm(n * 20), n, dimnames = list(NULL, paste0("x", 1:20)))
Y <- X[, 1] + sqrt(abs(X[, 2] * X[, 3])) + X[, 2] - X[, 3] + rnorm(n)

# ---- a package without threads: parts of the forest, put together ----

workers <- workers_for(8)
parts <- 4 * workers
trees <- parts * (if (quick) 5 else 125)
part <- function(i) randomForest(X, Y, ntree = trees / parts)
and_predict <- function(side) function() predict(do.call(combine, side()), X)

plan(multisession, workers = workers)
team <- start_peers(workers, c("X", "Y", "trees", "parts"), "randomForest")
grown <- measure(lapply(map_sides(parts, part, seed = 42, team), and_predict))
show_times(grown)
report("1A", sprintf("a random forest of %d trees, grown in %d parts", trees, parts), grown, workers)

# ---- a package with threads of its own: as many as there are cores in all ----

if (has("ranger")) {
  data <- data.frame(Y = Y, X)
  forest <- function(mtry, threads) {
    fit <- ranger::ranger(Y ~ ., data, num.trees = trees / 2, mtry = mtry, num.threads = threads, seed = 7)
    fit$prediction.error
  }
  outside <- measure(list(
    serial = function() forest(6, 1),
    avenir = function() forest(6, cpu_threads()),
    `ranger's default` = function() forest(6, NULL)))
  show_times(outside)
  report("1A", sprintf("ranger, %d trees, its threads in the session", trees / 2), outside, cpu_threads())

  # Several forests at a time: in a worker cpu_threads() is its share of the cores.
  tried <- seq(2, 16, 2)
  inside <- measure(list(
    serial = function() lapply(tried, forest, threads = 1),
    avenir = function() future_lapply(tried, function(mtry) forest(mtry, cpu_threads()), future.seed = NULL),
    `mclapply, ranger's default` = function() parallel::mclapply(tried, forest, threads = NULL, mc.cores = workers)))
  threads <- sum(unlist(future_lapply(seq_len(workers), function(i) cpu_threads(), future.chunk.size = 1)))
  cat(sprintf("%d workers have %d threads in all\n", workers, threads))
  show_times(inside)
  report("1A", sprintf("%d forests by ranger, its threads inside workers", length(tried)), inside, workers,
         c("the workers have more threads than there are cores" = threads <= max(workers, availableCores())))
} else {
  cat("ranger is not installed: only the forest in parts was measured\n")
}
stop_peers(team)
plan(sequential)
