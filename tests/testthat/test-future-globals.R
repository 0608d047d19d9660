# getGlobalsAndPackages() and the class of globals, for packages that make futures of their own.

test_that("getGlobalsAndPackages() gives what future() finds", {
  a <- 2
  needs <- getGlobalsAndPackages(quote(median(a * b_of_nobody)))
  expect_identical(names(needs), c("expr", "globals", "packages"))
  expect_s3_class(needs$globals, c("AvenirGlobals", "FutureGlobals", "Globals", "list"), exact = TRUE)
  expect_identical(needs$globals$a, 2)
  expect_identical(needs$packages, "stats")
  expect_identical(needs$expr, quote(median(a * b_of_nobody)))
})

test_that("getGlobalsAndPackages() takes globals as future() does", {
  a <- 1
  names_of <- function(globals) names(getGlobalsAndPackages(quote(a), globals = globals)$globals)
  expect_null(names_of(FALSE))
  expect_identical(names_of("a"), "a")
  expect_identical(names_of(list(b = 1)), "b")
  expect_identical(names_of(structure(TRUE, add = list(b = 1))), c("a", "b"))
  expect_identical(names_of(FutureGlobals(list(b = 1))), "b")
  expect_error(getGlobalsAndPackages(quote(a), globals = 42), class = "avenir_invalid_argument")
})

test_that("arguments in `...` become future.call.arguments", {
  f <- function(...) getGlobalsAndPackages(quote(sum(...)))
  needs <- f(1, b = 2)
  expect_identical(names(needs$globals), "future.call.arguments")
  expect_identical(needs$globals[[1L]], list(1, b = 2), ignore_attr = TRUE)
  expect_identical(value(future(needs$expr, substitute = FALSE, globals = needs$globals)), 3)
})

test_that("`tweak` changes what is searched and not what is returned", {
  a <- 1
  needs <- getGlobalsAndPackages(quote(b), tweak = function(expr) quote(a))
  expect_identical(names(needs$globals), "a")
  expect_identical(needs$expr, quote(b))
})

test_that("an expression without globals is known to have none", {
  for (expr in list(quote(1 + 1), expression())) {
    globals <- getGlobalsAndPackages(expr)$globals
    expect_true(resolved(globals))
    expect_identical(attr(globals, "total_size"), 0)
  }
})

test_that("globals over `maxSize` are refused, others are measured", {
  big <- numeric(1e4)
  expect_error(getGlobalsAndPackages(quote(big), maxSize = 1e4), "big", class = "FutureError")
  expect_gt(attr(getGlobalsAndPackages(quote(big), maxSize = 1e6)$globals, "total_size"), 8e4)
  expect_identical(attr(getGlobalsAndPackages(quote(big))$globals, "total_size"), NA_real_)
})

test_that("references are refused when that is asked for", {
  con <- textConnection("a")
  on.exit(close(con))
  expect_error(getGlobalsAndPackages(quote(con), onReference = "error"), "con", class = "FutureError")
  expect_error(getGlobalsAndPackages(quote(con)), NA)
  expect_null(getOption("future.globals.onReference"))
})

test_that("globals keep their environments when they are changed", {
  env <- new.env()
  g <- FutureGlobals(structure(list(a = 1, b = 2), where = list(a = env, b = emptyenv())))
  g$c <- mean
  g[["d"]] <- 4
  g["b"] <- list(20)
  names(g)[4L] <- "e"
  expect_identical(names(g), c("a", "b", "c", "e"))
  expect_identical(names(attr(g, "where")), names(g))
  expect_identical(attr(g, "where")$a, env)
  expect_identical(attr(g, "where")$c, environment(mean))
  g$a <- NULL
  expect_identical(names(attr(g[2:3], "where")), c("c", "e"))
})

test_that("c() takes lists and named values, unique() keeps the first of a name", {
  g <- c(as.FutureGlobals(list(a = 1)), FUN = sum, list(b = 2, a = 3), as.FutureGlobals(list(c = quote(x + y))))
  expect_identical(names(g), c("a", "FUN", "b", "a", "c"))
  expect_identical(names(unique(g)), c("a", "FUN", "b", "c"))
  expect_identical(unique(g)$a, 1)
  expect_identical(unique(g)$c, quote(x + y))
  expect_s3_class(g, "FutureGlobals")
})

test_that("globals are resolved once resolve() has seen them", {
  f <- future(1, lazy = TRUE)
  g <- FutureGlobals(list(f = f))
  expect_false(resolved(g))
  g <- resolve(g)
  expect_true(resolved(g))
  expect_identical(f$state, "finished")
})

test_that("what is no named list is no FutureGlobals", {
  expect_error(FutureGlobals(NULL), class = "avenir_invalid_argument")
  expect_error(FutureGlobals(list(1)), "names", class = "avenir_invalid_argument")
  expect_identical(as.FutureGlobals(FutureGlobals(list(a = 1))), FutureGlobals(list(a = 1)))
  expect_output(print(FutureGlobals(list(a = 1))), "$a", fixed = TRUE)
})

test_that("globals of package globals are taken and ours are taken by it", {
  expect_s3_class(as.FutureGlobals(globals::as.Globals(list(a = 1))), "FutureGlobals")
  expect_identical(globals::packagesOf(FutureGlobals(list(f = stats::median))), "stats")
  expect_identical(names(globals::cleanup(FutureGlobals(list(a = 1)))), "a")
})

test_that("globals that are missing are an error where future.globals.onMissing asks for it", {
  old <- options(future.globals.onMissing = "error")
  on.exit(options(old))
  known <- 1
  error <- expect_error(future(known + b_of_nobody + c_of_nobody), "`b_of_nobody`, `c_of_nobody`",
                        class = "FutureError")
  expect_match(conditionMessage(error), "future.globals.onMissing", fixed = TRUE)
  expect_identical(value(future(known + pi)), 1 + pi)
  options(future.globals.onMissing = "ignore")
  expect_error(value(future(b_of_nobody)), "b_of_nobody")
})

test_that("what the expression assigns is not taken for a global where future.globals.method is conservative", {
  old <- options(future.globals.method = "conservative")
  on.exit(options(old))
  x <- 1
  k <- 2
  y <- 3
  code <- quote({
    x <- x + y
    for (k in 1:2) k
    z = y
  })
  expect_identical(names(getGlobalsAndPackages(code)$globals), "y")
  options(future.globals.method = "ordered")
  expect_setequal(names(getGlobalsAndPackages(code)$globals), c("x", "y"))
})

test_that("futures among the globals are resolved where future.globals.resolve asks for it", {
  old <- options(future.globals.resolve = TRUE)
  on.exit(options(old))
  plain <- future(1)
  listed <- list(future(2), "other")
  inside <- new.env()
  delayed %<-% 3
  inside$own <- future(4)
  globals <- getGlobalsAndPackages(quote(list(plain, listed, inside, delayed)))$globals
  expect_true(resolved(globals$plain))
  expect_identical(value(globals$plain), 1)
  expect_true(resolved(listed[[1L]]))
  expect_true(resolved(inside$own))
  expect_identical(value(future(value(plain) + delayed)), 4)
})
