# Odd values, conditions and deeds of a task: the same under every plan. What could hang or would change this session
# runs in a child.

# The value of a future of `call`.
future_of <- function(call, envir = parent.frame()) value(future(call, envir = envir, substitute = FALSE))

# The error of a future of `call`.
error_of <- function(call, envir = parent.frame()) {
  force(envir)
  tryCatch({
    future_of(call, envir)
    stop("there was no error")
  }, error = identity)
}

condition_of <- function(class, ...) structure(class = c(class, "condition"), list(...))

use_plan <- function(name, frame = parent.frame()) {
  do.call(local_plan, c(conformance_plans()[[name]], frame = frame))
}

# Evaluates `code` in a child under a plan; `record()` there keeps what the child gives.
under_plan <- function(name, code, seconds = 60) {
  plan <- deparse1(conformance_plans()[[name]])
  in_child(c(sprintf("do.call(plan, c(%s, substitute = FALSE))", plan), "
    outcome <- function(expr) tryCatch(expr, error = function(e) class(e))
    next_ones <- function() list(value(future(1 + 1)), unlist(future_lapply(1:3, identity)))
  ", code), seconds)
}
fine <- list(2, 1:3)

odd_values <- list(
  `raw bytes with NULs` = quote(as.raw(c(0, 1, 0))),
  `a string that is no UTF-8` = quote("\xff\xfe"),
  `a string of bytes` = quote(`Encoding<-`("\xe9", "bytes")),
  `a string in Latin-1` = quote(`Encoding<-`("\xe9", "latin1")),
  `NA among strings and names` = quote(c(a = NA, b = "NA", "")),
  `NaN, infinities and a negative zero` = quote(c(NA, NaN, Inf, -Inf, 1 / -0)),
  `a very long string` = quote(strrep("a", 1e7)),
  `deferred strings` = quote(as.character(1:1e5)),
  `a sorted vector with its wrapper` = quote(sort(c(3, 1, 2))),
  `an empty environment's own` = quote(list(emptyenv(), baseenv(), globalenv(), asNamespace("stats"))),
  `a symbol and calls` = quote(list(quote(a), quote(f(x, ...)), expression(a + b, "c"))),
  `the missing argument in a list` = quote(alist(a = , b = 1)),
  `a formula` = quote(`environment<-`(y ~ x | z, globalenv())),
  `functions with source and bytecode` = quote(list(compiler::cmpfun(`environment<-`(function(x) x + 1, globalenv())),
                                                    eval(parse(text = "function(x) { # why\n x }", keep.source = TRUE),
                                                         globalenv()))),
  `primitives` = quote(list(sum, `if`, `[[`)),
  `a pairlist` = quote(pairlist(a = 1, 2)),
  `a list of NULLs` = quote(list(NULL, a = NULL)),
  `a list with odd attributes` = quote(structure(list(1), class = c("a", "b"), y = quote(z), f = sum)),
  `a date as a list` = quote(as.POSIXlt("2020-01-01", tz = "UTC"))
)

for (name in names(conformance_plans())) {
  local_test("odd values come back as they are, from a future and from a map", {
    use_plan(name)
    for (what in names(odd_values)) {
      call <- odd_values[[what]]
      expect_identical(future_of(call), eval(call), label = what)
      expect_identical(future_lapply(1, function(i) eval(call))[[1L]], eval(call), label = paste(what, "in a map"))
    }
  })

  local_test("odd values are the same as globals and as elements", {
    use_plan(name)
    is_same <- function(x, call) identical(x, eval(call, new.env(parent = baseenv())))
    for (what in names(odd_values)) {
      call <- odd_values[[what]]
      x <- eval(call)
      expect_true(value(future(is_same(x, call))), label = what)
      expect_true(future_lapply(list(x, x), is_same, call)[[2L]], label = paste(what, "as an element"))
    }
  })

  local_test("NULLs stay in their places", {
    use_plan(name)
    expect_null(value(future(NULL)))
    expect_identical(future_lapply(list(1, NULL, 3), identity), list(1, NULL, 3))
    expect_identical(future_lapply(1:3, function(i) if (i != 2L) i), list(1L, NULL, 3L))
  })

  local_test("a map may give the missing argument, as lapply() does", {
    use_plan(name)
    missing_argument <- function(i) quote(expr = )
    expect_identical(future_lapply(1:2, missing_argument), lapply(1:2, missing_argument))
  })

  local_test("compact sequences stay compact, whatever their length", {
    use_plan(name)
    long <- value(future(1:3e9))
    expect_identical(c(length(long), long[3e9]), c(3e9, 3e9))
    sequence <- 1:1e9
    expect_identical(value(future(sequence[1e9])), 1e9L)
    expect_identical(future_lapply(list(sequence, 1L), function(x) x[length(x)]), list(1e9L, 1L))
  })

  local_test("environments come with what they hold: cycles, locks, promises and active bindings", {
    use_plan(name)
    env <- value(future({
      env <- new.env()
      env$self <- env
      lockBinding("self", env)
      delayedAssign("later", 1 + 1, assign.env = env)
      makeActiveBinding("active", function() 42, env)
      lockEnvironment(env)
      env
    }))
    expect_identical(env$self, env)
    expect_identical(env$later, 2)
    expect_identical(env$active, 42)
    expect_true(environmentIsLocked(env))
    expect_error(assign("new", 1, envir = env))
  })

  local_test("an object whose methods live in it, as R6 makes them, works there and comes back whole", {
    use_plan(name)
    new_counter <- function() {
      self <- new.env()
      self$n <- 0
      self$add <- function(k) self$n <- self$n + k
      class(self) <- "counter"
      self
    }
    counter <- new_counter()
    back <- value(future({
      counter$add(2)
      counter
    }))
    back$add(1)
    expect_identical(back$n, 3)
    expect_s3_class(back, "counter")
  })

  local_test("objects of S4 and of reference classes", {
    use_plan(name)
    on.exit(suppressWarnings({
      removeClass("OddPoint", globalenv())
      removeClass("OddAccount", globalenv())
    }))
    setClass("OddPoint", representation(x = "numeric"), where = globalenv())
    point <- new("OddPoint", x = 1)
    expect_identical(value(future(point)), point)
    expect_identical(future_lapply(list(point), function(p) p@x), list(1))
    made <- value(future({
      setClass("OddPoint", representation(x = "numeric"), where = globalenv())
      new("OddPoint", x = 2)
    }, packages = "methods"))
    expect_identical(made@x, 2)

    Account <- setRefClass("OddAccount", fields = list(sum = "numeric"), where = globalenv(),
                           methods = list(add = function(k) sum <<- sum + k))
    account <- Account$new(sum = 0)
    account$add(1) # R puts a method into an object when it is first asked for
    back <- value(future({
      account$add(2)
      account
    }, packages = "methods"))
    expect_identical(back$sum, 3)
    expect_identical(future_lapply(list(Account$new(sum = 5)), function(a) a$sum), list(5))
  })

  local_test("values nested very deeply come back, or are a classed error, and the worker lives on", {
    got <- under_plan(name, "
      depth_of <- function(x) { n <- 0; while (!is.null(x)) { x <- x[[1L]]; n <- n + 1 }; n }
      value <- outcome(depth_of(value(future({ x <- NULL; for (i in 1:2e5) x <- list(x); x }))))
      x <- NULL
      for (i in 1:2e5) x <- list(x)
      global <- outcome(value(future({ n <- 0; while (!is.null(x)) { x <- x[[1L]]; n <- n + 1 }; n })))
      mark('result', list(value, global, next_ones()))
    ")
    expect_true(identical(got[[1L]], 2e5) || "FutureError" %in% got[[1L]])
    expect_true(identical(got[[2L]], 2e5) || "error" %in% got[[2L]])
    expect_identical(got[[3L]], fine)
  })

  # ---- conditions

  local_test("errors whose message is missing or no string are raised as they are", {
    use_plan(name)
    odd <- function(...) condition_of(c("odd", "error"), ...)
    errors <- list(odd(), odd(message = NULL, call = NULL), odd(message = 42), odd(message = list("a", 1)),
                   odd(message = c("a", "b")), odd(message = character()), odd(message = NA_character_))
    for (error in errors) {
      expect_identical(unclass(error_of(quote(stop(error)))), unclass(error))
      map <- tryCatch(suppressWarnings(future_lapply(1:2, function(i) stop(error))), odd = identity)
      expect_identical(map$message, error$message)
      kept <- future_lapply(1:2, function(i) if (i == 2L) stop(error) else i, future.on.error = "keep")
      expect_identical(kept[[1L]], 1L)
      expect_s3_class(kept[[2L]], "odd")
    }
  })

  local_test("other conditions whose message is missing or no string are relayed as they are", {
    use_plan(name)
    for (class in c("warning", "message", "other")) {
      for (message in list(NULL, 42, list("a"))) {
        cond <- condition_of(c("odd", class), message = message)
        signal <- switch(class, warning = warning, message = base::message, signalCondition)
        seen <- NULL
        result <- withCallingHandlers(value(future({
          signal(cond)
          "value"
        })), odd = function(c) {
          seen <<- c
          if (class != "other") invokeRestart(paste0("muffle", if (class == "warning") "Warning" else "Message"))
        })
        expect_identical(result, "value")
        expect_identical(seen, cond)
      }
    }
  })

  local_test("a conditionMessage() method that fails is the error", {
    use_plan(name)
    registerS3method("conditionMessage", "odd_failing", function(c) stop("the method fails"), envir = baseenv())
    on.exit(rm("conditionMessage.odd_failing", envir = baseenv()[[".__S3MethodsTable__."]]))
    call <- quote({
      registerS3method("conditionMessage", "odd_failing", function(c) stop("the method fails"), envir = baseenv())
      stop(structure(class = c("odd_failing", "error", "condition"), list(message = "m")))
    })
    expect_identical(conditionMessage(error_of(call)), "the method fails")
    expect_identical(future_of(1 + 1), 2)
  })

  local_test("odd class vectors and fields of errors are kept", {
    use_plan(name)
    env <- new.env()
    env$payload <- 1:3
    error <- structure(class = c("a", "a", "error", "error", "condition", "z"), extra = quote(x),
                       list(message = "m", call = quote(f(x)), env = env, fun = function() env$payload))
    got <- error_of(quote(stop(error)))
    expect_identical(class(got), class(error))
    expect_identical(got$fun(), 1:3)
    expect_identical(got$env$payload, 1:3)
    expect_identical(attr(got, "extra"), quote(x))
    expect_identical(class(error_of(quote(stop(condition_of("error", message = "bare"))))), c("error", "condition"))
  })

  local_test("an error that is only signaled ends the evaluation", {
    use_plan(name)
    expect_identical(conditionMessage(error_of(quote({
      signalCondition(condition_of(c("odd", "error"), message = "signaled"))
      "went on"
    }))), "signaled")
  })

  local_test("a condition of class interrupt that the code signals is a FutureInterruptError", {
    use_plan(name)
    for (cond in list(condition_of("interrupt"), condition_of("interrupt", message = "mine", call = NULL))) {
      expect_s3_class(error_of(quote(signalCondition(cond))), "FutureInterruptError")
      expect_s3_class(error_of(quote(stop(cond))), "FutureInterruptError")
      map <- tryCatch(suppressWarnings(future_lapply(1:2, function(i) signalCondition(cond))), error = identity)
      expect_s3_class(map, "FutureInterruptError")
      expect_identical(future_of(quote(tryCatch(signalCondition(cond), interrupt = function(i) "caught"))), "caught")
    }
    kept <- future_lapply(1:3, function(i) {
      if (i == 2L) signalCondition(condition_of("interrupt", message = "mine")) else i
    }, future.on.error = "keep")
    expect_s3_class(kept[[2L]], "FutureInterruptError")
    expect_identical(kept[c(1L, 3L)], list(1L, 3L))
    expect_identical(future_of(1 + 1), 2)
  })

  local_test("the time limit of a future holds for what goes on inside it", {
    got <- under_plan(name, "
      class_of <- function(call) tryCatch(value(future(call, substitute = FALSE, timeout = 1)), error = class)
      mark('result', list(class_of(quote(future_lapply(1:2, function(i) Sys.sleep(60)))),
                          class_of(quote(value(future(Sys.sleep(60))))), next_ones()))
    ")
    for (class in got[1:2]) expect_true("FutureTimeoutError" %in% class)
    expect_identical(got[[3L]], fine)
  })

  local_test("warnings are errors where the code says so, and only there", {
    use_plan(name)
    got <- tryCatch(future_of(quote({
      options(warn = 2)
      as.integer("a")
    })), error = conditionMessage)
    expect_match(got, "converted from warning")
    expect_warning(future_of(quote(as.integer("a"))), "NAs introduced")
    expect_warning(map <- tryCatch(future_lapply(1, function(i) {
      options(warn = 2)
      warning("w")
    }), error = conditionMessage), "Canceling")
    expect_match(map, "converted from warning")
    expect_identical(getOption("warn"), 0L)
  })

  local_test("warnings are errors where the session says so", {
    use_plan(name)
    local_options(warn = 2L)
    for (call in list(quote(as.integer("a")), quote(warning("w")))) {
      expect_match(tryCatch(future_of(call), error = conditionMessage), "converted from warning")
      map <- tryCatch(future_lapply(1, function(i) eval(call)), error = conditionMessage)
      expect_match(map, "converted from warning")
    }
  })

  local_test("errors within handlers, on.exit() and finalizers", {
    use_plan(name)
    message_of <- function(call) conditionMessage(error_of(call))
    other <- function(cond) stop("other")
    expect_identical(message_of(quote(tryCatch(stop("first"), error = other))), "other")
    expect_identical(message_of(quote(withCallingHandlers(stop("first"), error = other))), "other")
    expect_identical(message_of(quote(withCallingHandlers(warning("first"), warning = other))), "other")
    expect_identical(message_of(quote((function() on.exit(other()))())), "other")
    got <- under_plan(name, "
      fails <- function(e) stop('in a finalizer')
      value <- value(future({ reg.finalizer(new.env(), fails); gc(); 5 }))
      map <- future_lapply(1:2, function(i) { reg.finalizer(new.env(), fails); gc(); i })
      mark('result', list(value, map, next_ones()))
    ")
    expect_identical(got, list(5, list(1L, 2L), fine))
  })

  local_test("recursion without end is an error, and the next evaluation is right", {
    got <- under_plan(name, "
      endless <- function(x) endless(x + 1)
      mark('result', list(
        outcome(value(future(endless(1)))),
        outcome(value(future({ options(expressions = 5e5); endless(1) }))),
        outcome(suppressWarnings(future_lapply(1:2, endless))),
        outcome(value(future(tryCatch(endless(1), error = function(e) 'caught')))),
        outcome(value(future({ x <- quote(a); for (i in 1:1e5) x <- call('(', x); eval(x) }))),
        next_ones()))
    ")
    for (i in c(1:3, 5L)) expect_true("stackOverflowError" %in% got[[i]])
    expect_identical(got[[4L]], "caught")
    expect_identical(got[[6L]], fine)
  })

  # ---- output

  local_test("bytes that are no UTF-8 and other encodings survive in output and messages", {
    use_plan(name)
    printed <- result(future(cat("a\xff\xfeb\n")))$stdout
    expect_identical(charToRaw(printed), as.raw(c(0x61, 0xff, 0xfe, 0x62, 0x0a)))
    expect_identical(tryCatch(future_of(quote(message("\xff\xfe"))), message = conditionMessage), "\xff\xfe\n")
    expect_identical(tryCatch(future_of(quote(warning("\xff\xfe"))), warning = conditionMessage), "\xff\xfe")
    latin <- `Encoding<-`("\xe9", "latin1")
    expect_identical(tryCatch(future_of(quote(message(latin))), message = conditionMessage), "\u00e9\n")
    expect_match(result(future(print("\xff")))$stdout, "\\xff", fixed = TRUE)
  })

  local_test("a flood of output is kept up to the limit, with a note, and the value comes", {
    got <- under_plan(name, "
      flood <- function(megabytes) {
        line <- strrep('x', 1e6 - 1)
        for (i in seq_len(megabytes)) cat(line, '\\n', sep = '')
        megabytes
      }
      future <- future(flood(100))
      text <- result(future)$stdout
      map <- capture.output(values <- future_lapply(c(0, 70), flood))
      last <- substr(text, nchar(text) - 99L, nchar(text))
      notes <- grep('^.avenir', map, value = TRUE)
      mark('result', list(value(future, stdout = FALSE), nchar(text), last, values, notes, next_ones()))
    ", 120)
    expect_identical(got[[1L]], 100)
    expect_identical(got[[2L]], as.integer(64 * 2^20) + nchar(sub("^x*", "", got[[3L]])))
    expect_match(got[[3L]], "x\n[avenir: 32,891,136 more bytes of output were dropped", fixed = TRUE)
    expect_identical(got[[4L]], list(0, 70))
    expect_length(grep(" 2,891,136 more bytes", got[[5L]]), 1L)
    expect_identical(got[[6L]], fine)
  })

  local_test("a worker keeps no more output than the session's option says", {
    use_plan(name)
    local_options(avenir.output.limit = 2000)
    expect_true(grepl("1,000 more bytes", result(future(cat(strrep("a", 3000))))$stdout))
  })

  # ---- deeds

  local_test("code may remove all sinks and open others", {
    got <- under_plan(name, "
      future <- future({ cat('a'); while (sink.number() > 0L) sink(); 'value' })
      many <- future({ for (i in 1:5) sink(tempfile()); cat('lost'); 'value' })
      map <- future_lapply(1:2, function(i) { while (sink.number() > 0L) sink(); i })
      mark('result', list(result(future)$stdout, value(future), value(many), unlist(map), sink.number(), next_ones()))
    ")
    expect_identical(got, list("a", "value", "value", 1:2, 0L, fine))
  })

  local_test("code may close all connections", {
    got <- under_plan(name, "
      future <- future({ closeAllConnections(); 'value' })
      own <- future({ closeAllConnections(); own <- textConnection('a'); readLines(own) })
      map <- future_lapply(1:3, function(i) { cat(i); closeAllConnections(); i })
      mark('result', list(value(future), value(own), unlist(map), next_ones()))
    ")
    expect_identical(got, list("value", "a", 1:3, fine))
  })

  local_test("options that code sets do not outlive it", {
    use_plan(name)
    before <- options(warn = 0L)
    on.exit(options(before))
    expect_silent(future_of(quote(options(warn = -1L, digits = 3L, avenir.output.limit = 5))))
    expect_identical(future_of(quote(getOption("digits"))), getOption("digits"))
    expect_warning(future_of(quote(warning("still seen"))), "still seen")
  })

  local_test("values are visible or not as the code leaves them", {
    use_plan(name)
    expect_invisible(future_of(quote(invisible(3))))
    expect_visible(future_of(quote(3)))
    expect_invisible(future_of(quote(x <- 3)))
  })
}
