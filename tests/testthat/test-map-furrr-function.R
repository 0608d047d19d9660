test_that("formulas are functions of `.x`, `.y`, `.` and `..1`", {
  f <- as_map_function(~ list(.x, .y, ., ..1, ..3))
  expect_identical(f(1, 2, 3), list(1, 2, 1, 1, 3))
})

test_that("a formula's function is the one that rlang makes", {
  skip_if_not_installed("rlang")
  expect_equal(as_map_function(~ .x + 1), rlang::as_function(~ .x + 1))
  expect_identical(as_map_function(rlang::quo(..1 + 1))(1), 2)
})

test_that("names, positions and functions extract one after the other", {
  x <- list(a = list(b = c(u = 1, v = 2)), 5)
  expect_identical(as_map_function(list("a", "b", 2))(x), 2)
  expect_identical(as_map_function(c("a", "b"))(x), c(u = 1, v = 2))
  expect_identical(as_map_function(-1)(x), 5)
  expect_identical(as_map_function(list("a", "b", length))(x), 2L)
  expect_identical(as_map_function(list())(x), x)
})

test_that("what is not there is NULL or the default", {
  for (step in list("z", 3, 0, -3, NA, Inf, "")) {
    if (is.logical(step)) step <- NA_character_
    expect_null(as_map_function(step)(list(a = 1, b = 2)))
    expect_identical(as_map_function(step, list(.default = 9))(list(a = 1, b = 2)), 9)
  }
  expect_null(as_map_function(list("a", "b", 1))(list(a = NULL)))
  expect_null(as_map_function("a")(c(1, 2)))
  expect_identical(future_map_dbl(list(list(a = 1), list()), "a", .default = NA), c(1, NA))
})

test_that("environments, S4 objects and classes with methods of their own are extracted from", {
  setClass("PluckedThing", representation(slot_a = "numeric"), where = globalenv())
  on.exit(removeClass("PluckedThing", where = globalenv()))
  expect_identical(as_map_function("a")(list2env(list(a = 1))), 1)
  expect_null(as_map_function("b")(list2env(list(a = 1))))
  expect_identical(as_map_function("slot_a")(methods::new("PluckedThing", slot_a = 3)), 3)
  expect_null(as_map_function("slot_b")(methods::new("PluckedThing", slot_a = 3)))
  expect_identical(as_map_function(2)(as.Date("2020-01-01") + 0:1), as.Date("2020-01-02"))
  expect_identical(as_map_function("v")(data.frame(v = 1:2)), 1:2)
})

test_that("what purrr extracts is extracted", {
  skip_if_not_installed("purrr")
  data <- list(list(a = 1:3, b = list(c = "x")), c(a = 5), list(NULL, 2), NULL, quote, letters, as.list(1:3))
  for (steps in list("a", 1, 2, -1, c("b", "c"), list("a", 2), list(1, 1), list(2, is.null), 5, "b")) {
    ours <- as_map_function(steps)
    theirs <- purrr::as_mapper(steps)
    for (x in data) {
      expected <- tryCatch(theirs(x), error = function(e) "error")
      expect_identical(tryCatch(ours(x), error = function(e) "error"), expected, info = deparse1(list(steps, x)))
    }
  }
})

test_that("a `.f` that is no function is refused", {
  for (bad in list(NULL, TRUE, factor("a"), quote(f), as.name("f"), y ~ x, 1i, new.env(), Sys.Date())) {
    expect_error(future_map(1, bad), "`.f` must", class = "avenir_invalid_argument")
  }
  expect_error(future_map(1, list("a", TRUE)), "step 2 of `.f`", class = "avenir_invalid_argument")
  expect_error(future_map(1, list("a", 1:2)), "step 2 of `.f`", class = "avenir_invalid_argument")
  expect_error(future_map(1, list(NULL)), "step 1 of `.f`", class = "avenir_invalid_argument")
})

test_that("extractors work on workers that have not loaded avenir", {
  local_plan("multisession", workers = I(1))
  expect_identical(future_map_chr(list(list(id = "a")), list("id")), "a")
})
