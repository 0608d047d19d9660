# The operators that set arguments of future assignments and maps.

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])
  local_test("%globals% gives globals by value, by name or not at all", {
    a <- 1
    x %<-% { a + b } %globals% list(a = 10, b = 20)
    y %<-% { a } %globals% "a"
    z %<-% { a_of_nobody } %globals% FALSE
    expect_identical(c(x, y), c(30, 1))
    expect_error(z, "a_of_nobody")
  })

  local_test("%packages% attaches packages", {
    x %<-% { "package:splines" %in% search() } %packages% "splines"
    expect_true(x)
  })

  local_test("%seed% gives the numbers that seed = gives", {
    x %<-% { rnorm(3) } %seed% 42
    expect_identical(x, value(future(rnorm(3), seed = 42)))
    y %<-% { rnorm(1) } %seed% NULL
    expect_no_warning(y)
  })

  local_test("%lazy% delays the evaluation", {
    f <- (x %<-% 1 %lazy% TRUE)
    expect_identical(f$state, "created")
    expect_identical(x, 1)
  })

  local_test("%label% names the future", {
    f <- (x %<-% 1 %label% "mine")
    expect_identical(f$label, "mine")
    expect_identical(x, 1)
  })

  local_test("%stdout% and %conditions% say what is caught", {
    x %<-% {
      cat("o\n")
      message("m")
    } %stdout% FALSE
    y %<-% {
      cat("o\n")
      message("m")
    } %conditions% character(0)
    expect_identical(transcript(x), "message: m")
    expect_identical(transcript(y), "out: o")
  })

  local_test("%plan% holds for one future only, whose value can be had later", {
    before <- plan("list")
    x %<-% Sys.getpid() %plan% "sequential"
    y %<-% Sys.getpid() %plan% multisession(workers = I(1))
    expect_true(all.equal(plan("list"), before))
    expect_identical(x, Sys.getpid())
    expect_false(identical(y, Sys.getpid()))
    z %<-% 1
    expect_identical(z, 1)
  })

  local_test("maps take arguments from the operators", {
    draw <- function(i) runif(1)
    expect_identical(future_sapply(1:3, draw) %seed% 42, future_sapply(1:3, draw, future.seed = 42))
    expect_identical(future_sapply(1:2, function(i) i + b) %globals% list(b = 10), c(11, 12))
    expect_identical(transcript(future_lapply(1, function(i) cat("o\n")) %stdout% FALSE), character())
  })

  local_test("operators reach the future that they follow and none inside of it", {
    x %<-% {
      y %<-% { "mine" }
      f <- futureOf(y)
      y
      f$label
    } %label% "outer"
    expect_null(x)
  })
}
plan(sequential)

test_that("several operators follow each other, and the left one of two alike counts", {
  f <- (x %<-% { a } %lazy% TRUE %globals% list(a = 1) %label% "l" %lazy% FALSE)
  expect_identical(f$state, "created")
  expect_identical(f$label, "l")
  expect_identical(x, 1)
})

test_that("an operator has no effect beyond its left side", {
  1 %seed% TRUE
  expect_null(getOption("future.disposable"))
  expect_error(stop("no") %label% "l", "no")
  expect_null(getOption("future.disposable"))
  expect_null(future(1)$label)
  expect_error(x %<-% 1 %lazy% "yes", "lazy", class = "avenir_invalid_argument")
  expect_null(getOption("future.disposable"))
})

test_that("operators keep the visibility of their left side", {
  expect_true(withVisible(future_sapply(1, identity) %seed% 1)$visible)
  expect_false(withVisible(x %<-% 1 %lazy% TRUE)$visible)
})

test_that("operators evaluate their left side where they stand", {
  inner <- function() {
    x %<-% 1 %lazy% FALSE
    y %<-% 2 %plan% sequential
    z %<-% 3 %tweak% list(split = FALSE)
    ls()
  }
  expect_identical(inner(), c("x", "y", "z"))
})

test_that("%plan% works on any expression and ends with it", {
  local_plan("sequential", split = TRUE)
  seen <- { plan("next") } %plan% multisession
  expect_s3_class(seen, "multisession")
  expect_identical(nbrOfWorkers() %plan% multisession(workers = 2), 2L)
  expect_s3_class(plan("next"), "sequential")
  expect_error(stop("no") %plan% multisession, "no")
  expect_s3_class(plan("next"), "sequential")
  expect_error(1 %plan% "no.such.plan", "no.such.plan", class = "avenir_invalid_argument")
})

test_that("%tweak% changes the first strategy and keeps those below", {
  local_plan(list(A = sequential, B = tweak(sequential, split = TRUE)))
  seen <- plan("list") %tweak% list(label = "tweaked")
  expect_identical(names(seen), c("A", "B"))
  expect_identical(formals(seen$A)$label, "tweaked")
  expect_true(formals(seen$B)$split)
  expect_null(formals(plan("next"))$label)
  expect_identical(formals(plan("next") %tweak% c(label = "l"))$label, "l")
})

test_that("%tweak% refuses what has no names", {
  expect_error(1 %tweak% list(2), "named", class = "avenir_invalid_argument")
  expect_error(1 %tweak% sum, "named list or vector", class = "avenir_invalid_argument")
  expect_warning(1 %tweak% list(abc = TRUE), "unknown")
})
