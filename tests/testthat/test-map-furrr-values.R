test_that("values turn into another type only where nothing is lost", {
  expect_identical(future_map_dbl(list(TRUE, 2L, 3, NA), identity), c(1, 2, 3, NA))
  expect_identical(future_map_int(list(TRUE, 2L, 3, NA_real_), identity), c(1L, 2L, 3L, NA))
  expect_identical(future_map_lgl(list(TRUE, 0L, 1, NA_real_), identity), c(TRUE, FALSE, TRUE, NA))
  expect_identical(future_map_chr(list("a", NA), identity), c("a", NA))
  expect_identical(future_map_raw(list(as.raw(1), as.raw(255)), identity), as.raw(c(1, 255)))
  expect_identical(future_map_dbl(list(c(a = 1)), identity), 1)
  expect_identical(future_map_int(list(factor("b", c("a", "b"))), identity), 2L)
})

test_that("other values are refused in purrr's words", {
  expect_wrong <- function(map, value, text) {
    expect_error(map(list(value), identity), text, fixed = TRUE, class = "avenir_value_error")
  }
  expect_wrong(future_map_dbl, "a", "Can't coerce from a string to a double.")
  expect_wrong(future_map_dbl, list(1), "Can't coerce from a list to a double.")
  expect_wrong(future_map_dbl, sum, "Can't coerce from a function to a double.")
  expect_wrong(future_map_dbl, data.frame(a = 1), "Can't coerce from a <data.frame> object to a double.")
  expect_wrong(future_map_dbl, NA_character_, "Can't coerce from a character `NA` to a double.")
  expect_wrong(future_map_int, 1.5, "Can't coerce from a number to an integer.")
  expect_wrong(future_map_int, NaN, "Can't coerce from `NaN` to an integer.")
  expect_wrong(future_map_int, 2^31, "Can't coerce from a number to an integer.")
  expect_wrong(future_map_lgl, 2L, "Can't coerce from an integer to a logical.")
  expect_wrong(future_map_chr, 1, "Can't coerce from a number to a string.")
  expect_wrong(future_map_chr, TRUE, "Can't coerce from a logical value to a string.")
  expect_wrong(future_map_raw, 1L, "Can't coerce from an integer to a raw vector.")
  expect_wrong(future_map_dbl, NULL, "Result must be length 1, not 0.")
  expect_wrong(future_map_chr, c("a", "b"), "Result must be length 1, not 2.")
})

test_that("the error of a map inside names its own element once", {
  e <- tryCatch(future_map(1:2, function(i) future_map_int(1:3, ~ if (.x == 3) "c" else 1L)), error = identity)
  expect_identical(e$location, 3L)
  expect_length(gregexpr("In index", conditionMessage(e))[[1L]], 1L)
})

test_that("_vec gives the common type, also of dates and factors", {
  skip_if_not_installed("vctrs")
  expect_identical(future_map_vec(c(a = 1, b = 2), ~ as.Date("2020-01-01") + .x),
                   c(a = as.Date("2020-01-02"), b = as.Date("2020-01-03")))
  expect_identical(future_map_vec(1:2, ~ if (.x == 1) 1L else 2.5), c(1, 2.5))
  expect_identical(future_map2_vec(1:2, 3:4, `+`, .ptype = double()), c(4, 6))
  expect_identical(future_imap_vec(c(a = 1), ~ factor(.y)), stats::setNames(factor("a"), "a"))
  expect_null(future_map_vec(list(), identity))
})

test_that("_vec refuses values that are no vectors of one element, and names the element", {
  skip_if_not_installed("vctrs")
  expect_error(future_map_vec(1:2, ~ seq_len(.x)), "size 1, not 2.\ni In index: 2", class = "avenir_value_error")
  expect_error(future_map_vec(c(a = 1), ~ NULL), "In index: 1.\ni With name: a", class = "avenir_value_error")
  expect_error(future_pmap_vec(list(1:2), ~ if (.x == 1) 1 else "b"))
})

test_that("_dfr and _dfc bind data frames", {
  skip_if_not_installed("dplyr")
  make <- function(x, ...) data.frame(v = x)
  expect_identical(future_map_dfr(c(a = 1, b = 2), make, .id = "from"), data.frame(from = c("a", "b"), v = c(1, 2)))
  expect_identical(future_map2_dfr(1:2, 3:4, ~ data.frame(s = .x + .y)), data.frame(s = c(4L, 6L)))
  expect_identical(future_pmap_dfr(list(x = 1:2), make)$v, 1:2)
  expect_identical(future_imap_dfr(c(k = 1), ~ data.frame(n = .y)), data.frame(n = "k"))
  expect_identical(future_map_dfc(1:2, ~ stats::setNames(data.frame(.x), letters[.x])), data.frame(a = 1L, b = 2L))
  expect_identical(dim(future_imap_dfc(c(k = 1, l = 2), ~ stats::setNames(data.frame(.x), .y))), c(1L, 2L))
})

test_that("a package that is not there is named", {
  expect_error(check_installed("nopackageofthisname", "future_map_vec()"), "needs package nopackageofthisname",
               class = "avenir_missing_package")
})
