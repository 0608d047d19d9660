test_that("maps of some elements leave the others as they are", {
  x <- list(a = 1, b = "s", c = 3)
  expect_identical(future_map_if(x, is.numeric, ~ .x * 2), list(a = 2, b = "s", c = 6))
  expect_identical(future_map_if(x, is.numeric, ~ .x * 2, .else = toupper), list(a = 2, b = "S", c = 6))
  expect_identical(future_map_if(1:2, c(TRUE, FALSE), ~ NULL), list(NULL, 2L))
  expect_identical(future_map_at(x, c("a", "z"), ~ 0), list(a = 0, b = "s", c = 3))
  expect_identical(future_map_at(x, c(1, 9), ~ 0), list(a = 0, b = "s", c = 3))
  expect_identical(future_map_at(x, -1, ~ 0), list(a = 1, b = 0, c = 0))
  expect_identical(future_map_at(x, ~ setdiff(.x, "a"), ~ 0), list(a = 1, b = 0, c = 0))
})

test_that("vars() chooses names", {
  skip_if_not_installed("tidyselect")
  skip_if_not_installed("dplyr")
  chosen <- dplyr::vars(tidyselect::starts_with("a"))
  expect_identical(future_map_at(list(ab = 1, cd = 2), chosen, ~ 0), list(ab = 0, cd = 2))
})

test_that("predicates and places that do not fit are refused", {
  expect_error(future_map_if(1:3, TRUE, identity), "each of 3 elements", class = "avenir_invalid_argument")
  expect_error(future_map_if(1:2, c(TRUE, NA), identity), class = "avenir_invalid_argument")
  expect_error(future_map_if(1:2, ~ "yes", identity), "single TRUE or FALSE", class = "avenir_invalid_argument")
  expect_error(future_map_if(1:2, ~ c(TRUE, FALSE), identity), class = "avenir_invalid_argument")
  expect_error(future_map_if(1:2, NULL, identity), "`.p` must", class = "avenir_invalid_argument")
  expect_error(future_map_at(1:2, "a", identity), "named object", class = "avenir_invalid_argument")
  expect_error(future_map_at(1:2, TRUE, identity), "`.at` must", class = "avenir_invalid_argument")
  expect_error(future_map_at(1:2, NA_real_, identity), class = "avenir_invalid_argument")
})
