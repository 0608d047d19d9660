# The table of ?workers, row by row.

background_plans <- c("multisession", "multicore")

# What a worker of this plan sees; the plan is begun now.
seen_by <- function(plan_name, expr, ...) {
  local_plan(plan_name, workers = I(1), ...)
  look(substitute(expr))
}

look <- function(expr) value(future(expr, substitute = FALSE, globals = FALSE))

# Sets environment variables, or removes those that are NA, until the calling test ends.
local_variables <- function(..., frame = parent.frame()) {
  wanted <- c(...)
  before <- Sys.getenv(names(wanted), NA, names = TRUE)
  set_variables(wanted)
  do.call(base::on.exit, list(as.call(list(set_variables, before)), add = TRUE, after = FALSE), envir = frame)
}

set_variables <- function(values) {
  Sys.unsetenv(names(values)[is.na(values)])
  kept <- values[!is.na(values)]
  if (length(kept)) do.call(Sys.setenv, as.list(kept))
}

# A folder with these files, as the working directory until the calling test ends.
local_folder <- function(files = list(), frame = parent.frame()) {
  folder <- tempfile("folder-")
  dir.create(folder)
  for (name in names(files)) writeLines(files[[name]], file.path(folder, name))
  before <- setwd(folder)
  do.call(base::on.exit, list(as.call(list(setwd, before)), add = TRUE, after = FALSE), envir = frame)
  getwd()
}

profile_of <- function(mark) {
  file <- tempfile("profile-")
  writeLines(mark, file)
  file
}

# ---- the session's environment ----

test_that("variables: a multisession worker has globals only, a fork all that the session has", {
  assign("avenir_test_variable", 1, globalenv())
  on.exit(rm("avenir_test_variable", envir = globalenv()))
  expect_false(seen_by("multisession", exists("avenir_test_variable")))
  expect_true(seen_by("multicore", exists("avenir_test_variable")))
})

test_that("Renviron is not read again: workers have the session's environment variables", {
  file <- profile_of("AVENIR_TEST_RENVIRON=read")
  local_variables(R_ENVIRON_USER = file, AVENIR_TEST_SESSION = "set")
  for (name in background_plans) {
    expect_identical(seen_by(name, Sys.getenv("AVENIR_TEST_SESSION")), "set", info = name)
    expect_identical(seen_by(name, Sys.getenv("AVENIR_TEST_RENVIRON")), "", info = name)
  }
})

test_that("environment variables are those at plan() in multisession, those at the future in multicore", {
  local_variables(AVENIR_TEST_SESSION = "before", TZ = "Asia/Tokyo")
  changed <- function(name) {
    local_plan(name, workers = I(1))
    local_variables(AVENIR_TEST_SESSION = "after", TZ = "America/Lima")
    look(quote(Sys.getenv(c("AVENIR_TEST_SESSION", "TZ"), names = FALSE)))
  }
  expect_identical(changed("multisession"), c("before", "Asia/Tokyo"))
  expect_identical(changed("multicore"), c("after", "America/Lima"))
})

test_that("the time zone is the session's", {
  local_variables(TZ = "Asia/Tokyo")
  for (name in background_plans) {
    expect_identical(seen_by(name, format(as.POSIXct(0, origin = "1970-01-01"), "%H")), "09", info = name)
  }
})

test_that("R_FUTURE_* variables are the session's but for R_FUTURE_PLAN, which is taken away", {
  local_variables(R_FUTURE_PLAN = "multisession", R_FUTURE_RNG_ONMISUSE = "error")
  for (name in background_plans) {
    seen <- seen_by(name, Sys.getenv(c("R_FUTURE_PLAN", "R_FUTURE_RNG_ONMISUSE"), NA, names = FALSE))
    expect_identical(seen, c(NA, "error"), info = name)
  }
  expect_identical(Sys.getenv("R_FUTURE_PLAN"), "multisession")
})

test_that("library paths are the session's, or those of `rscript_libs`", {
  for (name in background_plans) expect_identical(seen_by(name, .libPaths()), .libPaths(), info = name)
  folder <- normalizePath(local_folder())
  paths <- c(folder, .libPaths())
  expect_identical(seen_by("multisession", .libPaths(), rscript_libs = paths), paths)
})

test_that("the working directory is the session's, at plan() in multisession, at the future in multicore", {
  first <- local_folder()
  moved <- function(name) {
    local_plan(name, workers = I(1))
    local_folder()
    look(quote(getwd()))
  }
  for (name in background_plans) expect_identical(seen_by(name, getwd()), first, info = name)
  expect_identical(moved("multisession"), first)
  expect_false(moved("multicore") == first)
})

test_that("the locale is the session's, also one that no environment variable names: strings sort alike", {
  before <- Sys.getlocale("LC_COLLATE")
  on.exit(Sys.setlocale("LC_COLLATE", before))
  Sys.setlocale("LC_COLLATE", "C")
  for (name in background_plans) {
    expect_identical(seen_by(name, Sys.getlocale()), Sys.getlocale(), info = name)
    expect_identical(seen_by(name, sort(c("b", "A", "a", "B"))), c("A", "B", "a", "b"), info = name)
  }
})

test_that("text keeps its encoding on the way there and back, and printed text is the session's", {
  latin <- "caf\xe9"
  Encoding(latin) <- "latin1"
  utf8 <- enc2utf8(latin)
  for (name in background_plans) {
    local_plan(name, workers = I(1))
    expect_identical(value(future(list(Encoding(c(latin, utf8)), latin == utf8, l10n_info()))),
                     list(c("latin1", "UTF-8"), TRUE, l10n_info()), info = name)
    expect_identical(charToRaw(value(future(latin))), charToRaw(latin), info = name)
    expect_identical(capture.output(value(future(print(utf8))))[1], capture.output(print(utf8)), info = name)
  }
})

test_that("the umask is the session's", {
  before <- Sys.umask("027")
  on.exit(Sys.umask(before))
  for (name in background_plans) expect_identical(seen_by(name, format(Sys.umask(NA))), "27", info = name)
})

test_that("a multisession worker has a temporary folder of its own, removed with it; a fork the session's", {
  own <- seen_by("multisession", c(tempdir(), tempdir(), file.exists(tempdir())))
  expect_false(own[1] == tempdir())
  expect_identical(own[3], "TRUE")
  expect_true(wait_until(function() !file.exists(own[1])))
  expect_identical(seen_by("multicore", tempdir()), tempdir())
  expect_true(file.exists(tempdir()))
})

test_that("standard input is empty on workers, and the session's is left for the session", {
  for (name in background_plans) {
    script <- tempfile(fileext = ".R")
    writeLines(c(sprintf(".libPaths(%s)", deparse1(.libPaths())), "suppressPackageStartupMessages(library(avenir))",
                 sprintf("plan(%s, workers = I(1))", name), "read <- function() readLines(file('stdin'), n = 1)",
                 "cat('worker:', suppressWarnings(value(future(read()))), '\\n')",
                 "cat('session:', suppressWarnings(read()), '\\n')"), script)
    said <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), input = c("first", "second"),
                    stdout = TRUE)
    expect_identical(trimws(said), c("worker:", "session: first"), info = name)
  }
})

# ---- profiles ----

test_that("the site's profile and then the user's are read by multisession workers, not again by forks", {
  local_variables(R_PROFILE = profile_of("options(avenir.test = 'site')"),
                  R_PROFILE_USER = profile_of("options(avenir.test = c(getOption('avenir.test'), 'user'))"))
  expect_identical(seen_by("multisession", getOption("avenir.test")), c("site", "user"))
  expect_null(seen_by("multicore", getOption("avenir.test")))
})

test_that("the profile of the working directory is read; variables that are set to nothing name none", {
  local_folder(list(.Rprofile = c("options(avenir.test = 'here')", "of_profile <- 1")))
  local_variables(R_PROFILE = "", R_PROFILE_USER = NA)
  expect_identical(seen_by("multisession", list(getOption("avenir.test"), exists("of_profile"))), list("here", TRUE))
  local_variables(R_PROFILE_USER = "")
  expect_null(seen_by("multisession", getOption("avenir.test")))
})

test_that("option avenir.worker.profile, or `profile` of plan(), switches profiles off", {
  local_variables(R_PROFILE_USER = profile_of("options(avenir.test = 'read')"))
  expect_identical(seen_by("multisession", getOption("avenir.test")), "read")
  expect_null(seen_by("multisession", getOption("avenir.test"), profile = FALSE))
  local_options(avenir.worker.profile = FALSE)
  expect_null(seen_by("multisession", getOption("avenir.test")))
})

test_that("an error in a profile does not keep a worker from starting, and what it prints is not seen", {
  local_variables(R_PROFILE_USER = profile_of(c("cat('hello\\n')", "options(avenir.test = 1)", "stop('broken')")))
  expect_silent(seen <- seen_by("multisession", getOption("avenir.test")))
  expect_identical(seen, 1)
})

# renv is a line in the project's .Rprofile that sets the library paths.
test_that("a project's library paths, as renv sets them in its .Rprofile, are those of workers", {
  project <- local_folder(list(.Rprofile = ".libPaths(file.path(getwd(), 'library'))"))
  dir.create("library")
  local_variables(R_PROFILE_USER = NA)
  before <- .libPaths()
  on.exit(.libPaths(before), add = TRUE)
  .libPaths(c("library", before))
  expect_identical(.libPaths()[1], normalizePath(file.path(project, "library")))
  for (profile in c(TRUE, FALSE)) {
    expect_identical(seen_by("multisession", .libPaths(), profile = profile), .libPaths())
  }
  expect_identical(seen_by("multicore", .libPaths()), .libPaths())
})

test_that("library paths that the session has set since its profile are not undone by the worker's", {
  local_folder(list(.Rprofile = ".libPaths('old')"))
  dir.create("old")
  local_variables(R_PROFILE_USER = NA)
  expect_identical(seen_by("multisession", .libPaths()), .libPaths())
})

# ---- R's own state ----

test_that("options: a multisession worker has R's own, the width and those of futures; a fork the session's", {
  local_options(digits = 4L, width = 66L, future.rng.onMisuse = "ignore", avenir.test.own = 1)
  names <- quote(options()[c("digits", "width", "future.rng.onMisuse", "avenir.test.own")])
  local_plan("multisession", workers = I(1))
  expect_identical(unname(look(names)), list(7L, 66L, "ignore", NULL))
  local_plan("multicore", workers = I(1))
  expect_identical(unname(look(names)), list(4L, 66L, "ignore", 1))
})

test_that("packages are attached in the session's order, whatever order the code needs them in", {
  attached <- quote(grep("package:(splines|stats4|tools)$", search(), value = TRUE))
  for (package in c("stats4", "tools", "splines")) library(package, character.only = TRUE)
  on.exit(for (package in c("stats4", "tools", "splines")) detach(paste0("package:", package), character.only = TRUE))
  for (name in background_plans) {
    local_plan(name, workers = I(1))
    f <- future(attached, substitute = FALSE, globals = FALSE, packages = c("splines", "stats4", "tools"))
    expect_identical(value(f), eval(attached), info = name)
    expect_setequal(eval(attached), paste0("package:", c("splines", "tools", "stats4")))
  }
})

test_that("packages that are not attached in the session are attached as they are named, for maps too", {
  local_plan("multisession", workers = I(1))
  attached <- function(i) grep("package:(splines|stats4|tools)$", search(), value = TRUE)
  got <- future_lapply(1, attached, future.packages = c("stats4", "splines"))
  expect_identical(got[[1]], paste0("package:", c("splines", "stats4")))
})

test_that("with a seed the stream, its normal and its sample kind are the session's under every plan", {
  before <- RNGkind()
  on.exit(suppressWarnings(RNGkind(before[1], before[2], before[3])))
  suppressWarnings(RNGkind("Mersenne-Twister", "Ahrens-Dieter", "Rounding"))
  drawn <- function(name) {
    local_plan(name)
    set.seed(1)
    list(value(future(list(RNGkind(), rnorm(3), sample(1000, 3)), seed = TRUE)),
         future_lapply(1:2, function(i) list(RNGkind(), rnorm(3), sample(1000, 3)), future.seed = TRUE))
  }
  expected <- drawn("sequential")
  expect_identical(expected[[1]][[1]], c("L'Ecuyer-CMRG", "Ahrens-Dieter", "Rounding"))
  for (name in background_plans) expect_identical(drawn(name), expected, info = name)
})

test_that("without a seed a multisession worker has R's default kinds, a fork the session's", {
  before <- RNGkind()
  on.exit(RNGkind(before[1], before[2], before[3]))
  RNGkind("Wichmann-Hill", "Ahrens-Dieter", "Rejection")
  expect_identical(seen_by("multisession", RNGkind()), c("Mersenne-Twister", "Inversion", "Rejection"))
  expect_identical(seen_by("multicore", RNGkind()), c("Wichmann-Hill", "Ahrens-Dieter", "Rejection"))
})

# ---- cores and plans ----

test_that("BLAS and OpenMP have the worker's share of the cores", {
  threads <- quote(unique(Sys.getenv(c("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"))))
  local_plan("multisession", workers = 2)
  share <- as.character(max(1L, parallelly::availableCores() %/% 2L))
  expect_identical(look(threads), share)
  before <- eval(threads)
  local_plan("multicore", workers = I(2))
  expect_identical(look(threads), share)
  expect_identical(eval(threads), before)
})

test_that("one core is available on a worker", {
  for (name in background_plans) {
    expect_identical(seen_by(name, getOption("mc.cores")), 1L, info = name)
    expect_equal(seen_by(name, unname(parallelly::availableCores())), 1, info = name)
  }
})

test_that("a worker has the next level of the plan, and is sequential below the last", {
  for (name in background_plans) {
    expect_identical(seen_by(name, class(avenir::plan("next"))[2L]), "sequential", info = name)
    local_plan(list(tweak(name, workers = I(1)), tweak("multicore", workers = I(3))))
    expect_identical(look(quote(avenir::nbrOfWorkers())), 3L, info = name)
  }
})
