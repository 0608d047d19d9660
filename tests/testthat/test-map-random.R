# Random calls give what the installed future.apply gives: values with names, dims and attributes, and the state of the
# generator afterwards. Left out is what older versions of it do otherwise than the newest (errors, Filter(),
# kernapply(), data frames in tapply(), sessions without .Random.seed), and vapply() of nothing, which fails in all.

seed <- varied_seed()

test_that("100 random calls give what future.apply gives, under every plan", {
  skip_if_not_installed("future.apply")
  local_kinds()
  expect_same_calls(calls_from(seed, 100L, random_apply_call), "future.apply", seed)
})
