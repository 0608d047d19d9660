# Errors that keep what the map had: partial_results(), future.on.error = "keep", replay().

map_error <- function(expr) tryCatch(suppressWarnings(expr), error = identity)

without_failure <- function(error) {
  attr(error, "avenir_map") <- NULL
  error
}

root <- function(x) if (x < 0) stop("negative") else sqrt(x)

special_error <- function() {
  structure(class = c("special", "error", "condition"), list(message = "m", call = quote(f(x)), field = 1:3))
}

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  # ---- partial_results() ----

  local_test("the error of a map carries the results that there are, in place and with names", {
    err <- map_error(future_lapply(c(a = 1, b = 4, c = -9, d = 16), root, future.chunk.size = 1))
    results <- partial_results(err)
    done <- attr(results, "done")
    expect_named(results, c("a", "b", "c", "d"))
    expect_identical(done[1:3], c(TRUE, TRUE, FALSE))
    expect_identical(results[["b"]], 2)
    expect_null(results[["c"]])
    expect_true(done[4] || is.null(results[["d"]]))
  })

  local_test("a result that is NULL is told from one that is missing", {
    results <- partial_results(map_error(future_lapply(1:2, function(i) if (i == 2) stop("no"))))
    expect_identical(results, structure(list(NULL, NULL), done = c(TRUE, FALSE)))
  })

  local_test("results are in place whatever the order in which elements are evaluated", {
    backwards <- structure(1, ordering = function(n) rev(seq_len(n)))
    err <- map_error(future_lapply(1:4, function(i) if (i == 2) stop("no") else i * 10, future.chunk.size = backwards))
    results <- partial_results(err)
    expect_identical(results[3:4], list(30, 40))
    expect_identical(attr(results, "done")[2:4], c(FALSE, TRUE, TRUE))
  })

  local_test("the user's error is the same but for what it carries", {
    expect_identical(without_failure(map_error(future_lapply(1:3, function(i) stop(special_error())))), special_error())
  })

  # ---- future.on.error = "keep" ----

  local_test("a failed element that is kept stands in its place, and the others are there", {
    kept <- future_lapply(c(a = 1, b = -4, c = -9, d = 16), root, future.on.error = "keep")
    expect_identical(kept[c("a", "d")], list(a = 1, d = 4))
    expect_s3_class(kept$b, c("simpleError", "error", "condition"), exact = TRUE)
    expect_identical(conditionMessage(kept$c), "negative")
    all <- future_lapply(1:3, function(i) stop(special_error()), future.on.error = "keep")
    expect_identical(lapply(all, without_failure), rep(list(special_error()), 3))
  })

  local_test("nothing is raised or warned for an element that is kept", {
    seen <- transcript(future_lapply(1:3, function(i) {
      cat("o", i, "\n", sep = "")
      if (i == 2) stop("bad")
    }, future.on.error = "keep"))
    expect_identical(seen, "out: o1\no2\no3")
  })

  local_test("random numbers do not depend on elements that failed", {
    draw <- function(i, bad) if (i == bad) stop("bad") else runif(1)
    expect_identical(future_lapply(1:4, draw, bad = 2, future.seed = 1, future.on.error = "keep")[-2],
                     future_lapply(1:4, draw, bad = 0, future.seed = 1)[-2])
  })

  local_test("a limit that was hit is kept, too", {
    slow <- function(i) if (i == 2) repeat Sys.sleep(0.01) else i
    kept <- future_lapply(1:3, slow, future.timeout = 0.5, future.on.error = "keep")
    expect_s3_class(kept[[2]], c("FutureTimeoutError", "FutureInterruptError", "FutureError"))
    expect_match(conditionMessage(kept[[2]]), "Element 2 of future_lapply() took longer than its time limit",
                 fixed = TRUE)
    expect_identical(kept[-2], list(1L, 3L))
  })

  # ---- replay() ----

  local_test("replay() evaluates the failed element with its argument, globals and random numbers", {
    factor <- 10
    fail <- function(x, y) stop(paste(x * factor, y, runif(1)))
    err <- map_error(future_lapply(c(3, 5), fail, y = "y", future.seed = 42))
    again <- map_error(replay(err))
    expect_match(conditionMessage(err), "^30 y 0\\.")
    expect_identical(again, without_failure(err))
  })

  local_test("replay() takes the condition of an element that was kept", {
    kept <- future_mapply(function(a, b) stop(paste(a, b, rnorm(1))), 1:3, c(x = "u", y = "v", z = "w"),
                          future.seed = 1, future.on.error = "keep")
    expect_match(conditionMessage(kept[[2]]), "^2 v ")
    expect_identical(conditionMessage(map_error(replay(kept[[2]]))), conditionMessage(kept[[2]]))
  })

  local_test("replay() gives the value when there is one this time", {
    file <- tempfile()
    on.exit(unlink(file))
    err <- map_error(future_lapply(1:2, function(i) if (file.exists(file)) i * 10 else stop("not yet")))
    file.create(file)
    expect_identical(withVisible(replay(err)), list(value = 10, visible = TRUE))
  })

  local_test("replay() evaluates the expression of a future, and leaves the future as it is", {
    a <- 2
    f <- future(c(a, runif(1)), seed = 42, label = "f")
    expect_identical(replay(f), value(f))
    lazy <- future(stop("lazy"), lazy = TRUE)
    expect_error(replay(lazy), "lazy")
    expect_identical(lazy$state, "created")
    expect_false(withVisible(replay(future(invisible(1))))$visible)
  })
}
plan("sequential")

# ---- Which error, and what is evaluated ----

for (name in setdiff(names(conformance_plans()), "sequential")) {
  set_plan_of(conformance_plans()[[name]])

  # Element 2 fails first, element 1 goes on until it has.
  fail_second_first <- function(file, after) {
    wait_until <- wait_until
    map_error(future_lapply(1:2, function(i) {
      if (i == 2) {
        file.create(file)
        stop("two")
      }
      if (!wait_until(function() file.exists(file))) stop("element 2 was not evaluated")
      after()
    }, future.chunk.size = 1))
  }

  local_test("an element before the one that failed comes to its end", {
    err <- fail_second_first(tempfile(), function() "one")
    expect_identical(conditionMessage(err), "two")
    expect_identical(partial_results(err), structure(list("one", NULL), done = c(TRUE, FALSE)))
  })

  local_test("of several errors that of the lowest element is raised", {
    err <- fail_second_first(tempfile(), function() stop("one"))
    expect_identical(conditionMessage(err), "one")
  })

  local_test("a lost worker is kept in place as its condition", {
    kept <- future_lapply(1:4, function(i) if (i == 3) tools::pskill(Sys.getpid(), tools::SIGKILL) else i,
                          future.chunk.size = 1, future.on.error = "keep")
    expect_s3_class(kept[[3]], c("WorkerLostError", "FutureInterruptError", "FutureError"))
    expect_identical(kept[-3], list(1L, 2L, 4L))
  })

  local_test("the error of a lost worker says how many results are kept", {
    err <- map_error(future_lapply(1:4, function(i) if (i == 4) tools::pskill(Sys.getpid(), tools::SIGKILL) else i,
                                   future.chunk.size = 1))
    expect_s3_class(err, "WorkerLostError")
    expect_match(conditionMessage(err), "i 3 of 4 results are kept: see partial_results().", fixed = TRUE)
    expect_identical(partial_results(err)[1:3], list(1L, 2L, 3L))
  })
}
plan("sequential")

# Interrupts a map whose elements 3 and 4 do not end, when as many of them as can be have begun.
interrupted_map <- function(plan) {
  child <- start_child(c(sprintf("do.call(plan, %s)", deparse1(plan)), "
    error <- tryCatch(future_lapply(1:4, function(i) {
      if (i < 3) return(i)
      file.create(file.path(folder, paste0('begun-', i)))
      repeat Sys.sleep(0.01)
    }, future.chunk.size = 1), error = identity)
    mark('result', list(class = class(error), message = conditionMessage(error), results = partial_results(error),
                        replay = tryCatch(replay(error), error = class)))
  "))
  on.exit(kill_child(child))
  begun <- function() length(list.files(child$folder, "^begun")) == max(1L, plan$workers)
  if (!wait_until(begun)) stop("the map did not begin; the child wrote:\n", child_output(child))
  signal_child(child, tools::SIGINT)
  child_value(child, "result")
}

for (name in setdiff(names(conformance_plans()), "cluster")) {
  local_test("what there is when a map is interrupted is kept", {
    # On a busy machine the last answer may still be on its way.
    for (attempt in 1:10) {
      got <- interrupted_map(conformance_plans()[[name]])
      done <- attr(got$results, "done")
      if (sum(done) == 2L) break
    }
    expect_true("FutureInterruptError" %in% got$class)
    expect_identical(got$results, structure(list(1L, 2L, NULL, NULL), done = c(TRUE, TRUE, FALSE, FALSE)))
    expect_match(got$message, "i 2 of 4 results are kept: see partial_results().", fixed = TRUE)
    expect_true("avenir_invalid_argument" %in% got$replay)
  })
}

# ---- Names and shapes ----

test_that("results that are left have the names that the map's result would have", {
  local_plan("sequential")
  names_left <- function(expr) names(partial_results(map_error(expr)))
  no <- function(...) stop("no")
  expect_identical(names_left(future_sapply(c("u", "v"), no)), c("u", "v"))
  expect_null(names_left(future_sapply(c("u", "v"), no, USE.NAMES = FALSE)))
  expect_null(names_left(future_lapply(c("u", "v"), no)))
  expect_identical(names_left(future_vapply(c(a = 1, b = 2), no, 1)), c("a", "b"))
  expect_identical(names_left(future_mapply(no, c("u", "v"), 1:2)), c("u", "v"))
  expect_identical(names_left(future_Map(no, c(x = 1, y = 2))), c("x", "y"))
  expect_null(names_left(future_.mapply(no, list(c(x = 1, y = 2)), NULL)))
  expect_identical(names_left(future_apply(matrix(1:4, 2, dimnames = list(c("r", "s"), NULL)), 1, no)), c("r", "s"))
  expect_identical(names_left(future_tapply(1:3, c("a", "b", "b"), no)), c("a", "b"))
  expect_identical(names_left(future_tapply(1:3, list(c("a", "b", "b"), c("u", "u", "v")), no)),
                   c("a.u", "b.u", "b.v"))
  expect_identical(names_left(future_by(data.frame(x = 1:2), c("g", "h"), no)), c("g", "h"))
  expect_identical(names_left(future_eapply(list2env(list(only = 1)), no)), "only")
})

test_that("nothing is simplified when a kept element has failed", {
  local_plan("sequential")
  odd <- function(i, ...) if (i[1] %% 2 == 0) stop("even") else 1
  expect_type(future_sapply(1:3, odd, future.on.error = "keep"), "list")
  expect_type(future_replicate(2, stop("no"), future.on.error = "keep"), "list")
  expect_type(future_mapply(odd, 1:3, 4, future.on.error = "keep"), "list")
  expect_type(future_apply(matrix(1:4, 2), 2, odd, future.on.error = "keep"), "double")
  cells <- future_apply(matrix(1:4, 2), 1:2, odd, future.on.error = "keep")
  expect_type(cells, "list")
  expect_identical(dim(cells), c(2L, 2L))
  expect_identical(cells[[1, 2]], 1)
  groups <- future_tapply(1:4, c("a", "b", "b", "c"), odd, future.on.error = "keep")
  expect_s3_class(groups[["b"]], "simpleError")
  expect_identical(groups[["a"]], 1)
  expect_s3_class(future_by(data.frame(x = 1:2), 1:2, function(d) odd(d$x), future.on.error = "keep")[[2]], "error")
})

test_that("values are simplified as ever when no element has failed, and errors that are values are values", {
  local_plan("sequential")
  expect_identical(future_sapply(c("a", "b"), nchar, future.on.error = "keep"), c(a = 1L, b = 1L))
  expect_identical(future_mapply(rep, 1:2, 2, future.on.error = "keep"), mapply(rep, 1:2, 2))
  give <- function(i) simpleError("a value", quote(f()))
  expect_identical(future_sapply(1:2, give), sapply(1:2, give))
  expect_identical(future_sapply(1:2, give, future.on.error = "stop"), sapply(1:2, give))
})

test_that("maps whose result has no place for a condition refuse to keep one", {
  local_plan("sequential")
  refused <- function(expr, what) expect_error(expr, what, class = "avenir_invalid_argument")
  refused(future_vapply(1:2, sqrt, 1, future.on.error = "keep"), "future_vapply.*future_lapply")
  refused(future_Filter(is.na, 1:2, future.on.error = "keep"), "future_Filter.*future_lapply")
  smooth <- stats::kernel("daniell", 1)
  refused(future_kernapply(1:9, smooth, future.on.error = "keep"), "future_kernapply.*future_apply")
  expect_identical(future_vapply(c(1, 4), sqrt, 1, future.on.error = "stop"), c(1, 2))
  expect_identical(future_Filter(function(i) i > 1, 1:3, future.on.error = "stop", future.retries = 1), 2:3)
})

# ---- What the error is not ----

test_that("what is no error of a map is refused, with a remedy", {
  refused <- function(expr, what) expect_error(expr, what, class = "avenir_invalid_argument")
  refused(partial_results(simpleError("mine")), "of class `simpleError`.*\ni Catch it around the map")
  refused(partial_results(NULL), "it is NULL")
  refused(partial_results(try(stop("x"), silent = TRUE)), "must be the error of a map")
  refused(replay(simpleError("mine")), "must be the error of a map or a future")
  refused(replay(list()), "it is list()")
  kept <- future_lapply(1, function(i) stop("no"), future.on.error = "keep")
  refused(partial_results(kept[[1]]), "not one that stands in its result")
})

test_that("in a session that is not interactive the error must be given", {
  skip_if(interactive())
  map_error(future_lapply(1, function(i) stop("no")))
  expect_error(partial_results(), "interactive", class = "avenir_invalid_argument")
  expect_error(replay(), "interactive", class = "avenir_invalid_argument")
})

test_that("an interactive session keeps the last error of a map", {
  err <- map_error(future_lapply(1:2, function(i) if (i == 2) stop("no") else i))
  session_state$map_error <- err
  on.exit(session_state$map_error <- NULL)
  expect_identical(partial_results(), partial_results(err))
  expect_error(replay(), "no")
})

test_that("the error of try() will do", {
  err <- try(suppressWarnings(future_lapply(1:2, function(i) if (i == 2) stop("no") else i)), silent = TRUE)
  expect_identical(partial_results(err), structure(list(1L, NULL), done = c(TRUE, FALSE)))
  expect_error(replay(err), "no")
})

test_that("a map that was interrupted has no element to replay, a dropped future no expression", {
  raise_interrupt <- function(i) signalCondition(structure(class = c("interrupt", "condition"), list())) # as R's own
  local_plan("sequential")
  err <- map_error(future_lapply(1:2, raise_interrupt, future.on.error = "keep"))
  expect_s3_class(err, "FutureInterruptError")
  expect_error(replay(err), "none of its elements failed", class = "avenir_invalid_argument")
  expect_identical(attr(partial_results(err), "done"), c(FALSE, FALSE))
  expect_false(grepl("results are kept", conditionMessage(err)))
  f <- future(1)
  value(f, drop = TRUE)
  expect_error(replay(f), "dropped", class = "avenir_invalid_argument")
})

test_that("of maps within maps each error says what its own map has kept", {
  local_plan("sequential")
  inner <- function(i) suppressWarnings(future_lapply(1:3, function(j) if (j == 3 && i == 2) interrupt_now() else j))
  interrupt_now <- function() signalCondition(structure(class = c("interrupt", "condition"), list()))
  err <- map_error(future_lapply(1:2, inner))
  expect_match(conditionMessage(err), "i 1 of 2 results are kept: see partial_results().", fixed = TRUE)
  expect_length(partial_results(err), 2L)
  kept <- future_lapply(1:2, inner, future.on.error = "keep")
  expect_false(grepl("results are kept", conditionMessage(kept[[2]])))
})

test_that("conditions that are kept share what they need to be replayed", {
  big <- numeric(1e5)
  kept <- future_lapply(1:10, function(i) stop("no", length(big)), future.on.error = "keep")
  expect_lt(length(serialize(kept, NULL)), 2 * 8e5)
  expect_error(replay(unserialize(serialize(kept, NULL))[[3]]), "no1")
})

# ---- The session around a replay ----

test_that("replay() leaves the session as it was", {
  local_plan("sequential")
  set.seed(1)
  err <- map_error(future_lapply(1, function(i) {
    options(avenir.of.test = "changed")
    setwd(tempdir())
    runif(1)
    stop("no")
  }, future.globals = list(x_of_replay = 1), future.seed = 3))
  local_options(avenir.of.test = "before")
  before <- list(random_seed(), getOption("avenir.of.test"), getwd(), ls(globalenv(), all.names = TRUE))
  expect_error(replay(err), "no")
  after <- list(random_seed(), getOption("avenir.of.test"), getwd(), ls(globalenv(), all.names = TRUE))
  expect_identical(after, before)
})

test_that("output and conditions of a replay appear at once", {
  err <- map_error(suppressMessages(future_lapply(1, function(i) {
    cat("printed\n")
    message("told")
    stop("no")
  }, future.stdout = FALSE)))
  expect_identical(transcript(replay(err)), c("out: printed", "message: told", "error: no"))
})

test_that("no handler of ours lies around a replay", {
  err <- map_error(future_lapply(1, function(i) stop("no")))
  calls <- NULL
  try(withCallingHandlers(replay(err), error = function(e) calls <<- sys.calls()), silent = TRUE)
  functions <- vapply(calls, function(call) deparse(call[[1L]])[1L], "")
  replayed <- functions[-seq_len(match("replay", functions))]
  expect_true("...future.FUN" %in% replayed)
  expect_false(any(c("tryCatch", "try", "withCallingHandlers") %in% replayed))
})

test_that("options(error = ) sees the frames of an element that is replayed", {
  got <- in_child("
    fail <- function(i) {
      mine <- 'local value'
      stop('no')
    }
    look <- function() {
      for (frame in sys.frames()) if (exists('mine', frame, inherits = FALSE)) mark('result', get('mine', frame))
    }
    err <- tryCatch(suppressWarnings(future_lapply(1, fail)), error = identity)
    options(error = quote(look()))
    replay(err)
  ")
  expect_identical(got, "local value")
})
