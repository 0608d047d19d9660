# Future assignments, and the futures behind variables.

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])
  local_test("a variable has its future's value, and its future until then", {
    a <- 2
    f <- (x %<-% {
      a <- a + 1
      a
    })
    expect_s3_class(f, "Future")
    expect_identical(futureOf(x), f)
    expect_identical(x, 3)
    expect_identical(a, 2)
    expect_false(exists(".future_x", inherits = FALSE))
    expect_error(futureOf(x), "No such future variable", class = "avenir_invalid_argument")
  })

  local_test("%->% assigns to the right", {
    { 1 + 1 } %->% x
    expect_identical(x, 2)
  })

  local_test("a failed future raises the same error at each use of its variable, and no warning", {
    x %<-% stop(structure(class = c("boom", "error", "condition"), list(message = "no", call = NULL)))
    first <- tryCatch(x, error = identity)
    expect_s3_class(first, "boom")
    expect_no_warning(second <- tryCatch(x, error = identity))
    expect_identical(second, first)
    expect_s3_class(futureOf(x), "Future")
  })

  local_test("output and conditions appear when the variable is used, not before", {
    expect_identical(transcript({
      x %<-% {
        cat("o\n")
        message("m")
        1
      }
    }), character())
    expect_identical(transcript(x), c("out: o", "message: m"))
    expect_identical(transcript(x), character())
  })

  local_test("globals have the values of the time of the assignment", {
    a <- 1
    x %<-% a
    y %<-% a %lazy% TRUE
    a <- 2
    expect_identical(c(x, y), c(1, 1))
  })

  local_test("variables of other futures are waited for where they are globals", {
    x %<-% 1
    y %<-% { x + 1 }
    expect_identical(y, 2)
  })

  local_test("a function can travel out of a frame with unfinished future variables", {
    x %<-% 5
    one <- function() 1
    y %<-% one()
    expect_identical(c(x, y), c(5, 1))
  })

  local_test("elements of environments are targets, also of nested ones", {
    env <- new.env()
    env$inner <- new.env()
    key <- "b"
    env$a %<-% 1
    env[[key]] %<-% 2
    env$inner$c %<-% 3
    expect_identical(sort(ls(env)), c("a", "b", "inner"))
    expect_s3_class(futureOf(env$inner$c), "Future")
    expect_identical(c(env$a, env$b, env$inner$c), c(1, 2, 3))
  })

  local_test("elements of listenvs are targets", {
    x <- listenv::listenv()
    x[[1]] %<-% 1
    x[[4]] %<-% 4
    expect_identical(length(x), 4L)
    expect_null(names(x))
    names(x) <- c("A", "B", "C", "D")
    x$B %<-% 2
    x$E %<-% 5
    expect_identical(names(x), c("A", "B", "C", "D", "E"))
    expect_identical(as.list(x), list(A = 1, B = 2, C = NULL, D = 4, E = 5))
  })

  local_test("futures assigned in a future work there", {
    x %<-% {
      b <- 1
      c %<-% 2
      4 %->% d
      b + c + d
    }
    expect_identical(x, 7)
  })

  local_test("value(), resolved() and resolve() see the futures in an environment", {
    env <- new.env()
    env$a %<-% 1
    env$b %<-% stop("no") %lazy% TRUE
    env$c <- 3
    expect_identical(resolve(env, idxs = names(env)), env)
    expect_identical(resolved(env), c(a = TRUE, b = TRUE, c = TRUE))
    expect_error(value(env), "no")
    rm("b", ".future_b", envir = env)
    expect_identical(value(env), list(a = 1, c = 3))
    expect_identical(value(new.env()), list())
  })
}
plan(sequential)

# ---- Targets ----

test_that("what cannot be a target is refused", {
  x <- list()
  env <- new.env()
  expect_error(x$a %<-% 1, "must be an environment or a listenv", class = "avenir_invalid_argument")
  expect_error(names(x) %<-% 1, "Invalid syntax", class = "avenir_invalid_argument")
  expect_error(env@a %<-% 1, "Invalid syntax", class = "avenir_invalid_argument")
  expect_error(env[[1]] %<-% 1, "by one string", class = "avenir_invalid_argument")
  expect_error(env[[c("a", "b")]] %<-% 1, "by one string", class = "avenir_invalid_argument")
  expect_error(env[["a", "b"]] %<-% 1, "by one string", class = "avenir_invalid_argument")
  expect_error(nothing_of_this_name$a %<-% 1, "nothing_of_this_name")
  expect_identical(ls(env, all.names = TRUE), character())
})

test_that("what is no single element of a listenv is refused", {
  x <- listenv::listenv(1, 2)
  expect_error(x[[0]] %<-% 1)
  expect_error(x[1:2] %<-% 1, "one element", class = "avenir_invalid_argument")
  expect_identical(length(x), 2L)
})

test_that("elements of listenvs with dimensions are targets", {
  x <- listenv::listenv()
  length(x) <- 12
  dim(x) <- c(2, 3, 2)
  for (i in 1:2) for (j in 1:3) for (k in 1:2) x[[i, j, k]] %<-% c(i, j, k)
  expected <- apply(expand.grid(1:2, 1:3, 1:2), 1L, as.vector, simplify = FALSE)
  expect_identical(lapply(as.list(x), as.integer), lapply(expected, as.integer))
})

test_that("futureAssign() takes a name, an expression by value and an environment", {
  env <- new.env()
  f <- futureAssign("a", quote(1 + 1), substitute = FALSE, assign.env = env, label = "sum")
  expect_identical(f$label, "sum")
  expect_identical(env$a, 2)
  expect_error(futureAssign("", 1), class = "avenir_invalid_argument")
  expect_error(futureAssign(c("a", "b"), 1), class = "avenir_invalid_argument")
  expect_error(futureAssign("a", 1, lazy = 2), "lazy", class = "avenir_invalid_argument")
})

test_that("futureAssign() takes arguments from option future.disposable, once", {
  options(future.disposable = list(lazy = TRUE, seed = NULL))
  expect_identical(futureAssign("a", 1)$state, "created")
  expect_null(getOption("future.disposable"))
  expect_identical(futureAssign("a", 1)$state, "finished")
})

test_that("a second future for a variable takes the place of the first", {
  f <- (x %<-% 1 %lazy% TRUE)
  x %<-% 2
  expect_identical(x, 2)
  expect_identical(f$state, "created")
})

test_that("a variable that was given another value keeps it", {
  x %<-% stop("no") %lazy% TRUE
  before <- function() x
  x <- 1
  expect_identical(before(), 1)
})

# ---- futureOf(), futures() ----

test_that("futureOf() finds a variable however it is written", {
  x %<-% 1 %lazy% TRUE
  env <- new.env()
  env$a %<-% 2 %lazy% TRUE
  expect_identical(futureOf("x"), futureOf(x))
  expect_identical(futureOf("a", envir = env), futureOf(env$a))
  expect_identical(futureOf(env[["a"]]), futureOf(a, envir = env))
  f <- futureOf(x)
  expect_identical(futureOf(f), f)
})

test_that("futureOf() finds elements of listenvs however they are written", {
  x <- listenv::listenv()
  x$a %<-% 1 %lazy% TRUE
  x[[3]] <- future(3, lazy = TRUE)
  f <- futureOf("a", envir = x)
  expect_s3_class(f, "Future")
  for (same in list(futureOf(a, envir = x), futureOf(1, envir = x), futureOf(x$a), futureOf(x[[1]]))) {
    expect_identical(same, f)
  }
  expect_identical(futureOf(x[[3]]), x[[3]])
  expect_error(futureOf(x[[0]], mustExist = FALSE))
  expect_error(futureOf(x[[10]]), class = "avenir_invalid_argument")
  expect_true(is.na(futureOf(x[[10]], mustExist = FALSE)))
  expect_identical(length(x), 3L)
})

test_that("futureOf() gives a default with the reason where there is no future", {
  expect_error(futureOf(nothing), "nothing", class = "avenir_invalid_argument")
  missing <- futureOf(nothing, mustExist = FALSE, default = 7)
  expect_equal(missing, 7, ignore_attr = TRUE)
  expect_match(attr(missing, "reason"), "nothing")
  expect_null(futureOf(nothing, mustExist = FALSE, default = NULL))
})

test_that("futureOf() without a variable gives all futures of an environment", {
  f <- function(argument) {
    x %<-% 1 %lazy% TRUE
    y <- future(2, lazy = TRUE)
    z <- 3
    list(all = futureOf(default = NULL), futures = futureOf(drop = TRUE))
  }
  found <- f()
  expect_identical(names(found$all), c("argument", "x", "y", "z"))
  expect_null(found$all$z)
  expect_identical(names(found$futures), c("x", "y"))
})

test_that("futureOf() keeps names and dimensions of a listenv", {
  x <- listenv::listenv(a = 1, b = 2)
  x$a %<-% 1 %lazy% TRUE
  expect_identical(names(futureOf(envir = x)), c("a", "b"))
  dim(x) <- c(1, 2)
  expect_identical(dim(futureOf(envir = x)), c(1L, 2L))
  expect_identical(length(futureOf(envir = x, drop = TRUE)), 1L)
})

test_that("futures() replaces variables by their futures and keeps type and shape", {
  env <- new.env()
  env$a %<-% 1 %lazy% TRUE
  env$b <- 2
  f <- futures(env)
  expect_true(is.environment(f))
  expect_identical(f$a, futureOf(env$a))
  expect_identical(f$b, 2)
  expect_identical(futureOf(env$a)$state, "created")
  expect_identical(futures(list(1)), list(1))
})

test_that("futures(), resolved() and value() keep names and dimensions", {
  for (dim in list(NULL, c(1, 6), c(2, 3), c(2, 3, 1))) {
    x <- listenv::listenv(a = 1, b = future(2), c = NULL)
    x$d %<-% 4
    x[[6]] <- 6
    if (!is.null(dim)) {
      names <- names(x)
      dim(x) <- dim
      dimnames(x) <- lapply(dim, function(n) letters[seq_len(n)])
      names(x) <- names
    }
    for (y in list(futures(x), resolved(x), value(x))) {
      expect_identical(length(y), length(x))
      expect_identical(names(y), names(x))
      expect_identical(dim(y), dim(x))
      expect_identical(dimnames(y), dimnames(x))
    }
    expect_s3_class(futures(x)$d, "Future")
    expect_identical(unlist(as.vector(value(x))), c(1, 2, 4, 6), ignore_attr = TRUE)
  }
})
