# Random calls give what the installed furrr gives: values with names and attributes, errors, and the state of the
# generator afterwards.

seed <- varied_seed()

test_that("100 random calls give what furrr gives, under every plan", {
  skip_if_not_installed("furrr")
  local_kinds()
  expect_same_calls(calls_from(seed, 100L, random_furrr_call), "furrr", seed)
})
