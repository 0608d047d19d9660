# What a script written for future relies on, one test for each rule, under every plan. Expected values come from base R
# and the package parallel, by the rules themselves.

# The state that `seed` stands for.
lecuyer_of <- function(seed) {
  before <- random_seed()
  on.exit(if (is.null(before)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", before, globalenv()))
  kinds <- RNGkind("L'Ecuyer-CMRG")
  on.exit(RNGkind(kinds[1], kinds[2], kinds[3]), add = TRUE, after = FALSE)
  if (!isTRUE(seed)) set.seed(seed)
  random_seed()
}

drawn_from <- function(state, expr) with_rng_stream(state, expr)

element_states <- function(state, n) {
  states <- list()
  for (i in seq_len(n)) {
    states[[i]] <- parallel::nextRNGSubStream(state)
    state <- parallel::nextRNGStream(state)
  }
  states
}

# The states of the session's generator that `expr` moves it over: their number.
moves <- function(expr) {
  set.seed(5)
  states <- list()
  for (i in 1:4) {
    states[[i]] <- random_seed()
    sample.int(1L, 1L)
  }
  set.seed(5)
  try(expr, silent = TRUE)
  which(vapply(states, identical, NA, random_seed())) - 1L
}

first_of <- function(expr, class) tryCatch({
  expr
  NULL
}, condition = function(cond) if (inherits(cond, class)) cond else stop(cond))

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])
  in_session <- name == "sequential"

  # ---- Random numbers ----

  local_test("a seed of seven integers is the stream itself", {
    state <- c(10407L, 11:16)
    expect_identical(value(future(runif(3), seed = state)), drawn_from(state, runif(3)))
  })

  local_test("a number is set.seed() under L'Ecuyer, one stream on", {
    expect_identical(value(future(runif(3), seed = 42)), drawn_from(parallel::nextRNGStream(lecuyer_of(42)), runif(3)))
  })

  local_test("TRUE moves the session by one draw, then derives a stream from it", {
    set.seed(7)
    got <- value(future(runif(3), seed = TRUE))
    set.seed(7)
    sample.int(1L, 1L)
    expect_identical(got, drawn_from(parallel::nextRNGStream(lecuyer_of(TRUE)), runif(3)))
    expect_identical(moves(value(future(1, seed = TRUE))), 1L)
    expect_identical(moves(value(future(1, seed = 42))), 0L)
  })

  local_test("an element's stream is a substream of the map's, by its place", {
    states <- element_states(lecuyer_of(42), 5)
    expected <- lapply(states, function(state) drawn_from(state, runif(2)))
    expect_identical(future_lapply(1:5, function(i) runif(2), future.seed = 42), expected)
    backwards <- structure(TRUE, ordering = 5:1)
    reversed <- future_lapply(1:5, function(i) runif(2), future.seed = 42, future.scheduling = backwards)
    expect_identical(reversed, expected)
    expect_identical(future_lapply(1:5, function(i) runif(2), future.seed = 42, future.chunk.size = 2), expected)
    expect_false(identical(expected[[1]], value(future(runif(2), seed = 42))))
  })

  local_test("a list of states is used as it is", {
    states <- rng_streams(3, seed = 1)
    expect_identical(future_lapply(1:3, function(i) rnorm(1), future.seed = states),
                     lapply(states, function(state) drawn_from(state, rnorm(1))))
  })

  local_test("a map moves the session's generator by two draws, given states by one, no seed by none", {
    draw <- function(i) runif(1)
    expect_identical(moves(future_lapply(1:3, draw, future.seed = TRUE)), 2L)
    expect_identical(moves(future_lapply(1:3, draw, future.seed = 42)), 2L)
    expect_identical(moves(future_lapply(1:3, draw, future.seed = rng_streams(3, 1))), 1L)
    expect_identical(moves(future_lapply(integer(), draw, future.seed = TRUE)), 0L)
    expect_identical(moves(future_lapply(1:3, draw, future.seed = NULL)), 0L)
    expect_identical(moves(suppressWarnings(future_lapply(1:3, function(i) stop("e"), future.seed = TRUE))), 2L)
  })

  local_test("the session's kinds of normal numbers and sampling go along with a seed", {
    before <- RNGkind()
    on.exit(RNGkind(before[1], before[2], before[3]))
    suppressWarnings(RNGkind("default", "Box-Muller", "Rounding"))
    expect_identical(value(future(RNGkind(), seed = 42)), c("L'Ecuyer-CMRG", "Box-Muller", "Rounding"))
  })

  local_test("drawing without a seed is reported, after the error if there is one", {
    expect_s3_class(first_of(value(future(runif(1))), "condition"), "RngFutureWarning")
    expect_s3_class(first_of(future_lapply(1, function(i) runif(1)), "condition"), "RngFutureWarning")
    expect_null(first_of(value(future(runif(1), seed = NULL)), "condition"))
    seen <- transcript(value(future({
      runif(1)
      stop("e")
    })))
    expect_match(seen[1], "UNRELIABLE VALUE")
    expect_identical(seen[2], "error: e")
  })

  local_test("future_replicate() draws with a seed by itself", {
    expect_null(first_of(draws <- future_replicate(3, runif(1)), "condition"))
    expect_identical(anyDuplicated(draws), 0L)
  })

  local_test("making, starting, polling and collecting leave the generator alone", {
    expect_identical(moves({
      f <- future(1, lazy = TRUE)
      run(f)
      resolved(f)
      resolve(f)
      result(f)
      value(f)
    }), 0L)
  })

  # ---- Globals and packages ----

  local_test("functions that are only named in a string or found by get() are there", {
    a <- 3
    triple <- function(x) 3 * x
    expect_identical(value(future(get("a"))), 3)
    expect_identical(value(future(do.call("triple", list(2)))), 6)
  })

  local_test("a variable that is local on one branch only is a global", {
    a <- 1
    ask <- function(assign_it) value(future({
      if (assign_it) a <- 2
      a
    }))
    expect_identical(ask(TRUE), 2)
    expect_identical(ask(FALSE), 1)
  })

  local_test("S3 methods, S4 generics and formulas come along", {
    local_methods <- function() {
      shape <- structure(list(), class = "a_shape")
      area <- function(x) UseMethod("area")
      area.a_shape <- function(x) 42
      k <- 2
      form <- y ~ x + k
      list(value(future(area(shape), globals = list(area = area, area.a_shape = area.a_shape, shape = shape))),
           value(future(get("k", environment(form)))))
    }
    expect_identical(local_methods(), list(42, 2))
  })

  local_test("`...` is a global, also in an inner function", {
    outer <- function(...) value(future((function() sum(...))()))
    expect_identical(outer(1, 2, 3), 6)
    first <- function(...) value(future(..1))
    expect_identical(first("x", "y"), "x")
  })

  local_test("what a package does not export can be a global", {
    hidden <- asNamespace("stats")$Pillai
    expect_identical(value(future(is.function(hidden))), TRUE)
  })

  local_test("attributes add and ignore of `globals`", {
    a <- 1
    expect_identical(value(future(a + b_of_nobody, globals = structure(TRUE, add = list(b_of_nobody = 2)))), 3)
    f <- future(a_of_nobody_else, globals = structure(TRUE, ignore = "a_of_nobody_else"), lazy = TRUE)
    expect_identical(names(f$globals), NULL)
  })

  local_test("a package that is missing is a FutureLaunchError", {
    f <- tryCatch(future(1, packages = "no.such.package"), error = identity)
    e <- if (inherits(f, "error")) f else first_of(value(f), "error")
    expect_s3_class(e, c("FutureLaunchError", "FutureError"))
    expect_match(conditionMessage(e), "no.such.package")
  })

  # ---- The worker afterwards ----

  local_test("a future finds nothing of the one before: variables, options, environment, folder, generator", {
    here <- getwd()
    suppressWarnings(value(future({
      options(digits = 3)
      Sys.setenv(HOME = "/elsewhere")
      setwd(tempdir())
      RNGkind("Wichmann-Hill")
      set.seed(1)
    }, seed = NULL)))
    for (i in 1:2) {
      now <- value(future(list(getOption("digits"), Sys.getenv("HOME"), getwd(), RNGkind()[1])))
      expect_identical(now, list(getOption("digits"), Sys.getenv("HOME"), here, "Mersenne-Twister"))
    }
    if (!in_session) {
      for (i in 1:4) value(future(assign("left_by_future", i, globalenv())))
      expect_false(value(future(exists("left_by_future", inherits = FALSE, envir = globalenv()), globals = FALSE)))
    }
  })

  local_test("R_FUTURE_PLAN and mc.cores do not multiply processes", {
    if (!in_session) {
      expect_identical(value(future(c(Sys.getenv("R_FUTURE_PLAN"), getOption("mc.cores")))), c("", "1"))
      expect_identical(as.integer(value(future(avenir::availableCores()))), 1L)
    }
    expect_identical(value(future(avenir::nbrOfWorkers())), 1L)
  })

  # ---- Output and conditions ----

  local_test("`conditions` takes exclude, and immediateConditionClasses", {
    f <- future({
      message("m")
      warning("w")
    }, conditions = structure("condition", exclude = "message"))
    expect_identical(transcript(value(f)), "warning: w")
    now <- structure("condition", immediateConditionClasses = "custom")
    f <- future(signalCondition(structure(class = c("custom", "condition"), list(message = "now", call = NULL))),
                conditions = now, lazy = TRUE)
    expect_identical(transcript(value(f)), "custom: now")
    expect_identical(transcript(value(f)), character())
  })

  local_test("a variable of %<-% raises its error each time", {
    x %<-% stop("no value")
    expect_error(x, "no value")
    expect_error(x, "no value")
  })

  local_test("value() of a list with an error gives up the others and raises it", {
    fs <- list(future(stop("first")), future(2))
    expect_error(value(fs), "first", class = "simpleError")
    expect_true(all(vapply(fs, function(f) f$state %in% c("finished", "canceled", "interrupted"), NA)))
  })

  local_test("value(signal = FALSE) gives the error as the value", {
    expect_s3_class(value(future(stop("e")), signal = FALSE), "simpleError")
    expect_s3_class(value(list(future(stop("e"))), signal = FALSE)[[1]], "simpleError")
  })

  # ---- Cancelling, starting over, owning ----

  local_test("cancel() leaves lazy and finished futures alone, and gives them back", {
    f <- future(1)
    value(f)
    expect_identical(cancel(f), f)
    expect_identical(f$state, "finished")
    lazy <- future(2, lazy = TRUE)
    expect_identical(cancel(lazy)$state, "created")
    expect_identical(value(lazy), 2)
  })

  if (!in_session) local_test("a cancelled future that was interrupted has no value", {
    local_plan(name, workers = if (name == "cluster") 2 else I(2), interrupts = TRUE)
    f <- future(Sys.sleep(60))
    cancel(f)
    expect_identical(f$state, "canceled")
    expect_error(value(f), class = "FutureInterruptError")
    expect_identical(value(future(1)), 1)
  })

  if (!in_session) local_test("a cancelled future that was left to run has its value", {
    go <- tempfile()
    on.exit(unlink(go), add = TRUE)
    begun <- tempfile()
    f <- future({
      file.create(begun)
      while (!file.exists(go)) Sys.sleep(0.01)
      42
    })
    expect_true(wait_until(function() file.exists(begun)))
    cancel(f, interrupt = FALSE)
    expect_identical(f$state, "canceled")
    file.create(go)
    expect_identical(value(f), 42)
    expect_identical(f$state, "finished")
  })

  local_test("reset() gives a lazy future that can be saved and evaluated elsewhere", {
    file <- tempfile()
    on.exit(unlink(file))
    f <- future(1 + 1)
    value(f)
    saveRDS(reset(f), file)
    again <- readRDS(file)
    expect_true(again$lazy)
    expect_identical(value(again), 2)
  })

  local_test("a future that is not collected belongs to the process that made it", {
    f <- future(1)
    copy <- list2env(as.list.environment(f, all.names = TRUE), parent = emptyenv())
    class(copy) <- class(f)
    copy$owner <- structure("somebody else", source = list(host = "elsewhere", pid = 1L))
    copy$result <- NULL
    copy$handle <- 1
    expect_error(value(copy), "Invalid usage of futures", class = "FutureError")
  })

  local_test("a lazy future starts when it is asked whether it is resolved", {
    f <- future(1, lazy = TRUE)
    expect_identical(f$state, "created")
    resolved(f)
    expect_true(f$state %in% c("running", "finished"))
    expect_identical(value(f), 1)
  })

  local_test("starting futures does not wait for workers", {
    fs <- lapply(1:5, function(i) future(i))
    expect_identical(value(fs), as.list(1:5))
    expect_true(wait_until(function() nbrOfFreeWorkers() == nbrOfWorkers()))
  })

  # ---- A future's fields and classes ----

  local_test("a future is an environment with the fields of future's", {
    a <- 1
    f <- future(a, label = "mine", seed = 42, packages = "stats", lazy = TRUE)
    expect_true(is.environment(f))
    expect_identical(f$label, "mine")
    expect_identical(f[["packages"]], "stats")
    expect_identical(names(f$globals), "a")
    expect_identical(length(f$seed), 7L)
    expect_true(f$lazy)
    expect_null(f$result)
    value(f)
    kinds <- switch(name, sequential = c("SequentialFuture", "UniprocessFuture"),
                    multisession = c("MultisessionFuture", "ClusterFuture", "MultiprocessFuture"),
                    multicore = c("MulticoreFuture", "MultiprocessFuture"), c("ClusterFuture", "MultiprocessFuture"))
    expect_identical(setdiff(class(f), "AvenirFuture"), c(kinds, "Future"))
    expect_identical(class(f)[1], kinds[1])
    expect_s3_class(plan("backend"), "FutureBackend")
  })

  local_test("a global that is larger than the limit is a FutureError that says how large, and which", {
    local_options(future.globals.maxSize = 1e5)
    big <- numeric(1e5)
    drags <- local({
      ballast <- numeric(1e5)
      function() 1
    })
    # Nothing travels under plan(sequential).
    if (in_session) expect_identical(value(future(length(big))), 100000L)
    else {
      e <- first_of(future(length(big)), "error")
      expect_s3_class(e, "FutureError")
      expect_match(conditionMessage(e), "`big` (781", fixed = TRUE)
      expect_match(conditionMessage(e), "exceeds the maximum allowed size of 97.66 KiB")
      expect_match(conditionMessage(first_of(future(drags()), "error")),
                   "`drags` .*class `function`, with its environment's `ballast` of 781")
    }
  })

  local_test("references of this process are found when that is asked for", {
    local_options(future.globals.onReference = "error")
    con <- rawConnection(raw())
    on.exit(close(con), add = TRUE)
    expect_error(future(con), "non-exportable reference", class = "FutureError")
    options(future.globals.onReference = "warning")
    expect_warning(future(con, lazy = TRUE), class = "FutureWarning")
  })

  local_test("operators set arguments of assignments and maps", {
    x %<-% { a_of_operator + runif(1) } %globals% list(a_of_operator = 0) %seed% 42 %label% "mine"
    expect_identical(x, value(future(runif(1), seed = 42)))
    expect_identical(future_lapply(1:2, function(i) runif(1)) %seed% 42,
                     future_lapply(1:2, function(i) runif(1), future.seed = 42))
  })
}
plan(sequential)

# ---- Plans ----

test_that("plan() takes a name, a string, a strategy, a tweaked one, a list, and what it returned", {
  on.exit(plan(sequential))
  first <- function(x) setdiff(class(x), c("FutureStrategy", "tweaked"))[1]
  for (strategy in list(multicore, "multicore", "avenir::multicore", tweak(multicore, workers = I(2)))) {
    plan(strategy, substitute = FALSE, .init = FALSE)
    expect_identical(first(plan("next")), "multicore")
  }
  plan(list(a = "multicore", b = sequential), .init = FALSE)
  expect_identical(names(plan("list")), c("a", "b"))
  before <- plan(sequential)
  plan(before, .init = FALSE)
  expect_identical(first(plan()), "multicore")
  expect_identical(first(plan("tail")[[1]]), "sequential")
})

test_that("a plan is a function that tells its arguments, tweaks and call", {
  on.exit(plan(sequential))
  plan(multisession, workers = I(2), .init = FALSE)
  strategy <- plan("next")
  expect_true(is.function(strategy))
  expect_s3_class(strategy, c("FutureStrategy", "tweaked", "multisession", "cluster", "multiprocess"))
  expect_s3_class(strategy, c("future", "function"))
  expect_identical(as.integer(formals(strategy)$workers), 2L)
  expect_identical(names(attr(strategy, "tweaks")), "workers")
  expect_identical(attr(strategy, "call")[[1]], quote(plan))
})

test_that("workers that make no sense are errors, and the plan stays", {
  for (workers in list(0, NA, TRUE, NA_character_, -1)) {
    expect_error(plan(multisession, workers = workers), "workers", class = "avenir_invalid_argument")
    expect_error(plan(multicore, workers = workers), "workers", class = "avenir_invalid_argument")
  }
  expect_s3_class(plan(), "sequential")
  expect_error(plan("no_such_plan"), "no_such_plan", class = "avenir_invalid_argument")
})

test_that("one worker is this session unless it is I(1)", {
  on.exit(plan(sequential))
  plan(multisession, workers = 1)
  expect_identical(value(future(Sys.getpid())), Sys.getpid())
  plan(multisession, workers = I(1))
  expect_false(value(future(Sys.getpid())) == Sys.getpid())
})

test_that("arguments that no plan has are a warning, and are seen in its formals", {
  on.exit(plan(sequential))
  expect_warning(plan(sequential, abc = 1), "abc")
  expect_identical(formals(plan("next"))$abc, 1)
})

test_that("plans below the last are sequential, inner workers must be asked for", {
  on.exit(plan(sequential))
  plan(list(tweak(multicore, workers = I(2)), tweak(multicore, workers = I(2))))
  inner <- value(future({
    f <- avenir::future(avenir::nbrOfWorkers())
    c(avenir::nbrOfWorkers(), avenir::value(f))
  }))
  expect_identical(inner, c(2L, 1L))
})

test_that("more workers than cores warn, many more are an error", {
  on.exit(plan(sequential))
  local_options(parallelly.maxWorkers.localhost = c(1, 3))
  cores <- unname(availableCores())
  expect_warning(plan(multicore, workers = cores + 1L), "limit")
  expect_error(plan(multicore, workers = 3L * cores + 1L), "limit", class = "avenir_invalid_argument")
  expect_silent(plan(multicore, workers = I(cores + 1L)))
})

test_that("with(plan()) is for a while", {
  expect_identical(with(plan(multicore, workers = I(2)), nbrOfWorkers()), 2L)
  inside <- function() {
    with(plan(multicore, workers = I(2)), local = TRUE)
    nbrOfWorkers()
  }
  expect_identical(inside(), 2L)
  expect_identical(nbrOfWorkers(), 1L)
})
