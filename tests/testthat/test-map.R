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
  raise_interrupt <- function(i) signalCondition(structure(class = c("interrupt", "condition"), list())) # as R's own
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

test_that("what makes no sense as retries, limit or way with errors is refused by every map", {
  bad <- list(list(future.retries = -1), list(future.retries = NA), list(future.timeout = 0),
              list(future.timeout = NA_real_), list(future.on.error = "ignore"))
  m <- matrix(1:4, 2)
  maps <- list(
    list(future_lapply, 1:2, identity), list(future_sapply, 1:2, identity), list(future_vapply, 1:2, identity, 1L),
    list(future_replicate, 2, 1), list(future_mapply, identity, 1:2), list(future_.mapply, identity, list(1:2), NULL),
    list(future_Map, identity, 1:2), list(future_apply, m, 1, sum), list(future_tapply, 1:2, 1:2, sum),
    list(future_by, data.frame(x = 1:2), 1:2, nrow), list(future_eapply, list2env(list(a = 1)), identity),
    list(future_Filter, isTRUE, 1:2), list(future_kernapply, matrix(1:8, 4), stats::kernel("daniell", 1))
  )
  for (map in maps) for (argument in bad) {
    expect_error(do.call(map[[1L]], c(map[-1L], argument)), sprintf("^`%s` must be", names(argument)),
                 class = "avenir_invalid_argument")
  }
})

test_that("a job says what its elements may take and what becomes of errors", {
  jobs <- list()
  registerS3method("backend_map", "noting_backend", function(backend, job, relay) {
    jobs[[length(jobs) + 1L]] <<- job[c("name", "retries", "timeout", "keep_going")]
    lapply(job$x, identity)
  }, asNamespace("avenir"))
  registerS3method("backend_workers", "noting_backend", function(backend) 1L, asNamespace("avenir"))
  registerS3method("backend_close", "noting_backend", function(backend) invisible(), asNamespace("avenir"))
  local_plan("sequential", split = TRUE)
  level <- plan_levels()[[1]]
  level$backend <- new_backend("noting", "MultisessionFuture")
  future_lapply(1:2, identity)
  future_sapply(1:2, identity, future.retries = 2, future.timeout = 3, future.on.error = "keep")
  future_Map(identity, 1:2, future.retries = 1)
  expect_identical(jobs[[1]], list(name = "future_lapply", retries = 0L, timeout = Inf, keep_going = FALSE))
  expect_identical(jobs[[2]], list(name = "future_lapply", retries = 2L, timeout = 3, keep_going = TRUE))
  expect_identical(jobs[[3]], list(name = "future_mapply", retries = 1L, timeout = Inf, keep_going = FALSE))
})

relay_of <- function(keep_going = FALSE, here = FALSE) {
  job <- list(x = as.list(1:3), name = "future_lapply", keep_going = keep_going)
  new_map_relay(job, new_map_failure(), here)$element
}

test_that("the relay gives what stands for an element that is kept, otherwise NULL", {
  error <- simpleError("bad")
  expect_null(relay_of()(1, new_record(NULL)))
  expect_error(relay_of()(1, new_record(error = error)), "bad")
  put <- relay_of(keep_going = TRUE)(2, new_record(error = error))
  expect_length(put, 1L)
  expect_s3_class(put[[1]], "simpleError")
  expect_null(relay_of(keep_going = TRUE)(2, new_record(1)))
})

test_that("an interrupt ends a map that keeps errors where it means the session, otherwise it is kept", {
  interrupt <- structure(class = c("interrupt", "condition"), list(message = "", call = NULL))
  expect_error(relay_of(keep_going = TRUE, here = TRUE)(1, new_record(error = interrupt)),
               class = "FutureInterruptError")
  expect_s3_class(relay_of(keep_going = TRUE)(1, new_record(error = interrupt))[[1]], "FutureInterruptError")
})

test_that("that no worker can be started ends a map that keeps errors, too", {
  error <- future_error("no worker could be started", "avenir_worker_start_error")
  expect_error(relay_of(keep_going = TRUE)(1, new_record(error = error)), class = "avenir_worker_start_error")
})

test_that("an element whose value is a reference is reported as the option says", {
  record <- new_record(methods::new("externalptr"))
  record$reference <- TRUE
  expect_warning(put <- relay_of()(3, record), "value of element 3 of future_lapply() is an external pointer",
                 fixed = TRUE, class = "avenir_reference_warning")
  expect_null(put)
  local_options(avenir.results.onReference = "error")
  expect_error(relay_of()(3, record), "element 3", class = "avenir_reference_error")
  expect_s3_class(relay_of(keep_going = TRUE)(3, record)[[1]], "avenir_reference_error")
  options(avenir.results.onReference = "ignore")
  expect_silent(relay_of()(3, record))
})

test_that("with warnings as errors a map raises its element's error, not that it was cancelled", {
  local_plan("sequential")
  local_options(warn = 2)
  expect_error(future_lapply(1:2, function(i) stop("mine")), "^mine$")
})

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  local_test("a value that is a reference comes with a warning where it was made in another process", {
    local_options(avenir.results.onReference = NULL)
    elsewhere <- as.integer(name != "sequential")
    reported <- function(expr) {
      found <- character()
      withCallingHandlers(expr, warning = function(w) {
        found <<- c(found, if (inherits(w, "avenir_reference_warning")) conditionMessage(w))
        invokeRestart("muffleWarning")
      })
      found
    }
    make <- function(i) if (i == 2) methods::new("externalptr") else i
    expect_length(reported(future_lapply(1:3, make)), elsewhere)
    expect_length(reported(value(future(methods::new("externalptr")))), elsewhere)
    expect_length(reported(value(future(structure(7L, class = c("file", "connection"))))), elsewhere)
    expect_length(reported(future_lapply(1:2, function(i) list(methods::new("externalptr")))), 0L)
    if (elsewhere == 1L) expect_match(reported(future_lapply(1:3, make)), "element 2 of future_lapply()", fixed = TRUE)
  })
}
plan("sequential")

test_that("a list whose class has a `[[` of its own is mapped over by it, or by chunks as option says", {
  registerS3method("[[", "avenir_zeros", function(x, ...) 0, baseenv())
  x <- structure(list(a = 1, b = 2), class = "avenir_zeros")
  expect_identical(future_lapply(x, identity), list(a = 0, b = 0))
  local_options(future.apply.chunkWith = "[")
  expect_identical(future_lapply(x, identity), list(a = 1, b = 2))
})

test_that("match.call() of the function shows constants among further arguments", {
  expect_identical(future_lapply(1, function(x, ...) match.call(), flag = FALSE)[[1L]]$flag, FALSE)
})

test_that("global variables must not have the names that elements' calls use", {
  code <- quote(...future.FUN)
  fun <- eval(call("function", as.pairlist(alist(x = )), code), globalenv())
  assign("...future.FUN", 1, globalenv())
  on.exit(rm("...future.FUN", envir = globalenv()))
  expect_error(future_lapply(1, fun), "...future.", fixed = TRUE, class = "avenir_invalid_argument")
  expect_error(future_lapply(1, identity, future.globals = "...future.FUN"), class = "avenir_invalid_argument")
})
