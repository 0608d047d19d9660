# The speed table's structure; its times are nobody's promise here.
run_bench <- function(...) {
  script <- system.file("bench", "run.R", package = "avenir", mustWork = TRUE)
  environment <- c(paste0("R_LIBS=", paste(.libPaths(), collapse = ":")), "R_TESTS=", "LC_ALL=C.UTF-8")
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(script), ...),
                           stdout = TRUE, stderr = TRUE, env = environment, timeout = 300))
}

cells_of <- function(line) trimws(strsplit(gsub("^[|]|[|]$", "", line), "|", fixed = TRUE)[[1]])

test_that("a quick run prints one line a row, with the best peer's name and ratio, and writes the same to a file", {
  file <- tempfile("bench-")
  on.exit(unlink(file))
  said <- run_bench("map-10k", "globals", "start-plan", "--quick", "--out", shQuote(file))
  expect_null(attr(said, "status"), info = paste(said, collapse = "\n"))
  head <- grep("^[|] row [|] workload", said)
  expect_length(head, 1)
  rows <- lapply(said[head + 2:4], cells_of)
  expect_setequal(vapply(rows, `[`, "", 1), c("map-10k", "globals", "start-plan"))
  expect_identical(lengths(rows), rep(length(cells_of(said[head])), 3))
  map <- rows[[match("map-10k", vapply(rows, `[`, "", 1))]]
  expect_true(map[4] %in% c("mclapply", "parLapply", "mirai"))
  expect_match(map[6], "^[0-9.]+ \u00d7$")
  expect_true(all(readLines(file, encoding = "UTF-8") %in% said))
})

test_that("every row has a name of its own and what it does; a row that is not there is an error", {
  listed <- run_bench("--list")
  names <- sub(" .*", "", listed)
  expect_false(anyDuplicated(names) > 0)
  expect_true(all(c("tasks-10k", "map-10k", "future-value", "start-2", "library", "uneven-sleeps") %in% names))
  expect_true(all(nchar(sub("^[^ ]* *", "", listed)) > 0))
  said <- run_bench("no-such-row")
  expect_identical(attr(said, "status"), 1L)
  expect_match(paste(said, collapse = " "), "no such row: no-such-row")
})
