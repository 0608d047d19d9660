# Row 5A: folds within methods, as one flat map over all pairs and as a map within a map, with a plan of two levels.
#   Rscript row-05a-nested.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

# Polynomials of which degree? 10-fold cross-validation of each, with resampled errors.
n <- if (quick) 200 else 3000
folds <- 10
methods <- list(straight = 1, parabola = 2, cubic = 3, wiggly = 12)
resamples <- if (quick) 5 else 200
set.seed(1)
x <- runif(n)
y <- sin(6 * x) + rnorm(n, sd = 0.3)
fold <- sample(rep(seq_len(folds), length.out = n))

# The error of predicting fold k from bootstrap samples of the other folds: its mean and standard deviation.
fold_error <- function(degree, k) {
  others <- which(fold != k)
  errors <- replicate(resamples, {
    rows <- sample(others, replace = TRUE)
    fit <- lm.fit(outer(x[rows], 0:degree, "^"), y[rows])
    mean((y[fold == k] - outer(x[fold == k], 0:degree, "^") %*% fit$coefficients)^2)
  })
  c(mean(errors), sd(errors))
}

# Pair i is fold k of method m, and draws from stream i whoever evaluates it.
pairs <- expand.grid(k = seq_len(folds), m = seq_along(methods))
seeds <- element_streams(nrow(pairs), seed = 5)
pair_error <- function(i) fold_error(methods[[pairs$m[i]]], pairs$k[i])
seeded_pair <- function(i) {
  assign(".Random.seed", seeds[[i]], envir = globalenv())
  pair_error(i)
}
pairs_of <- function(m) which(pairs$m == m)

# Two levels: so many methods at a time, and the folds of each among `inner` workers.
workers <- workers_for(4)
outer_workers <- max(1L, workers %/% 2L)
inner <- workers %/% outer_workers
two_levels <- list(tweak(multisession, workers = I(outer_workers)), tweak(multisession, workers = I(inner)))

nested <- function() {
  by_method <- future_lapply(seq_along(methods), function(m) {
    future_lapply(pairs_of(m), pair_error, future.seed = seeds[pairs_of(m)])
  }, future.seed = NULL)
  unlist(by_method, recursive = FALSE)
}

all_pairs <- seq_len(nrow(pairs))
flat <- function() future_lapply(all_pairs, pair_error, future.seed = seeds)

plan(multisession, workers = workers)
team <- start_peers(workers, c("x", "y", "fold", "resamples", "methods", "pairs", "seeds", "fold_error", "pair_error"))
sides <- list(
  serial = function() lapply(all_pairs, seeded_pair),
  avenir = flat,
  mclapply = function() parallel::mclapply(all_pairs, seeded_pair, mc.cores = workers),
  parLapply = function() parallel::parLapply(team$cluster, all_pairs, seeded_pair),
  future.apply = function() future.apply::future_lapply(all_pairs, pair_error, future.seed = seeds))
if (quick || !has("future.apply")) sides$future.apply <- NULL
flattened <- measure(sides)
one_level <- nested()  # the inner maps are sequential

plan(two_levels)
sides <- list(
  serial = sides$serial,
  avenir = nested,
  mclapply = function() {
    by_method <- parallel::mclapply(seq_along(methods), mc.cores = outer_workers, FUN = function(m) {
      parallel::mclapply(pairs_of(m), seeded_pair, mc.cores = inner)
    })
    unlist(by_method, recursive = FALSE)
  })
in_two_levels <- measure(sides)
stop_peers(team)
plan(sequential)

means <- tapply(vapply(flattened$values$avenir, `[`, 0, 1), names(methods)[pairs$m], mean)
cat("Mean squared error of prediction by method:\n")
print(signif(means, 4))
show_times(flattened)
show_times(in_two_levels)
checks <- c("the nested maps of one level differ" = identical(one_level, flattened$values$serial))
report("5A", sprintf("%d folds x %d methods, flattened", folds, length(methods)), flattened, workers, checks)
report("5A", sprintf("%d folds x %d methods, nested (%d x %d workers)", folds, length(methods), outer_workers, inner),
       in_two_levels, workers)
