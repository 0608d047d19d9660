# What every plan must do alike. One file for all backends: conformance_plans() lists them.

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])
  # ---- Futures ----

  local_test("a future gives its value, visible or not", {
    expect_identical(value(future(1 + 1)), 2)
    expect_true(withVisible(value(future(1)))$visible)
    expect_false(withVisible(value(future(invisible(1))))$visible)
    expect_null(value(future(NULL)))
  })

  local_test("globals are found and keep the values that they had", {
    a <- 2
    twice <- function(x) a * x
    f <- future(twice(a), lazy = TRUE)
    g <- future(a)
    a <- 100
    expect_identical(value(g), 2)
    expect_identical(f$globals$a, 2)
  })

  local_test("assignments in a future do not reach the caller", {
    x <- 0
    value(future({
      x <- 1
      y_of_future <- 2
    }))
    expect_identical(x, 0)
    expect_false(exists("y_of_future"))
  })

  local_test("`globals` may be given by name, by value or not at all", {
    a <- 1
    expect_identical(value(future(a, globals = "a")), 1)
    expect_identical(value(future(a + b, globals = list(a = 10, b = 20))), 30)
    expect_error(value(future(a_of_nobody, globals = FALSE)), "a_of_nobody")
  })

  local_test("arguments in `...` reach the future", {
    sum_later <- function(...) future(sum(...))
    expect_identical(value(sum_later(1, 2, 3)), 6)
  })

  local_test("packages are attached", {
    expect_true(value(future("package:splines" %in% search(), packages = "splines")))
  })

  local_test("a package that does not exist is an error of class FutureError", {
    expect_error(value(future(1, packages = "no.such.package")), "no.such.package")
  })

  local_test("output, conditions and error are relayed in this order", {
    f <- future({
      message("m1")
      cat("o1\n")
      warning("w1")
      print("o2")
      message("m2")
      stop("e1")
    })
    expect_identical(transcript(value(f)),
                     c("out: o1\n[1] \"o2\"", "message: m1", "warning: w1", "message: m2",
                                             "error: e1"))
    expect_identical(length(transcript(value(f))), 5L)
  })

  local_test("conditions keep their class and the call that raised them", {
    cond <- tryCatch(value(future(stop("boo"))), error = identity)
    expect_identical(class(cond), c("simpleError", "error", "condition"))
    expect_identical(deparse(conditionCall(cond)), deparse(quote(eval(quote({
      stop("boo")
    }), new.env()))))
    cond <- tryCatch(value(future({
      f <- function(x) warning("hm")
      f(1)
    })), warning = identity)
    expect_identical(conditionCall(cond), quote(f(1)))
  })

  local_test("conditions of any class are signaled again", {
    thing <- structure(class = c("custom", "condition"), list(message = "a thing", call = NULL))
    f <- future(signalCondition(thing))
    expect_identical(transcript(value(f)), "custom: a thing")
    expect_identical(transcript(future_lapply(1:2, function(i) signalCondition(thing))),
                     rep("custom: a thing", 2))
  })

  local_test("`conditions` chooses what is relayed; the rest is muffled", {
    speak <- quote({
      message("m")
      warning("w")
      1
    })
    ask <- function(conditions) transcript(value(future(speak, substitute = FALSE, conditions = conditions)))
    expect_identical(ask("warning"), "warning: w")
    expect_identical(ask("message"), "message: m")
    expect_identical(ask(character()), character())
    expect_identical(ask(structure("condition", exclude = "message")), "warning: w")
  })

  local_test("`stdout = FALSE` discards output", {
    f <- future(cat("hidden\n"), stdout = FALSE)
    expect_output(value(f), NA)
  })

  local_test("value(stdout = FALSE) and value(signal = FALSE) keep quiet", {
    f <- future({
      cat("o\n")
      message("m")
      stop("e")
    })
    expect_identical(transcript(got <- value(f, stdout = FALSE, signal = FALSE)), character())
    expect_s3_class(got, "simpleError")
    expect_identical(transcript(value(f, signal = FALSE)), "out: o")
  })

  local_test("warnings become errors under options(warn = 2) in the future", {
    f <- future({
      options(warn = 2)
      warning("now fatal")
      1
    })
    expect_error(value(f), "now fatal")
  })

  local_test("immediate conditions are signaled once", {
    f <- future({
      signalCondition(structure(class = c("custom", "immediateCondition", "condition"),
                                list(message = "now", call = NULL)))
      "done"
    }, lazy = TRUE)
    expect_identical(transcript(value(f)), "custom: now")
    expect_identical(transcript(value(f)), character())
  })

  local_test("result() tells all without relaying", {
    f <- future({
      cat("o\n")
      warning("w")
      7
    })
    expect_identical(transcript(r <- result(f)), character())
    expect_s3_class(r, "FutureResult")
    expect_identical(r$value, 7)
    expect_identical(r$stdout, "o\n")
    expect_identical(conditionMessage(r$conditions[[1]]$condition), "w")
  })

  local_test("lazy futures start when they are asked for", {
    f <- future(42, lazy = TRUE)
    expect_identical(f$state, "created")
    expect_true(f$lazy)
    resolved(f)
    expect_false(f$state == "created")
    expect_identical(value(f), 42)
    expect_identical(f$state, "finished")
    expect_error(run(f), class = "FutureError")
  })

  local_test("resolve() waits", {
    f <- future(1)
    resolve(f)
    expect_true(resolved(f))
    fs <- resolve(list(a = future(1), b = 2))
    expect_identical(resolved(fs), c(a = TRUE, b = TRUE))
  })

  local_test("a future shows its fields", {
    a <- 1
    f <- future(a, label = "mine", seed = 42L)
    expect_s3_class(f, "Future")
    expect_identical(f$label, "mine")
    expect_identical(f$globals, list(a = 1))
    expect_identical(length(f$seed), 7L)
    expect_identical(length(f$uuid), 2L)
    expect_false(f$lazy)
    value(f)
    expect_s3_class(f$result, "FutureResult")
  })

  local_test("value(drop = TRUE) gives the value once", {
    f <- future(1)
    expect_identical(value(f, drop = TRUE), 1)
    expect_error(value(f), class = "FutureDroppedError")
  })

  # ---- Random numbers of futures ----

  local_test("futures leave the caller's generator alone", {
    set.seed(1)
    before <- random_seed()
    f <- future(runif(1), seed = 42)
    resolved(f)
    value(f)
    value(future(1))
    value(future(rnorm(1), seed = NULL))
    expect_identical(random_seed(), before)
  })

  local_test("a seed gives the same numbers always", {
    draw <- function(seed) value(future(rnorm(3), seed = seed))
    expect_identical(draw(42), draw(42))
    expect_false(identical(draw(42), draw(43)))
    state <- rng_streams(1, seed = 5)[[1]]
    expect_identical(draw(state), with_rng_stream(state, rnorm(3)))
  })

  local_test("random numbers without a seed are reported as the option asks", {
    expect_warning(value(future(rnorm(1))), class = "RngFutureWarning")
    expect_warning(value(future(rnorm(1), seed = NULL)), NA)
    local_options(future.rng.onMisuse = "error")
    expect_error(value(future(rnorm(1))), class = "RngFutureError")
    options(future.rng.onMisuse = "ignore")
    expect_warning(value(future(rnorm(1))), NA)
  })

  # ---- Several futures ----

  local_test("value() of a list keeps its shape", {
    fs <- list(a = future(1), b = "x", c = future(NULL))
    expect_identical(value(fs), list(a = 1, b = "x", c = NULL))
    square <- structure(list(future(1), 2, 3, future(4)), dim = c(2L, 2L), dimnames = list(c("r", "s"), NULL))
    expect_identical(value(square), `attributes<-`(list(1, 2, 3, 4), attributes(square)))
    expect_identical(value(list()), list())
    expect_identical(value(fs, idxs = "a"), list(a = 1))
  })

  local_test("value() of an environment gives a list by name", {
    env <- new.env()
    env$b <- future(2)
    env$a <- 1
    expect_identical(value(env), list(a = 1, b = 2))
    expect_identical(resolved(env), c(a = TRUE, b = TRUE))
  })

  local_test("value() of a list relays in order", {
    fs <- lapply(1:3, function(i) future({
      cat("o", i, "\n", sep = "")
      message("m", i)
    }))
    expect_identical(transcript(value(fs)), c("out: o1", "message: m1", "out: o2", "message: m2", "out: o3",
                                              "message: m3"))
  })

  local_test("value(drop = TRUE) of a list gives the values once", {
    fs <- list(a = future(1), b = future(message("m")))
    expect_identical(transcript(got <- value(fs, drop = TRUE)), "message: m")
    expect_identical(got, list(a = 1, b = NULL))
    expect_error(value(fs), class = "FutureDroppedError")
  })

  local_test("value() reduces", {
    fs <- function() lapply(1:4, function(i) future(i))
    expect_identical(value(fs(), reduce = "+"), 10L)
    expect_identical(value(fs(), reduce = structure("+", init = 100)), 110)
    expect_identical(value(fs(), reduce = function(a, b) a - b), -8L)
    expect_identical(value(list(), reduce = structure("+", init = 1)), 1)
    expect_error(value(fs(), reduce = "mean"), class = "avenir_invalid_argument")
    expect_error(value(fs(), reduce = function() 1), class = "avenir_invalid_argument")
  })

  local_test("an error in a list of futures is raised after the output of those before", {
    fs <- list(future(cat("one\n")), future(stop("two")), future(cat("three\n")))
    seen <- transcript(value(fs))
    expect_match(seen[1], "^out: one")
    expect_identical(seen[length(seen)], "error: two")
  })

  # ---- Nesting ----

  local_test("futures in futures are sequential unless the plan says otherwise", {
    f <- future({
      inner <- avenir::future(Sys.getpid())
      c(avenir::value(inner), Sys.getpid(), avenir::nbrOfWorkers())
    })
    pids <- value(f)
    expect_identical(pids[1], pids[2])
    expect_identical(pids[3], 1L)
  })

  # ---- Maps ----

  local_test("maps give what base R gives", {
    check <- function(X, FUN, ...) expect_identical(future_lapply(X, FUN, ...), lapply(X, FUN, ...))
    check(1:10, function(i) i^2)
    check(c(a = 1, b = 2), identity)
    check(list(x = 1, y = NULL, z = "s"), identity)
    check(letters, toupper)
    check(mtcars, mean)
    check(as.Date("2024-01-01") + 0:2, format)
    check(factor(c("u", "v")), as.character)
    check(expression(a + b, c), class)
    check(list2env(list(p = 1, q = 2)), function(v) v + 1)
    check(1:3, function(i, k) i + k, k = 10)
    check(1:3, `+`, 1)
    check(1:3, "sqrt")
    check(list(), identity)
    check(character(), identity)
    check(pairlist(a = 1, b = 2), identity)
  })

  local_test("future_sapply() simplifies as sapply() does", {
    check <- function(...) expect_identical(future_sapply(...), sapply(...))
    check(1:3, function(i) i^2)
    check(c("a", "b"), nchar)
    check(c("a", "b"), nchar, USE.NAMES = FALSE)
    check(1:3, function(i) c(x = i, y = i^2))
    check(1:3, function(i) matrix(i, 2, 2), simplify = "array")
    check(1:3, seq_len)
    check(1:3, identity, simplify = FALSE)
    check(integer(), identity)
  })

  local_test("future_vapply() checks and shapes as vapply() does", {
    expect_identical(future_vapply(1:3, function(i) i + 0.5, 0), vapply(1:3, function(i) i + 0.5, 0))
    expect_identical(future_vapply(c(a = 1, b = 2), function(x) c(u = x, v = 1), c(0, 0)),
                     vapply(c(a = 1, b = 2), function(x) c(u = x, v = 1), c(0, 0)))
    expect_identical(future_vapply(1:2, function(i) i, 0), c(1, 2))
    expect_identical(future_vapply(integer(), identity, ""), character())
    expect_error(suppressWarnings(future_vapply(1:3, function(i) seq_len(i), 1L)), "length 1")
    expect_error(suppressWarnings(future_vapply(1:3, function(i) "a", 1L)), "type 'integer'")
  })

  local_test("future_replicate() draws anew each time", {
    set.seed(3)
    x <- future_replicate(4, runif(2))
    expect_identical(dim(x), c(2L, 4L))
    expect_identical(anyDuplicated(as.vector(x)), 0L)
    expect_identical(future_replicate(0, 1), list())
  })

  local_test("functions that elements return know their own element", {
    makers <- future_lapply(1:3, function(i) function() i)
    expect_identical(lapply(makers, function(f) f()), list(1L, 2L, 3L))
    late <- future_lapply(1:3, function(i, k) function() i + k, k = 1)
    expect_identical(vapply(late, function(f) f(), 0), c(2, 3, 4))
  })

  local_test("arguments of the function may be language", {
    expect_identical(future_lapply(1:2, function(i, e) e, e = quote(x + y)), list(quote(x + y), quote(x + y)))
    expect_identical(future_lapply(list(quote(a), quote(f(b))), class), list("name", "call"))
  })

  local_test("chunks change nothing about the results", {
    reference <- future_sapply(1:11, function(i) c(i, runif(1)), future.seed = 7)
    for (size in c(1, 2, 3, 5, 100)) {
      expect_identical(future_sapply(1:11, function(i) c(i, runif(1)), future.seed = 7,
                                     future.chunk.size = size),
                       reference)
    }
    for (scheduling in list(TRUE, FALSE, 0, 0.5, 2, Inf)) {
      expect_identical(future_sapply(1:11, function(i) c(i, runif(1)), future.seed = 7,
                                     future.scheduling = scheduling), reference)
    }
  })

  local_test("`ordering` changes the order of processing and relaying, not of results", {
    say <- function(i) {
      cat(i, "")
      i * 10
    }
    backwards <- structure(TRUE, ordering = function(n) rev(seq_len(n)))
    expect_output(got <- future_sapply(1:4, say, future.scheduling = backwards), "4 3 2 1")
    expect_identical(got, c(10, 20, 30, 40))
    set.seed(1)
    before <- random_seed()
    shuffled <- structure(2, ordering = "random")
    expect_identical(future_sapply(1:4, identity, future.chunk.size = shuffled), 1:4)
    expect_identical(random_seed(), before)
  })

  local_test("a map relays each element in turn, output first", {
    speak <- function(i) {
      message("m", i)
      cat("o", i, "\n", sep = "")
      warning("w", i)
      i
    }
    expect_identical(transcript(future_lapply(1:3, speak)),
                     paste0(c("out: o", "message: m", "warning: w"), rep(1:3, each = 3)))
  })

  local_test("a warning or message of a map has the call that future.apply's have", {
    w <- tryCatch(future_lapply(1:2, function(i) warning("w")), warning = identity)
    expect_identical(conditionCall(w), quote(...future.FUN(...future.X_jj, ...)))
    expect_identical(class(w), c("simpleWarning", "warning", "condition"))
  })

  local_test("an error ends a map with a warning and the error itself", {
    seen <- transcript(future_lapply(1:3, function(i) {
      cat("o", i, "\n", sep = "")
      if (i >= 2) stop("bad ", i)
      i
    }))
    expect_identical(seen, c("out: o1\no2", "warning: Caught simpleError. Canceling all iterations ...",
                             "error: bad 2"))
    e <- tryCatch(suppressWarnings(future_lapply(1:3, function(i) stop("bad"))), error = identity)
    expect_identical(class(e), c("simpleError", "error", "condition"))
    expect_identical(conditionCall(e), quote(...future.FUN(...future.X_jj, ...)))
  })

  local_test("an error keeps its class and fields through a map", {
    fail <- function(i) stop(structure(class = c("special", "error", "condition"),
                                       list(message = "m", call = NULL, n = i)))
    e <- tryCatch(suppressWarnings(future_lapply(5:6, fail)), special = identity)
    expect_identical(e$n, 5L)
  })

  local_test("the next map works after an error", {
    try(suppressWarnings(future_lapply(1:20, function(i) if (i == 7) stop("x") else i)), silent = TRUE)
    expect_identical(future_sapply(1:20, function(i) i), 1:20)
  })

  local_test("a map reports random numbers that only its last element drew", {
    for (n in c(1, 3)) {
      expect_warning(future_lapply(seq_len(n), function(i) if (i == n) rnorm(1)), class = "RngFutureWarning")
    }
  })

  local_test("a map reports once that random numbers were drawn without a seed", {
    seen <- character()
    withCallingHandlers(future_lapply(1:4, function(i) rnorm(1)), RngFutureWarning = function(w) {
      seen <<- c(seen, conditionMessage(w))
      invokeRestart("muffleWarning")
    })
    expect_length(seen, 1L)
    expect_match(seen, "future.seed=TRUE", fixed = TRUE)
    expect_match(seen, "future_lapply-1")
    expect_warning(future_lapply(1:2, function(i) rnorm(1), future.seed = NULL), NA)
    expect_warning(future_lapply(1:2, function(i) rnorm(1), future.seed = TRUE), NA)
    local_options(future.rng.onMisuse = "error")
    expect_error(suppressWarnings(future_lapply(1:2, function(i) rnorm(1))), class = "RngFutureError")
  })

  local_test("maps take globals by name, by value or not at all", {
    assign("global_of_test", 5, globalenv())
    on.exit(rm("global_of_test", envir = globalenv()))
    f <- function(i) i + global_of_test
    environment(f) <- globalenv()
    expect_identical(future_sapply(1:2, f), c(6, 7))
    expect_identical(future_sapply(1:2, f, future.globals = list(global_of_test = 10)), c(11, 12))
    expect_identical(future_sapply(1:2, f, future.globals = "global_of_test"), c(6, 7))
    expect_identical(global_of_test, 5)
  })

  local_test("maps attach packages", {
    attached <- future_sapply(1:2, function(i) "package:splines" %in% search(), future.packages = "splines")
    expect_identical(attached, c(TRUE, TRUE))
  })

  local_test("`future.stdout` and `future.conditions` choose what is relayed", {
    speak <- function(i) {
      cat("o\n")
      message("m")
      warning("w")
    }
    expect_identical(transcript(future_lapply(1, speak, future.stdout = FALSE)),
                     c("message: m", "warning: w"))
    expect_identical(transcript(future_lapply(1, speak, future.conditions = "message")),
                     c("out: o", "message: m"))
    expect_identical(transcript(future_lapply(1, speak, future.conditions = character())), "out: o")
  })

  local_test("evaluation leaves the session as it was", {
    set.seed(9)
    before <- list(options("digits", "OutDec"), getwd(), Sys.getenv("HOME"), sink.number(), random_seed())
    mess <- function(i) {
      options(digits = 3)
      Sys.setenv(HOME = "/elsewhere")
      setwd(tempdir())
      sink(nullfile())
      runif(1)
    }
    suppressWarnings(future_lapply(1:2, mess, future.seed = NULL))
    suppressWarnings(value(future(mess(1), seed = NULL)))
    after <- list(options("digits", "OutDec"), getwd(), Sys.getenv("HOME"), sink.number(), random_seed())
    expect_identical(after, before)
  })

  local_test("arguments that make no sense are refused by name", {
    expect_invalid <- function(expr, pattern) expect_error(expr, pattern, class = "avenir_invalid_argument")
    expect_invalid(future_lapply(1, identity, future.chunk.size = 0), "future.chunk.size")
    expect_invalid(future_lapply(1, identity, future.scheduling = -1), "future.scheduling")
    expect_invalid(future_lapply(1, identity, future.seed = "a"), "future.seed")
    expect_invalid(future_lapply(1:2, identity, future.seed = list(1, 2, 3)), "future.seed")
    expect_invalid(future_lapply(1, identity, future.stdout = "yes"), "future.stdout")
    expect_invalid(future_lapply(1, identity, future.conditions = 1), "future.conditions")
    expect_invalid(future_lapply(1, identity, future.globals = 1), "future.globals")
    expect_invalid(future_lapply(1, identity, future.packages = NA), "future.packages")
    expect_invalid(future_lapply(1, identity, future.label = NULL), "future.label")
    expect_error(future_lapply(1, "no_such_function"), "no_such_function")
    expect_error(future_lapply(1, 3), "not a function")
    expect_invalid(future(1, seed = "a"), "seed")
    expect_invalid(future(1, stdout = 1), "stdout")
    expect_invalid(future(1, conditions = 1), "conditions")
    expect_invalid(future(1, label = 1), "label")
    expect_invalid(future(1, lazy = NA), "lazy")
    expect_invalid(future(1, packages = 1), "packages")
  })

  plan(sequential)
}
