# The main job, run by `sh tools/demo.sh`: three pieces of real work on data from R's recommended packages.
#   Rscript main-job.R [--quick]
#
# Each is written once, for any plan. The script prints the answers, shows that they are the same under every
# plan, and gives the times beside serial R and beside what a user would pick instead.

library(avenir)
library(MASS)
library(randomForest)
source(system.file("scenarios", "common.R", package = "avenir"))

# 1. Cross-validation of random forests over folds x settings: is a tumour malignant, by nine marks?
tumours <- na.omit(biopsy[-1])
trees <- if (quick) 20 else 300
settings <- expand.grid(mtry = c(1, 2, 4, 8), nodesize = c(1, 20))
set.seed(2026)
folds <- sample(rep(1:10, length.out = nrow(tumours)))
jobs <- expand.grid(fold = 1:10, setting = seq_len(nrow(settings)))

forest_errors <- function(i) {
  held_out <- folds == jobs$fold[i]
  how <- settings[jobs$setting[i], ]
  train <- tumours[!held_out, ]
  fit <- randomForest(class ~ ., train, ntree = trees, mtry = how$mtry, nodesize = how$nodesize)
  truth <- tumours$class[held_out]
  wrong <- predict(fit, tumours[held_out, ]) != truth
  c(errors = sum(wrong), missed = sum(wrong & truth == "malignant"))
}

forest_table <- function(values) {
  counts <- rowsum(do.call(rbind, values), jobs$setting)
  malignant <- sum(tumours$class == "malignant")
  percent <- 100 * counts %*% diag(1 / c(nrow(tumours), malignant))
  setNames(data.frame(settings, round(percent, 2)), c("mtry", "nodesize", "wrong %", "malignant missed %"))
}

# 2. Bootstrap of a logistic regression, a stream for each resample: low birth weight and its risk factors.
resamples <- if (quick) 40 else 2000
odds_model <- low ~ age + lwt + smoke + ht + ui

resampled_odds <- function(i) {
  drawn <- birthwt[sample(nrow(birthwt), replace = TRUE), ]
  exp(coef(glm(odds_model, binomial, drawn)))
}

odds_table <- function(values) {
  fit <- glm(odds_model, binomial, birthwt)
  percentile <- apply(do.call(rbind, values), 2, quantile, c(0.025, 0.975))
  wald <- exp(confint.default(fit))
  table <- data.frame(names(coef(fit)), round(cbind(exp(coef(fit)), wald, t(percentile)), 3))
  setNames(table, c("factor", "odds ratio", "Wald 2.5 %", "97.5 %", "bootstrap 2.5 %", "97.5 %"))[-1, ]
}

# 3. The teaching example: neither the package nor the global `n` is named anywhere.
n <- nrow(geyser)
geyser_mean <- function(i) sum(geyser$duration) / n

work <- list(
  forests = list(
    title = sprintf("1. Cross-validation on MASS::biopsy, %d random forests of %d trees", nrow(jobs), trees),
    n = nrow(jobs), fun = forest_errors, seed = 1, show = forest_table),
  bootstrap = list(
    title = sprintf("2. Odds ratios for a low birth weight, MASS::birthwt, %d resamples", resamples),
    n = resamples, fun = resampled_odds, seed = 2, show = odds_table),
  geyser = list(
    title = "3. sum(geyser$duration) / n by five tasks",
    n = 5, fun = geyser_mean, seed = FALSE,
    show = function(values) data.frame(task = 1:5, mean = unlist(values))))

heading <- function(title) cat("\n", title, "\n", sep = "")

# Does one piece of work on every side and shows what avenir says.
compare <- function(job) {
  heading(job$title)
  measured <- measure(map_sides(job$n, job$fun, job$seed, team))
  print(job$show(measured$values$avenir), digits = 7, row.names = FALSE)
  measured
}

workers <- workers_for()
starting <- elapsed({ plan(multisession, workers = workers); value(future(1)) })
team <- start_peers(workers, exports = c("tumours", "trees", "settings", "folds", "jobs", "odds_model", "n"),
                    packages = c("MASS", "randomForest"))
cat(sprintf("avenir %s on %s\n", packageVersion("avenir"), R.version.string))
cat(sprintf("%d workers, the first answer %.2f s after plan(multisession)\n", nbrOfWorkers(), starting))
print(plan())

measured <- lapply(work, compare)
stop_peers(team)

heading("4. Bit for bit the numbers of serial R?")
map_all <- function(...) {
  lapply(work, function(job) future_lapply(seq_len(job$n), job$fun, future.seed = job$seed, ...))
}
plans <- under_every_plan(map_all, lapply(measured, function(m) m$values$serial), workers)
plan(sequential)
print(plans, row.names = FALSE)

heading("5. Seconds (medians of runs in turn; workers were started before)")
seconds <- t(sapply(measured, function(m) formatC(m$seconds, digits = 3, format = "fg")))
print(noquote(seconds), right = TRUE)

wrong <- c(unlist(lapply(measured, wrong_sides)), plans$plan[!plans$identical])
if (length(wrong)) stop("main job: not the numbers of serial R: ", toString(wrong))
cat("\nAll numbers are identical, under every plan and in every comparison.\n")
