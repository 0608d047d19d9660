without_call <- function(x) `attr<-`(x, "call", NULL)

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  test_that(paste0(name, ": future_apply() gives what apply() gives"), {
    named <- cbind(x1 = 3, x2 = c(4:1, 2:5))
    names(dimnames(named)) <- c("row", "col")
    cube <- array(named, c(dim(named), 3), c(dimnames(named), list(C = paste0("cop.", 1:3))))
    upto <- function(x) seq_len(max(x))
    some_names <- function(x) if (x[1] == 1L) stats::setNames(x, letters[seq_along(x)]) else x
    calls <- list(
      list(matrix(c(1:4, 1, 6:8), 2), 1, unique), list(matrix(1:8, 2), 1, "sum"), list(matrix(1:8, 2), 2, quantile),
      list(named, 2, identity), list(named, "col", range), list(named, c("col", "row"), identity),
      list(cube, 2:3, identity), list(cube, 1, dim), list(cube, c(3, 1), sum), list(cube, "C", function(x) x[1:2, ]),
      list(array(1:24, 2:4), 1:2, upto), list(array(1:24, 2:4), 1:2, upto, simplify = FALSE),
      list(array(1:24, 2:4), c(1, 3), range), list(matrix(1:4, 2), 1, some_names), list(matrix(1:4, 2), 1:2, `-`),
      list(data.frame(a = 1:3, b = c("x", "y", "z")), 1, paste, collapse = "-"),
      list(matrix(1:4, 2), 1, function(x) NULL), list(matrix(list(1, "a", NULL, 2), 2), 2, length),
      list(matrix(nrow = 0, ncol = 2), 1, identity), list(matrix(nrow = 0, ncol = 2), 2, length),
      list(array(0, c(0, 2, 0)), c(1, 3), length)
    )
    for (call in calls) {
      expect_identical(do.call(future_apply, call), do.call(apply, call), info = deparse1(call[-3]))
    }
  })

  test_that(paste0(name, ": future_tapply() gives what tapply() gives"), {
    n <- 17
    fac <- factor(rep_len(1:3, n), levels = 1:5)
    ind <- list(c(1, 2, 2), c("A", "A", "B"))
    calls <- list(
      list(as.vector(warpbreaks$breaks), warpbreaks[, -1], sum), list(1:n, fac, sum), list(1:n, fac, sum, default = 0),
      list(warpbreaks$breaks, warpbreaks[, 3, drop = FALSE], "sum"), list(1:n, fac, sum, simplify = FALSE),
      list(1:n, fac, range), list(1:n, fac, quantile), list(1:n, fac, length, default = 0L), list(1:3, ind),
      list(1:3, ind, sum), list(1:3, list(g = c("a", NA, "b")), sum), list(letters[1:3], ind, toupper),
      list(presidents, stats::cycle(presidents), mean, na.rm = TRUE), list(1:2, c("a", "b"), function(x) as.raw(x)),
      list(integer(), factor(character(), "a"), sum), list(1:3, ind, function(x) list(x)),
      list(as.Date("2020-01-01") + 0:2, c(1, 1, 2), range), list(1:3, ind, function(x) x, default = "none")
    )
    for (call in calls) {
      expect_identical(do.call(future_tapply, call), do.call(tapply, call), info = deparse1(call[-3]))
    }
  })

  test_that(paste0(name, ": future_tapply() groups the rows of data frames"), {
    got <- future_tapply(warpbreaks, warpbreaks$tension, function(rows) sum(rows$breaks))
    expect_identical(got, tapply(warpbreaks$breaks, warpbreaks$tension, sum))
  })

  test_that(paste0(name, ": future_by() gives what by() gives"), {
    data <- warpbreaks
    by2 <- function(data, INDICES, FUN) by(data, INDICES, FUN)
    future_by2 <- function(data, INDICES, FUN) future_by(data, INDICES, FUN)
    got <- list(
      future_by(data[, 1:2], data[, "tension"], summary), future_by(data[, 1], data[, -1], summary, digits = 2L),
      future_by(data, data["wool"], function(x, k) mean(x$breaks) + k, k = 1), future_by2(data, data$wool, dim),
      future_by(data, list(data$wool, data$tension), nrow, simplify = FALSE),
      future_by(as.matrix(data[1]), data["wool"], function(x) class(x)), with(data, future_by(data, tension, nrow))
    )
    expected <- list(
      by(data[, 1:2], data[, "tension"], summary), by(data[, 1], data[, -1], summary, digits = 2L),
      by(data, data["wool"], function(x, k) mean(x$breaks) + k, k = 1), by2(data, data$wool, dim),
      by(data, list(data$wool, data$tension), nrow, simplify = FALSE),
      by(as.matrix(data[1]), data["wool"], function(x) class(x)), with(data, by(data, tension, nrow))
    )
    for (i in seq_along(expected)) {
      expect_identical(without_call(got[[i]]), without_call(expected[[i]]), info = paste("case", i))
    }
  })

  test_that(paste0(name, ": future_eapply() gives what eapply() gives"), {
    env <- list2env(list(a = 1:10, beta = exp(-3:3), logic = c(TRUE, FALSE), .hidden = 1))
    for (fun in list(mean, "quantile", function(x) NULL)) {
      for (all in c(TRUE, FALSE)) {
        expected <- eapply(env, fun, all.names = all)
        expect_identical(future_eapply(env, fun, all.names = all), expected)
        expect_identical(future_eapply(env, fun, all.names = all, USE.NAMES = FALSE), unname(expected))
      }
    }
    expect_identical(future_eapply(env, quantile, probs = 0.5), eapply(env, quantile, probs = 0.5))
  })

  test_that(paste0(name, ": future_Filter() gives what Filter() gives"), {
    odd <- function(x) x %% 2 == 1
    expect_identical(future_Filter(odd, c(u = 1L, v = 2L, w = 3L)), Filter(odd, c(u = 1L, v = 2L, w = 3L)))
    expect_identical(future_Filter(Negate(is.null), list(a = 1, b = NULL)), list(a = 1))
    expect_identical(future_Filter("is.na", c(1, NA)), NA_real_)
    expect_identical(future_Filter(function(x) NA, 1:3), integer())
    expect_identical(future_Filter(function(x, limit) x > limit, 1:3, limit = 1, future.chunk.size = 1), 2:3)
    expect_identical(future_Filter(odd, factor(character())), factor(character()))
    expect_identical(future_Filter(odd, integer()), integer())
  })

  test_that(paste0(name, ": future_kernapply() gives what kernapply() gives"), {
    k <- stats::kernel("daniell", m = 5L)
    markets <- EuStockMarkets[1:100, 1:2]
    series <- stats::ts(markets, start = c(1991, 130), frequency = 260)
    for (x in list(markets, series, series[, 1], as.vector(markets))) {
      expect_identical(future_kernapply(x, k), stats::kernapply(x, k))
      expect_identical(future_kernapply(x, k, circular = TRUE, future.chunk.size = 1),
                       stats::kernapply(x, k, circular = TRUE))
    }
  })

  test_that(paste0(name, ": numbers drawn over margins and groups are those of future_lapply()"), {
    of <- function(n) unlist(future_lapply(1:n, function(i) runif(1), future.seed = 7))
    one <- function(x) runif(1)
    expect_identical(future_apply(matrix(1:6, 2), 2, one, future.seed = 7), of(3))
    expect_identical(as.vector(future_tapply(1:6, c(1, 1, 2, 2, 3, 3), one, future.seed = 7)), of(3))
    expect_identical(as.vector(future_by(warpbreaks, warpbreaks$wool, one, future.seed = 7)), of(2))
    env <- list2env(list(a = 1, b = 2))
    expect_identical(unlist(future_eapply(env, one, USE.NAMES = FALSE, future.seed = 7)), of(2))
  })

  test_that(paste0(name, ": a value that is not as FUN.VALUE ends the map with an error that says how"), {
    wrong <- function(fun, template, regexp) {
      expect_error(suppressWarnings(future_vapply(1:2, fun, template)), regexp, class = "avenir_invalid_argument")
    }
    wrong(function(i) 1:2, 1, "must be length 1, but FUN\\(X\\[\\[ii\\]\\]\\) result is length 2")
    wrong(function(i) "a", 1, "must be type 'double', but .* type 'character'")
    wrong(function(i) 1:4, matrix(0L, 2, 2), "must be that of FUN.VALUE, 2 x 2")
  })

  plan(sequential)
}

test_that("the call that a by object holds is that of the method, as in base R", {
  data <- warpbreaks
  got <- attr(future_by(data, data$wool, nrow), "call")
  expect_identical(got, quote(future_by.data.frame(data = data, INDICES = data$wool, FUN = nrow)))
  expect_identical(names(dimnames(future_by(data, data$wool, nrow))), "data$wool")
})

test_that("margins that do not exist are named", {
  invalid <- function(expr, regexp) expect_error(expr, regexp, class = "avenir_invalid_argument")
  x <- matrix(1:4, 2)
  named <- matrix(1:4, 2, dimnames = list(r = NULL, k = NULL))
  invalid(future_apply(1:3, 1, sum), "dim\\(X\\) must have a positive length")
  invalid(future_apply(x, 3, sum), "`MARGIN` must be different dimensions of `X`, which are 1, 2; it is 3")
  invalid(future_apply(x, c(1, 1), sum), "`MARGIN`")
  invalid(future_apply(x, c(1, NA), sum), "`MARGIN`")
  invalid(future_apply(x, integer(), sum), "`MARGIN`")
  invalid(future_apply(x, list(1), sum), "`MARGIN`")
  invalid(future_apply(x, "r", sum), "named dimnames")
  invalid(future_apply(named, "rows", sum), "which are r, k; it is \"rows\"")
})

test_that("an INDEX that does not fit is told so", {
  invalid <- function(expr, regexp) expect_error(expr, regexp, class = "avenir_invalid_argument")
  invalid(future_tapply(1:3, list(), sum), "`INDEX` must be at least one factor")
  invalid(future_tapply(1:3, 1:2, sum), "same length as `X`, which is 3; .* 2L?\\.")
  invalid(future_tapply(1:3, list(1:3, 1:2), sum), "same length")
  invalid(future_tapply(warpbreaks, 1:3, sum), "which is 54")
  invalid(future_tapply(1:216, rep(list(1:216), 4), sum), "less than 2\\^31")
  invalid(future_tapply(1:2, 1:2, sum, default = NULL), "`default` must be one value")
  invalid(future_tapply(1:2, ~g, sum), "`X` must be a data frame when `INDEX` is a formula")
  invalid(future_by(warpbreaks, 1:3, sum), "`INDICES` must have same length as `data`, which is 54")
  invalid(future_by(warpbreaks, list(), sum), "`INDICES` must be at least one factor")
  invalid(future_eapply(list(a = 1), sum), "`env` must be an environment")
  invalid(future_kernapply(array(1:8, c(2, 2, 2)), stats::kernel("daniell", 1)), "vector, a matrix or a time series")
})

test_that("future_by() takes no name of a function", {
  expect_error(future_by(warpbreaks, warpbreaks$wool, "nrow"), "`FUN` must be a function", class = "defunctError")
})

test_that("formulas name groups where base R can read them", {
  if (getRversion() >= "4.3.0") {
    expect_identical(future_tapply(warpbreaks, ~ wool + tension, nrow), tapply(warpbreaks, ~ wool + tension, nrow))
  } else {
    expect_error(future_tapply(warpbreaks, ~ wool + tension, nrow), "under R before 4.3.0",
                 class = "NotSupportedByThisRVersionError")
  }
})
