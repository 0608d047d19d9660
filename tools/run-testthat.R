# The testthat suite: runs it, or reads what a run left, and holds its skips to tests/skips.txt.
#
#   Rscript tools/run-testthat.R [--lib=FOLDER] [--filter=REGEX]
#     runs the suite on the installed package
#   Rscript tools/run-testthat.R --tests=tests/cluster [--lib=FOLDER] [--filter=REGEX]
#     runs the tests of that folder, of which none may be skipped
#   Rscript tools/run-testthat.R --report=FILE
#     reads what tests/testthat.R wrote to $AVENIR_TEST_RESULTS (in any run, R CMD check's too)
#
# With $AVENIR_TEST_RESULTS the results of a run are left there too.
# The last line is `N passed, N failed, N skipped`, in expectations. Status 1 when something failed, when
# nothing passed, or (whole suite only) when the set of skips differs from tests/skips.txt.

option_value <- function(args, name) {
  found <- grep(sprintf("^--%s=", name), args, value = TRUE)
  if (length(found)) sub("^[^=]*=", "", found[1]) else NULL
}

# tests/skips.txt: `file | test | reason`, one skip a line; reasons are for the reader.
read_allowed_skips <- function(path) {
  lines <- if (file.exists(path)) trimws(sub("^#.*", "", readLines(path))) else character()
  fields <- strsplit(lines[nzchar(lines)], "[[:space:]]+[|][[:space:]]+")
  short <- lengths(fields) < 3
  if (any(short)) {
    stop("tests/skips.txt: not `file | test | reason`: ", lines[nzchar(lines)][short][1], call. = FALSE)
  }
  vapply(fields, function(field) paste(field[1], field[2], sep = " | "), "")
}

run_suite <- function(tests, lib, filter) {
  if (!is.null(lib)) .libPaths(c(normalizePath(lib), .libPaths()))
  library(avenir)
  Sys.setenv(AVENIR_BLAS_BUILDS = system2("sh", "tools/blas-builds.sh", stdout = TRUE))
  results <- testthat::test_dir(
    tests, package = "avenir", load_package = "installed",
    filter = filter, reporter = testthat::check_reporter(), stop_on_failure = FALSE
  )
  results <- as.data.frame(results)
  record <- Sys.getenv("AVENIR_TEST_RESULTS")
  if (nzchar(record)) saveRDS(results, record)
  results
}

skip_faults <- function(results, allowed) {
  skipped <- results[results$skipped, ]
  found <- paste(skipped$file, skipped$test, sep = " | ")
  c(
    sprintf("skipped, but not in tests/skips.txt: %s", setdiff(found, allowed)),
    sprintf("in tests/skips.txt, but not skipped: %s", setdiff(allowed, found))
  )
}

# Expectations: an error outside of one counts as one that failed.
count_results <- function(results) {
  failed <- sum(results$failed) + sum(results$error)
  skipped <- sum(results$skipped)
  c(passed = sum(results$passed), failed = failed, skipped = skipped)
}

report <- function(results, faults) {
  counts <- count_results(results)
  if (sum(results$warning)) cat(sprintf("%d warnings\n", sum(results$warning)))
  if (length(faults)) writeLines(faults)
  cat(sprintf("%d passed, %d failed, %d skipped\n", counts["passed"], counts["failed"], counts["skipped"]))
  quit(status = as.integer(counts["failed"] > 0 || counts["passed"] == 0 || length(faults) > 0))
}

main <- function(args) {
  recorded <- option_value(args, "report")
  filter <- option_value(args, "filter")
  tests <- option_value(args, "tests")
  folder <- if (is.null(tests)) "tests/testthat" else tests
  results <- if (is.null(recorded)) run_suite(folder, option_value(args, "lib"), filter) else readRDS(recorded)
  allowed <- if (is.null(tests)) read_allowed_skips("tests/skips.txt")
  faults <- if (is.null(filter)) skip_faults(results, allowed)
  report(results, faults)
}

main(commandArgs(trailingOnly = TRUE))
