# Row 3: 10-fold cross-validation of a random forest, n = 1000, p = 50.
#   Rscript row-03-cross-validation.R [--quick]

library(avenir)
library(randomForest)
source(system.file("scenarios", "common.R", package = "avenir"))

trees <- if (quick) 20 else 500
set.seed(1)
X <- matrix(rnorm(1000 * 50), 1000)
Y <- X[, 1] + sqrt(abs(X[, 2] * X[, 3])) + X[, 2] - X[, 3] + rnorm(1000)
folds <- sample(rep(1:10, length.out = 1000))

fold_error <- function(k) {
  held_out <- folds == k
  fit <- randomForest(X[!held_out, ], Y[!held_out], ntree = trees)
  mean((Y[held_out] - predict(fit, X[held_out, ]))^2)
}

workers <- workers_for(10)
plan(multisession, workers = workers)
team <- start_peers(workers, c("X", "Y", "folds", "trees"), "randomForest")
measured <- measure(map_sides(10, fold_error, seed = 42, team))
stop_peers(team)
plan(sequential)

errors <- unlist(measured$values$avenir)
cat(sprintf("Mean squared error of prediction %.3f (folds %.3f to %.3f); variance of Y %.3f\n",
            mean(errors), min(errors), max(errors), var(Y)))
show_times(measured)
report(3, sprintf("10-fold CV of a random forest, n = 1000, p = 50, %d trees", trees), measured, workers)
