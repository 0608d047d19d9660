test_that("the bar grows from nothing to all", {
  expect_identical(nchar(progress_line(0, 10, 80)), nchar(progress_line(10, 10, 80)))
  symbols <- function(done) nchar(gsub("[^-\u2500]", "", progress_line(done, 10, 80)))
  expect_identical(symbols(0), 0L)
  expect_identical(symbols(5) * 2L, symbols(10))
})

test_that("`.progress` is shown on standard error up to the end, and changes nothing", {
  output <- in_child("plan(multisession, workers = I(1))
    sink(stderr())
    bar <- textConnection('shown', 'w', local = TRUE)
    values <- future_map_int(1:250, ~ .x, .progress = TRUE)
    failed <- tryCatch(future_map_int(1:3, ~ stop('no'), .progress = TRUE), error = conditionMessage)
    mark('result', list(values, failed))")
  expect_identical(output, list(1:250, "no"))
})

test_that("a job tells how many elements are over, in steps of a hundredth", {
  local_plan("multisession", workers = I(1))
  seen <- numeric()
  options <- furrr_map_options("future_map", furrr_options(), globalenv())
  options$progress <- function(done) seen <<- c(seen, done)
  policy <- new_fault_policy(0, Inf, "stop")
  chunks <- new_chunking(1, NULL, FALSE)
  values <- map_elements(1:1000, identity, list(), list(form = "map", type = "list"), options, chunks, policy)
  expect_identical(values, as.list(1:1000))
  expect_identical(seen, 10 * (1:100))
})

test_that("something that is not TRUE or FALSE is no `.progress`", {
  for (bad in list(NA, "yes", c(TRUE, FALSE), NULL)) {
    expect_error(future_map(1, identity, .progress = bad), "single logical", class = "avenir_invalid_argument")
  }
})
