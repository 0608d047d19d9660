# Each scenario in its quick variant, as tools/scenarios.sh runs it: in a clean R session, with a time limit.
run_scenario <- function(name, variables = character()) {
  script <- system.file("scenarios", paste0(name, ".R"), package = "avenir", mustWork = TRUE)
  environment <- c(paste0("R_LIBS=", paste(.libPaths(), collapse = ":")), "R_TESTS=", variables)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--no-save", shQuote(script), "--quick"),
                           stdout = TRUE, stderr = TRUE, env = environment, timeout = 300))
}

expect_scenario <- function(name, variables = character()) {
  said <- run_scenario(name, variables)
  expect_null(attr(said, "status"), info = paste(said, collapse = "\n"))
  lines <- strsplit(grep("^scenario\t", said, value = TRUE), "\t")
  expect_gt(length(lines), 0)
  expect_identical(lengths(lines), rep(9L, length(lines)))
  expect_identical(vapply(lines, `[`, "", 9), rep("yes", length(lines)))
}

test_that("row 1A, a random forest in parts and one with threads of its own, gives serial R's numbers", {
  skip_if_not_installed("randomForest")
  expect_scenario("row-01a-forest")
})

test_that("row 1B, crossprod() and chol(), gives the same factors on workers and any number of BLAS threads", {
  expect_scenario("row-01b-crossprod")
})

test_that("row 1B is the same with an OpenBLAS that uses OpenMP", {
  paths <- paste(file.path(R.home(), "lib"), blas_folder("openblas-openmp"), sep = ":")
  expect_scenario("row-01b-crossprod", paste0("R_LD_LIBRARY_PATH=", paths))
})

test_that("row 1C, a product of floats, is base R's", {
  expect_scenario("row-01c-product")
})

test_that("row 1D, fused expressions, gives base R's numbers", {
  expect_scenario("row-01d-fused")
})

test_that("row 2, three different tasks, gives serial R's numbers", {
  expect_scenario("row-02-three-tasks")
})

test_that("row 3, cross-validation of a random forest, gives serial R's numbers", {
  skip_if_not_installed("randomForest")
  expect_scenario("row-03-cross-validation")
})

test_that("row 4, uneven tasks, gives serial R's numbers", {
  expect_scenario("row-04-uneven-tasks")
})

test_that("row 5A, folds and methods, gives serial R's numbers flattened and nested", {
  expect_scenario("row-05a-nested")
})

test_that("row 6: one vector for all workers, without copies", {
  expect_scenario("row-06-one-vector")
})

test_that("row 7, replicates with streams, gives the same numbers under every plan", {
  expect_scenario("row-07-replicates")
})

test_that("row 9, words and pi, gives serial R's numbers", {
  expect_scenario("row-09-words-pi")
})

test_that("row 10, a sum of random numbers, gives serial R's number on threads and on workers", {
  expect_scenario("row-10-sum")
})

test_that("row 11, a sort on threads and by recursive tasks, gives serial R's order", {
  expect_scenario("row-11-sort")
})

test_that("row 12, MASS::geyser, finds its package and its global", {
  skip_if_not_installed("MASS")
  expect_scenario("row-12-geyser")
})

test_that("the main job gives serial R's numbers under every plan", {
  skip_if_not_installed("randomForest")
  skip_if_not_installed("MASS")
  said <- run_scenario("main-job")
  expect_null(attr(said, "status"), info = paste(said, collapse = "\n"))
  expect_match(said, "All numbers are identical", all = FALSE)
})
