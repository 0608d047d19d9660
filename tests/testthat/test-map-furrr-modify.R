test_that("modify keeps type, class and attributes", {
  expect_identical(future_modify(c(a = 1, b = 2), ~ .x * 2), c(a = 2, b = 4))
  expect_identical(future_modify(matrix(1:4, 2), ~ .x + 1L), matrix(2:5, 2))
  expect_identical(future_modify(data.frame(u = 1:2, v = 3:4), rev), data.frame(u = 2:1, v = 4:3))
  expect_identical(future_modify(as.Date("2020-01-01"), ~ .x + 1), as.Date("2020-01-02"))
  expect_identical(future_modify(list(a = 1), ~ "x"), list(a = "x"))
  expect_identical(future_modify(pairlist(a = 1), ~ .x + 1), pairlist(a = 2))
  expect_identical(future_modify(1i, Conj), -1i)
})

test_that("modify_if and modify_at change some elements", {
  expect_identical(future_modify_if(c(1, 2, 3), ~ .x > 1, ~ 0), c(1, 0, 0))
  expect_identical(future_modify_if(c("a", "b"), ~ .x == "a", toupper, .else = ~ "z"), c("A", "z"))
  expect_identical(future_modify_if(list(1, "a"), is.character, toupper, .else = ~ 0), list(0, "A"))
  expect_identical(future_modify_at(c(a = TRUE, b = TRUE), "b", ~ !.x), c(a = TRUE, b = FALSE))
  expect_identical(future_modify_at(list(1, 2), 2, ~ "b"), list(1, "b"))
})

test_that("bare vectors take no values of another type", {
  expect_error(future_modify(1:2, ~ "a"), "Can't coerce from a string to an integer", class = "avenir_value_error")
  expect_error(future_modify_at(c("a", "b"), 1, ~ 1), "In index: 1", class = "avenir_value_error")
})

test_that("methods for other classes are found", {
  registerS3method("future_modify", "avenir_test_class", function(.x, .f, ...) "mine", asNamespace("avenir"))
  expect_identical(future_modify(structure(1, class = "avenir_test_class"), identity), "mine")
})
