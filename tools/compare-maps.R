# Random calls of avenir's maps beside those of future.apply and furrr, on whatever versions of these a library has:
#
#   Rscript tools/compare-maps.R [--calls=1000] [--seed=N] [--plans=sequential,multisession] [--library=FOLDER]
#                                [--lib=FOLDER]
#
# `--library`: where their packages are, for instance the newest ones, built outside the repository; `--lib`: where
# avenir is. Half of the calls are future.apply's, half furrr's. Prints the versions, the seed and every call whose
# value or whose generator's next draw differs; the last line counts. Status 1 when a call differs.

option_value <- function(name, default = NULL) {
  found <- grep(sprintf("^--%s=", name), commandArgs(TRUE), value = TRUE)
  if (length(found)) sub("^[^=]*=", "", found[[1L]]) else default
}

.libPaths(c(option_value("library"), option_value("lib"), .libPaths()))
library(avenir)
for (helper in c("plans", "random-calls")) source(sprintf("tests/testthat/helper-%s.R", helper))

compare <- function(calls, package, plan_name) {
  set_plan_of(conformance_plans()[[plan_name]])
  on.exit(plan(sequential))
  same <- vapply(seq_along(calls), function(i) {
    expected <- suppressWarnings(evaluate_call(calls[[i]], package))
    got <- suppressWarnings(evaluate_call(calls[[i]], "avenir"))
    if (identical(got, expected)) return(TRUE)
    cat(sprintf("call %d, %s, plan %s: %s\n", i, package, plan_name, deparse1(calls[[i]])))
    cat("  expected ", deparse1(expected), "\n  got      ", deparse1(got), "\n", sep = "")
    FALSE
  }, NA)
  sum(!same)
}

versions <- vapply(c("future", "future.apply", "furrr", "purrr"), function(p) as.character(packageVersion(p)), "")
seed <- as.integer(option_value("seed", varied_seed()))
half <- as.integer(option_value("calls", "1000")) %/% 2L
plans <- strsplit(option_value("plans", "sequential,multisession"), ",", fixed = TRUE)[[1L]]
cat(paste(names(versions), versions), sep = ", ")
cat(sprintf("\nseed %d, %d calls, plans %s\n", seed, 2L * half, toString(plans)))
differing <- 0
for (name in plans) {
  differing <- differing + compare(calls_from(seed, half, random_apply_call), "future.apply", name)
  differing <- differing + compare(calls_from(seed, half, random_furrr_call), "furrr", name)
}
compared <- 2L * half * length(plans)
cat(sprintf("%d passed, %d failed\n", compared - differing, differing))
quit(status = as.integer(differing > 0))
