refused <- function(...) expect_error(furrr_options(...), class = "avenir_invalid_argument")

test_that("options have furrr's defaults and class", {
  options <- furrr_options()
  expect_s3_class(options, "furrr_options")
  shared <- c("stdout", "globals", "packages", "seed", "scheduling", "chunk_size", "prefix")
  expect_equal(options[shared], list(stdout = TRUE, globals = TRUE, packages = NULL, seed = FALSE, scheduling = 1,
                                     chunk_size = NULL, prefix = NULL))
  expect_output(print(options), "<furrr_options>")
})

test_that("options that make no sense are refused where they are made", {
  refused(1)
  refused(sed = TRUE)
  refused(stdout = "yes")
  refused(conditions = 1)
  refused(globals = NA)
  refused(globals = list(1))
  refused(globals = 1)
  refused(packages = 1)
  refused(packages = NA_character_)
  refused(prefix = 1)
  refused(retries = -1)
  refused(timeout = 0)
  refused(on_error = "ignore")
})

test_that("chunks that are not finite, not whole or negative are refused; Inf stands for one chunk or one element", {
  for (bad in list(NA, NaN, -Inf, -1, 1.5, c(1, 2), "two")) {
    refused(chunk_size = bad)
    refused(scheduling = bad)
  }
  refused(chunk_size = 0)
  expect_identical(furrr_options(chunk_size = Inf)$chunk_size, Inf)
  expect_identical(furrr_options(scheduling = Inf)$scheduling, Inf)
  expect_identical(furrr_options(scheduling = 0)$scheduling, 0L)
})

test_that("attribute `ordering` stays with the number that it is of", {
  expect_identical(attr(furrr_options(chunk_size = structure(2, ordering = "random"))$chunk_size, "ordering"), "random")
})

test_that("seeds of wrong length or kind are refused", {
  for (bad in list(NA, NA_integer_, 1:2, 1.5, 3e9, "1", c(10407L, 1:5), c(10407L, 1:5, NA))) refused(seed = bad)
  expect_error(future_map(1, identity, .options = furrr_options(seed = 1:7)), "L'Ecuyer-CMRG state",
               class = "avenir_invalid_argument")
})

test_that("lists of seeds hold one usable state for each element", {
  state <- rng_streams(1, seed = 1)[[1L]]
  refused(seed = list())
  refused(seed = list(1))
  refused(seed = list(1L))
  refused(seed = list(state, state[-1L]))
  refused(seed = list(c(99999L, 1:6)))
  expect_error(future_map(1:3, identity, .options = furrr_options(seed = list(state, state))), "3 elements, not 2",
               class = "avenir_invalid_argument")
})

test_that("what furrr_options() has not made is no `.options`", {
  expect_error(future_map(1, identity, .options = list(seed = TRUE)), "furrr_options\\(\\)",
               class = "avenir_invalid_argument")
})
