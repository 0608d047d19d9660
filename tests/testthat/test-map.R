test_that("chunk bounds are those of parallel::splitIndices()", {
  for (n in c(1, 2, 3, 7, 10, 100, 101, 999)) {
    for (chunks in unique(pmin(n, c(1, 1.5, 2, 2.5, 3, 4, 7, 8, 50, n)))) {
      expected <- vapply(parallel::splitIndices(n, chunks), max, 0)
      expect_equal(split_bounds(n, chunks), expected, info = sprintf("n = %g, chunks = %g", n, chunks))
    }
  }
})

test_that("chunk bounds follow future.chunk.size and future.scheduling to the letter", {
  sizes <- function(n, workers, scheduling = 1, size = NULL, given = TRUE) {
    diff(c(0, chunk_bounds(new_chunking(scheduling, size, given), n, workers)))
  }
  expect_equal(sizes(10, 4, size = 3), lengths(parallel::splitIndices(10, 4)))
  expect_equal(sizes(10, 4, size = Inf), 10)
  expect_equal(sizes(10, 4, size = 1), rep(1, 10))
  expect_equal(sizes(10, 4), lengths(parallel::splitIndices(10, 4)))
  expect_equal(sizes(10, 4, scheduling = TRUE), lengths(parallel::splitIndices(10, 4)))
  expect_equal(sizes(10, 4, scheduling = FALSE), rep(1, 10))
  expect_equal(sizes(10, 4, scheduling = Inf), rep(1, 10))
  expect_equal(sizes(10, 4, scheduling = 0), 10)
  expect_equal(sizes(10, 4, scheduling = 2), lengths(parallel::splitIndices(10, 8)))
  expect_equal(sizes(2, 4, scheduling = 2), c(1, 1))
})

test_that("chunks are the backend's choice unless the user says something", {
  expect_null(chunk_bounds(new_chunking(1, NULL, given = FALSE), 10, 4))
  local_options(avenir.scheduling = "static")
  expect_length(chunk_bounds(new_chunking(1, NULL, given = FALSE), 10, 4), 4L)
})

test_that("`ordering` is a permutation, a function or \"random\"", {
  order_of <- function(ordering, n = 4) chunk_order(new_chunking(structure(1, ordering = ordering), NULL,
                                                                 TRUE), n)
  expect_identical(order_of(c(4, 3, 2, 1)), 4:1)
  expect_identical(order_of(function(n) rev(seq_len(n))), 4:1)
  expect_setequal(order_of("random"), 1:4)
  expect_null(order_of(NULL))
  expect_null(order_of(c(2, 1), n = 1))
  expect_error(order_of(1:3), "ordering", class = "avenir_invalid_argument")
  expect_error(order_of(c(1, 1, 2, 3)), class = "avenir_invalid_argument")
  expect_error(order_of("sorted"), class = "avenir_invalid_argument")
})

test_that("maps of nothing return at once, as future.apply's do", {
  expect_identical(future_lapply(NULL, function(x) x), list())
  expect_identical(future_sapply(character(), nchar), sapply(character(), nchar))
  expect_identical(future_lapply(c(a = 1)[0], identity), stats::setNames(list(), character()))
})

test_that("a map makes its label", {
  expect_identical(map_label("fit-%d", "f"), "fit-1")
  expect_identical(map_label(TRUE, "future_lapply"), "future_lapply-1")
  expect_null(map_label(FALSE, "f"))
})

test_that("an interrupt is raised as FutureInterruptError that names the map", {
  raise_interrupt <- function(i) {
    signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
  }
  local_plan("sequential")
  expect_error(suppressWarnings(future_lapply(1:2, raise_interrupt)), "future_lapply\\(\\) interrupted at",
               class = "FutureInterruptError")
})

test_that("an error of a handler of the user is not the element's error", {
  local_plan("sequential")
  reached <- FALSE
  e <- tryCatch(
    withCallingHandlers(suppressWarnings(future_lapply(1:2, function(i) message("m"))),
                        message = function(m) stop("from the handler")),
    error = identity
  )
  expect_identical(conditionMessage(e), "from the handler")
})

test_that("warnings of a map become errors under options(warn = 2)", {
  local_plan("sequential")
  local_options(warn = 2)
  expect_error(future_lapply(1:2, function(i) warning("w")), "converted from warning")
})

test_that("elements of a map may be modified without effect on others or on X", {
  x <- list(c(a = 1, b = 2), c(a = 3, b = 4))
  got <- future_lapply(x, function(v) {
    v[["a"]] <- 0
    v
  })
  expect_identical(x[[1]], c(a = 1, b = 2))
  expect_identical(got[[2]], c(a = 0, b = 4))
})

test_that("a map passes functions, formulas and NULL as further arguments", {
  expect_identical(future_lapply(1:2, function(i, f, n) list(f(i), n), f = function(x) -x, n = NULL),
                   lapply(1:2, function(i, f, n) list(f(i), n), f = function(x) -x, n = NULL))
})

test_that("%d in the label of a report stands for the map's number", {
  local_plan("sequential")
  expect_warning(future_sapply(1:2, function(i) runif(1), future.label = "draws-%d"), "draws-1",
                 class = "RngFutureWarning")
})
