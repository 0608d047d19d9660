test_that("lists that are no vectors are mapped over as the lists that they are", {
  fit <- stats::lm(dist ~ speed, cars)
  expect_identical(future_map(fit, class), lapply(unclass(fit), class))
  expect_identical(elements_of(data.frame(a = 1:2)), list(a = 1:2), ignore_attr = TRUE)
})

test_that("classes that are vectors take themselves apart", {
  dates <- as.Date("2020-01-01") + 0:1
  expect_identical(elements_of(dates), list(dates[1L], dates[2L]))
  expect_identical(elements_of(factor(c("a", "b")))[[2L]], factor(c("a", "b"))[[2L]])
  times <- as.POSIXlt("2020-01-01", tz = "UTC") + 0:1
  expect_length(elements_of(times), 2L)
  expect_identical(elements_of(package_version(c("1.2", "3.4")))[[2L]], package_version("3.4"))
})

test_that("records of vctrs take themselves apart", {
  skip_if_not_installed("vctrs")
  pairs <- vctrs::new_rcrd(list(u = 1:3, v = 4:6))
  expect_identical(future_map_int(pairs, function(p) vctrs::field(p, "v")), 4:6)
  ints <- vctrs::list_of(1:2, 3L)
  expect_identical(future_map_int(ints, length), 2:1)
})

test_that("what cannot be mapped over is refused", {
  for (bad in list(new.env(), sum, as.name("x"))) {
    expect_error(future_map(bad, identity), "`.x` must be a vector", class = "avenir_invalid_argument")
  }
  expect_error(future_map2(1, sum, `+`), class = "avenir_invalid_argument")
  expect_error(future_pmap(sum, identity), "`.l` must be a list", class = "avenir_invalid_argument")
})

test_that("vectors of length one are recycled to any length, also to none", {
  expect_identical(future_map2_dbl(1:3, 10, `+`), c(11, 12, 13))
  expect_identical(future_map2_dbl(1, 1:3, `+`), c(2, 3, 4))
  expect_identical(future_map2_dbl(numeric(), 1, `+`), numeric())
  expect_identical(future_pmap(list(a = 1:2, b = factor("x")), function(a, b) class(b)), list("factor", "factor"))
})

test_that("names are those of the first vector, recycled with it", {
  expect_identical(names(future_map2(c(a = 1), 1:3, `+`)), c("a", "a", "a"))
  expect_null(names(future_map2(1:2, c(a = 1, b = 2), `+`)))
})

test_that("sizes that do not match are refused, with the first that does not", {
  expect_error(future_map2(1:3, 1:2, `+`), "Can't recycle length 3 and length 2 at location 2",
               class = "avenir_invalid_argument")
  expect_error(future_pmap(list(1, 1:2, 1:3), sum), "length 2 and length 3 at location 3",
               class = "avenir_invalid_argument")
  expect_error(future_map2(1:3, integer(), `+`), "length 3 and length 0", class = "avenir_invalid_argument")
  expect_error(future_pmap(list(1:2, NULL), sum), "length 2 and length 0", class = "avenir_invalid_argument")
})

test_that("a data frame's columns are the vectors of future_pmap()", {
  expect_identical(future_pmap_chr(data.frame(x = 1:2, y = c("a", "b")), function(y, x) paste(x, y)), c("1 a", "2 b"))
})
