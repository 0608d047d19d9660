# The testthat suite on a package that is built with gcc's address and undefined-behaviour sanitizers: no process may
# write a report, and every test passes but those of sanitized-suite.txt, which cannot.
#
#   Rscript sanitized-suite.R --preload=LIBRARY [--filter=REGEX]
#
# --preload: the runtime of the address sanitizer. Run at the top of the tree, with the package in the search path.

arguments <- commandArgs(TRUE)
option <- function(name) sub("^[^=]*=", "", grep(sprintf("^--%s=", name), arguments, value = TRUE))
source(file.path("tests", "soak", "sanitizers.R"))

folder <- tempfile("sanitized-")
dir.create(folder)
sources <- file.path("tests", "soak")
runtime <- option("preload")
check_sanitizers(runtime, sources)

log <- file.path(folder, "log")
results <- file.path(folder, "results")
words <- c(sanitizer_variables(runtime, log, sources), paste0("AVENIR_TEST_RESULTS=", results),
           "AVENIR_TEST_PATIENCE=5",
           file.path(R.home("bin"), "Rscript"), "tools/run-testthat.R", grep("^--filter=", arguments, value = TRUE))
system2("env", shQuote(words))

excused <- local({
  lines <- grep("^#|^$", readLines("tests/soak/sanitized-suite.txt"), value = TRUE, invert = TRUE)
  sub("^(.*) [|] .*$", "\\1", lines)
})
tests <- if (file.exists(results)) readRDS(results)
names <- paste(tests$file, tests$test, sep = " | ")
failed <- unique(names[tests$failed > 0 | tests$error])
reports <- sanitizer_reports(log)

cat(sanitizer_lines(log), sep = "\n")
faults <- c(
  if (is.null(tests)) "the suite did not end",
  sprintf("failed: %s", setdiff(failed, excused)),
  sprintf("excused in tests/soak/sanitized-suite.txt, but passed: %s", setdiff(intersect(names, excused), failed))
)
writeLines(faults)
cat(sprintf("%d tests, %d failed, of which %d cannot pass; %d reports of the sanitizers\n", length(unique(names)),
            length(failed), length(intersect(failed, excused)), length(reports)))
quit(status = as.integer(length(faults) > 0 || length(reports) > 0))
