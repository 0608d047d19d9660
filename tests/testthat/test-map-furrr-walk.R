for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  local_test("walks do their work and return what they walk over, invisibly", {
    expect_output(expect_invisible(got <- future_walk(c(a = 1, b = 2), cat)), "12")
    expect_identical(got, c(a = 1, b = 2))
    expect_output(expect_identical(future_walk2(1:2, 3:4, ~ cat(.x, .y, "")), 1:2), "1 3 2 4 ")
    expect_output(expect_identical(future_pwalk(list(1:2, 3:4), ~ cat(..2)), list(1:2, 3:4)), "34")
    expect_output(expect_identical(future_iwalk(c(a = 1), ~ cat(.y)), c(a = 1)), "a")
  })

  plan(sequential)
}

test_that("what `.f` returns in a walk does not come back", {
  local_plan("multisession", workers = I(1))
  unreadable <- function(i) structure(i, class = "x", self = function() stop("value"))
  collected <- NULL
  expect_no_error(future_walk(1:2, unreadable))
  expect_no_warning(future_walk(1, function(i) methods::new("externalptr")))
})
