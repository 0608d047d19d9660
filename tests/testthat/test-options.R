test_that("environment variables set options that are not set", {
  local_options(future.rng.onMisuse = NULL, future.globals.maxSize = 1, future.plan.disallow = NULL)
  Sys.setenv(R_FUTURE_RNG_ONMISUSE = "ignore", R_FUTURE_GLOBALS_MAXSIZE = "5e6",
             R_FUTURE_PLAN_DISALLOW = "a,b")
  on.exit(Sys.unsetenv(c("R_FUTURE_RNG_ONMISUSE", "R_FUTURE_GLOBALS_MAXSIZE", "R_FUTURE_PLAN_DISALLOW")),
          add = TRUE)
  set_environment_options()
  expect_identical(getOption("future.rng.onMisuse"), "ignore")
  expect_identical(getOption("future.globals.maxSize"), 1)
  expect_identical(getOption("future.plan.disallow"), c("a", "b"))
})

test_that("an option with an unknown value warns and counts as not set", {
  for (value in list("shout", NA_character_, c("ignore", "ignore"), TRUE, 1)) {
    local_options(future.rng.onMisuse = value)
    expect_warning(choice <- option_choice("future.rng.onMisuse", c("warning", "ignore")),
                   "is ignored: `warning` is the default", fixed = TRUE, class = "avenir_warning")
    expect_identical(choice, "warning")
  }
  options(future.rng.onMisuse = NULL)
  expect_identical(option_choice("future.rng.onMisuse", c("warning", "ignore")), "warning")
})

test_that("the number of cores is read from the command line", {
  expect_identical(command_line_cores(c("R", "--args", "-p", "4")), 4L)
  expect_identical(command_line_cores(c("R", "--args", "--parallel=3")), 3L)
  expect_null(command_line_cores(c("R", "--args", "-p", "many")))
  expect_null(command_line_cores("R"))
})

test_that("options that workers need are forwarded when they are set", {
  local_options(width = 91, future.rng.onMisuse = NULL)
  forwarded <- forwarded_options()
  expect_identical(forwarded$width, 91L)
  expect_false("future.rng.onMisuse" %in% names(forwarded))
})

test_that("the first startup script that is there is run when the package is attached", {
  folder <- tempfile("startup-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  script <- file.path(folder, "second.R")
  writeLines("options(avenir.test.startup = 'run')", script)
  ask <- "mark('result', c(getOption('avenir.test.startup', 'not run')))"
  named <- paste0("R_FUTURE_STARTUP_SCRIPT=", file.path(folder, "first.R"), ":", script)
  expect_identical(in_child(ask, environment = named), "run")
  expect_identical(in_child(ask, environment = "R_FUTURE_STARTUP_SCRIPT=FALSE"), "not run")
  inside <- c("plan(multisession, workers = I(1))",
              "f <- future({ library(avenir); is.null(getOption('avenir.test.startup')) })",
              "mark('result', value(f))")
  expect_true(in_child(inside, environment = named))
})

test_that("R_FUTURE_PLAN names the plan that a session starts with", {
  ask <- "mark('result', class(plan())[2])"
  expect_identical(in_child(ask, environment = "R_FUTURE_PLAN=multicore"), "multicore")
})
