test_that("an invalid argument is named, shown and comes with a remedy", {
  e <- tryCatch(check_workers(0, "multisession"), error = identity)
  expect_s3_class(e, c("avenir_invalid_argument", "avenir_error", "simpleError", "error", "condition"), exact = TRUE)
  expect_match(conditionMessage(e),
               "`workers` of plan\\(multisession\\) must be one whole number from 1; it is 0\\.")
  expect_match(conditionMessage(e), "\ni Use for instance plan", fixed = TRUE)
})

test_that("checks return what they accept", {
  expect_true(check_flag(TRUE, "x"))
  expect_identical(check_stdout(NA), NA)
  expect_identical(check_stdout(structure(TRUE, drop = TRUE)), structure(TRUE, drop = TRUE))
  expect_null(check_conditions(NULL))
  expect_identical(check_packages("stats"), "stats")
  expect_identical(check_label("a"), "a")
  expect_identical(check_workers(2, "p"), 2L)
  expect_identical(check_workers(function() 3, "p"), 3L)
  expect_identical(lapply(list(0, 3, 2L), check_retries, "x"), list(0L, 3L, 2L))
  expect_identical(lapply(list(Inf, 0.5, 2L), check_timeout, "x"), list(Inf, 0.5, 2))
  expect_identical(check_on_error(c("stop", "keep"), "x"), "stop")
  expect_identical(check_on_error("keep", "x"), "keep")
})

test_that("checks refuse what they must", {
  refused <- list(
    quote(check_flag(NA, "x")), quote(check_flag(1, "x")), quote(check_stdout("yes")),
    quote(check_stdout(c(TRUE, NA))), quote(check_conditions(NA_character_)), quote(check_conditions(1)),
    quote(check_packages("")), quote(check_label(c("a", "b"))), quote(check_workers(NA, "p")),
    quote(check_workers("x", "p")), quote(check_workers(TRUE, "p")), quote(check_workers(-1, "p")),
    quote(check_workers(Inf, "p")), quote(check_workers(c(1, 2), "p")), quote(check_on_error("ignore", "x")),
    quote(check_on_error(NULL, "x")), quote(check_on_error(NA, "x")), quote(check_on_error(c("keep", "stop"), "x"))
  )
  for (call in refused) expect_error(eval(call), class = "avenir_invalid_argument", info = deparse(call))
})

test_that("retries and time limits that make no sense are refused", {
  bad_retries <- list(-1, NA, NA_integer_, NaN, 0.5, Inf, 1e10, "1", TRUE, NULL, c(1, 2), list(1))
  for (x in bad_retries) expect_error(check_retries(x, "retries"), "^`retries` must be.*\ni retries = 2",
                                      class = "avenir_invalid_argument", info = deparse(x))
  bad_timeouts <- list(0, -1, -Inf, NA, NA_real_, NaN, "1", TRUE, NULL, c(1, 2), list(1), as.difftime("1", "%S"))
  for (x in bad_timeouts) expect_error(check_timeout(x, "timeout"), "^`timeout` must be.*\ni Inf stands",
                                       class = "avenir_invalid_argument", info = deparse(x))
})

test_that("values are shown on one short line", {
  expect_identical(show_value("a"), "\"a\"")
  expect_identical(show_value(sum), "a function")
  expect_identical(show_value(globalenv()), "an object of class `environment`")
  expect_identical(show_value(simpleCondition("m")), "an object of class `simpleCondition`, `condition`")
  expect_lte(nchar(show_value(strrep("x", 500))), 80L)
})
