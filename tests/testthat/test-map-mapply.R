paste_word <- function(word, times) paste(rep.int(word, times), collapse = "")

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  test_that(paste0(name, ": future_mapply() gives what mapply() gives"), {
    calls <- list(
      list(rep, 1:4, 4:1), list("rep", 1:4, 4:1), list(rep, times = 1:4, x = 4:1),
      list(rep, times = 1:4, MoreArgs = list(x = 42)), list(paste_word, LETTERS[1:5], 5:1),
      list(function(x, y) seq_len(x) + y, c(a = 1, b = 2, c = 3), c(A = 10, B = 0, C = -10)),
      list(function(x, y) c(x, y), c("u", "v"), 1:4, SIMPLIFY = FALSE, USE.NAMES = FALSE),
      list(function(x, y) matrix(x + y, 2, 3), 1:4, 5, SIMPLIFY = "array"),
      list(identity, as.Date("2018-06-01") + 0:2, SIMPLIFY = FALSE),
      list(function(x, f) f(x), list(1, NULL, "c"), list(is.null, length, nchar)),
      list(function(x, y) y, x = 1:2, MoreArgs = list(y = 3:4)),
      list(function(...) names(list(...)), a = 1:2, 3:4, b = 5, MoreArgs = list(c = 6)),
      list(function(x) deparse(x), list(quote(a), quote(b + c))),
      list(function(x) NULL, 1:3), list(search)
    )
    for (call in calls) {
      expect_identical(do.call(future_mapply, call, quote = TRUE), do.call(mapply, call, quote = TRUE),
                       info = deparse1(call))
    }
  })

  test_that(paste0(name, ": code among the arguments of future_mapply() is not evaluated"), {
    expect_identical(future_mapply(function(x, z) z, 1:2, MoreArgs = list(z = quote(a + b))),
                     list(quote(a + b), quote(a + b)))
  })

  test_that(paste0(name, ": future_Map() and future_.mapply() give what Map() and .mapply() give"), {
    expect_identical(future_Map(`+`, c(a = 1, b = 2), 3:4), Map(`+`, c(a = 1, b = 2), 3:4))
    expect_identical(future_Map(paste_word, c("x", "y"), 1:2), Map(paste_word, c("x", "y"), 1:2))
    dots <- list(n = c(a = 1, b = 2), m = 3)
    fun <- function(n, m, k) list(n, m, k)
    expect_identical(future_.mapply(fun, dots, list(k = 1:2)), .mapply(fun, dots, list(k = 1:2)))
    expect_identical(future_.mapply(function(n, m) n * m, dots, NULL), list(3, 6))
  })

  test_that(paste0(name, ": arguments of a call may be changed and kept without effect on other calls"), {
    x <- list(c(1, 2), c(3, 4))
    got <- future_mapply(function(v, i) {
      v[[i]] <- 0
      v
    }, x, 1:2, SIMPLIFY = FALSE)
    expect_identical(got, list(c(0, 2), c(3, 0)))
    expect_identical(x, list(c(1, 2), c(3, 4)))
    kept <- future_mapply(function(x, y) function() c(x, y), 1:3, 4:6)
    expect_identical(lapply(kept, function(f) f()), list(c(1L, 4L), c(2L, 5L), c(3L, 6L)))
  })

  test_that(paste0(name, ": an error in future_mapply() shows a short call and comes after its warning"), {
    big <- list(runif(1e4))
    warned <- character()
    error <- tryCatch(withCallingHandlers(future_mapply(function(x, n) stop("bad ", n), big, n = 3),
                                          warning = function(w) {
      warned <<- c(warned, conditionMessage(w))
      invokeRestart("muffleWarning")
    }), error = identity)
    expect_identical(conditionMessage(error), "bad 3")
    expect_identical(deparse1(conditionCall(error)),
                     "...future.FUN(...future.X_jj[[1L]], n = ...future.X_jj[[2L]], ...)")
    expect_identical(warned, "Caught simpleError. Canceling all iterations ...")
  })

  test_that(paste0(name, ": numbers drawn in future_mapply() do not depend on chunks"), {
    draw <- function(...) future_mapply(stats::runif, n = 1:4, max = 2:5, MoreArgs = list(min = 1), ...)
    first <- draw(future.seed = 0xBEEF)
    expect_identical(lengths(first), 1:4)
    expect_identical(draw(future.seed = 0xBEEF, future.chunk.size = 1), first)
    expect_identical(draw(future.seed = 0xBEEF, future.scheduling = structure(2, ordering = "random")), first)
    elements <- future_lapply(1:4, function(i) runif(i, 1, i + 1), future.seed = 0xBEEF)
    expect_identical(first, elements)
  })

  test_that(paste0(name, ": future_mapply() uses methods of the session for `[[` and length()"), {
    x <- structure(list(a = 1, b = 2), class = "avenir_test_zero")
    registerS3method("[[", "avenir_test_zero", function(x, i) 0)
    expect_identical(future_mapply(identity, x), c(a = 0, b = 0))
  })

  plan(sequential)
}

test_that("one empty vector makes the result empty, with names when the first vector names calls", {
  named <- stats::setNames(list(), character())
  expect_identical(future_mapply(`+`, 1:3, NULL), list())
  expect_identical(future_mapply(paste, character(), letters), named)
  expect_identical(future_mapply(paste, "A", character()), named)
  expect_identical(future_mapply(paste, c(a = "A"), character()), named)
  expect_identical(future_mapply(paste, "A", character(), USE.NAMES = FALSE), list())
  expect_identical(future_mapply(identity, named, named), named)
  expect_identical(future_Map(`+`, numeric(), 1:3), list())
})

test_that("an empty future_mapply() leaves the generator alone", {
  set.seed(1)
  before <- random_seed()
  future_mapply(rnorm, integer(), 1:2, future.seed = TRUE)
  expect_identical(random_seed(), before)
})

test_that("names of a first vector that is recycled are recycled with it", {
  expect_identical(future_mapply(`+`, c(a = 1, b = 2), 1:4), c(a = 2, b = 4, a = 4, b = 6))
  expect_identical(names(future_Map(paste, "z", 1:3)), c("z", "z", "z"))
})

test_that("lengths that are no multiples of each other are recycled with a warning", {
  expect_warning(got <- future_mapply(`+`, 1:3, 1:2), "lengths? 2 are recycled to length 3",
                 class = "avenir_recycling_warning")
  expect_identical(got, c(2L, 4L, 4L))
  expect_no_warning(future_mapply(`+`, 1:4, 1:2))
})

test_that("what cannot be iterated over is named in the error", {
  invalid <- function(expr, regexp) expect_error(expr, regexp, class = "avenir_invalid_argument")
  invalid(future_mapply(c, 1:2, mean), "argument 2 of `\\.\\.\\.`.*a function.*MoreArgs")
  invalid(future_mapply(c, 1:2, y = globalenv()), "argument `y`.*environment")
  invalid(future_mapply(c, 1:2, MoreArgs = 3), "`MoreArgs` must be a list or NULL; it is 3")
  invalid(future_.mapply(c, 1:2, NULL), "`dots` must be a list")
  expect_error(future_mapply("no_such_function", 1), "no_such_function")
})

test_that("the report of undeclared random numbers names the map", {
  expect_warning(future_mapply(function(x) runif(1), 1:2), "future_mapply-1", class = "RngFutureWarning")
  expect_warning(future_Map(function(x) runif(1), 1:2), "future_Map-1", class = "RngFutureWarning")
})

test_that("globals are found in the function, in vectors of functions and in MoreArgs", {
  local_plan("multisession", workers = I(2))
  offset <- 100
  add <- function(x) x + offset
  expect_identical(future_mapply(function(f, x) f(x), list(add, sqrt), c(1, 4)), c(101, 2))
  expect_identical(future_mapply(function(x, g) g(x), 1:2, MoreArgs = list(g = add)), c(101, 102))
})

test_that("globals of functions that are mapped over travel", {
  local_plan("multisession", workers = I(1))
  assign("avenir_test_a", 42, globalenv())
  on.exit(rm("avenir_test_a", envir = globalenv()))
  fun <- eval(quote(function() avenir_test_a), globalenv())
  expect_identical(future_mapply(function(s, f) s + f(), s = 1:2, list(fun, fun)), c(43, 44))
  expect_identical(future_map2_dbl(1:2, list(fun, fun), function(s, f) s + f()), c(43, 44))
})
