task <- function(expr, ...) {
  default <- list(expr = substitute(expr), globals = list(), packages = character(), seed = NULL,
                  check_rng = FALSE, stdout = TRUE, conditions = "condition", label = NULL, options = list())
  utils::modifyList(default, list(...), keep.null = TRUE)
}

job <- function(x, fun, ...) {
  default <- list(fun = fun, x = x, args = list(), kernel = "lapply", globals = list(),
                  packages = character(), seeds = NULL, check_rng = FALSE, stdout = TRUE,
                  conditions = "condition", bounds = NULL, order = NULL, label = NULL, options = list())
  utils::modifyList(default, list(...), keep.null = TRUE)
}

# The records that a map relays, by element.
relayed <- function(job) {
  records <- list()
  values <- backend_map(new_sequential_backend(), job, function(i, record) {
    records[[as.character(i)]] <<- record
    NULL
  })
  list(values = values, records = records)
}

test_that("the backend answers each generic of the contract", {
  backend <- new_sequential_backend()
  expect_s3_class(backend, c("sequential_backend", "avenir_backend", "FutureBackend"), exact = TRUE)
  expect_identical(backend_workers(backend), 1L)
  expect_identical(backend_free(backend), 1L)
  expect_type(backend_describe(backend), "character")
  handle <- backend_submit(backend, task(1 + 1))
  expect_true(backend_resolved(backend, handle, 0))
  expect_invisible(backend_cancel(backend, handle, TRUE))
  expect_identical(backend_collect(backend, handle)$value, 2)
  expect_invisible(backend_close(backend))
})

test_that("a record has all fields", {
  backend <- new_sequential_backend()
  record <- backend_collect(backend, backend_submit(backend, task({
    cat("o")
    warning("w")
    runif(1)
    stop("e")
  }, check_rng = TRUE)))
  expect_named(record, c("value", "visible", "stdout", "conditions", "error", "rng", "calls", "misuse"))
  expect_identical(record$stdout, "o")
  expect_identical(conditionMessage(record$conditions[[1]]$condition), "w")
  expect_identical(conditionMessage(record$error), "e")
})

test_that("a map relays only elements that have something", {
  got <- relayed(job(1:4, function(i) if (i %% 2 == 0) cat(i) else i))
  expect_identical(got$values, list(1L, NULL, 3L, NULL))
  expect_named(got$records, c("2", "4"))
  expect_identical(got$records[["4"]]$stdout, "4")
})

test_that("a map relays in the order of processing", {
  got <- relayed(job(1:3, function(i) {
    cat(i)
    i
  }, order = c(3L, 1L, 2L)))
  expect_identical(got$values, list(1L, 2L, 3L))
  expect_named(got$records, c("3", "1", "2"))
})

test_that("a map that is not relayed to the end stops there and leaves no sink", {
  before <- c(sink.number(), nrow(showConnections()))
  evaluated <- integer()
  expect_error(backend_map(new_sequential_backend(), job(1:4, function(i) {
    evaluated <<- c(evaluated, i)
    cat(i)
  }), function(i, record) if (i == 2) stop("enough")), "enough")
  expect_identical(evaluated, 1:2)
  expect_identical(c(sink.number(), nrow(showConnections())), before)
})

test_that("numbers drawn without a seed differ between elements, also when elements print", {
  set.seed(1)
  got <- relayed(job(1:3, function(i) {
    cat(i)
    runif(1)
  }))
  set.seed(1)
  expect_identical(unlist(got$values), runif(3))
})

test_that("use of random numbers is flagged once", {
  got <- relayed(job(1:3, function(i) runif(1), check_rng = TRUE))
  expect_named(got$records, "1")
  expect_true(got$records[["1"]]$rng)
})

test_that("globals are in place while a map runs and gone afterwards", {
  f <- function(i) i + offset_of_test
  environment(f) <- globalenv()
  got <- relayed(job(1:2, f, globals = list(offset_of_test = 1)))
  expect_identical(got$values, list(2, 3))
  expect_false(exists("offset_of_test", globalenv(), inherits = FALSE))
})

test_that("arguments are lists of arguments for kernel mapply", {
  got <- relayed(job(list(list(1, b = 2), list(3, b = 4)), function(a, b, k) a + b + k, args = list(k = 10),
                     kernel = "mapply"))
  expect_identical(got$values, list(13, 17))
})

test_that("a session without a generator state is left without one", {
  kept <- random_seed()
  on.exit(assign(".Random.seed", kept, globalenv()))
  rm(".Random.seed", envir = globalenv())
  relayed(job(1, function(i) set.seed(1, kind = "Wichmann-Hill")))
  expect_null(random_seed())
  expect_identical(RNGkind()[1], "Mersenne-Twister")
})

test_that("a future may show what it prints and signals at once as well", {
  local_plan("sequential")
  expect_output(f <- future({
    cat("o\n")
    1
  }, split = TRUE), "o")
  expect_output(value(f), "o")
  local_options(future.rng.onMisuse = "ignore")
  plan(sequential, split = TRUE)
  expect_message(future(message("m")), "m")
})

test_that("environment variables are set back", {
  Sys.setenv(VARIABLE_OF_TEST = "before")
  on.exit(Sys.unsetenv("VARIABLE_OF_TEST"))
  relayed(job(1, function(i) Sys.setenv(VARIABLE_OF_TEST = "changed")))
  expect_identical(Sys.getenv("VARIABLE_OF_TEST"), "before")
  relayed(job(1, function(i) Sys.unsetenv("VARIABLE_OF_TEST")))
  expect_identical(Sys.getenv("VARIABLE_OF_TEST"), "before")
})

# ---- keeping what there is ----

test_that("what relay() gives in a list stands for the element, NULL too", {
  values <- backend_map(new_sequential_backend(), job(1:4, function(i) if (i %% 2L == 0L) stop("even") else i),
                        function(i, record) list(if (i == 2L) record$error))
  expect_identical(values[c(1L, 3L, 4L)], list(1L, 3L, NULL))
  expect_identical(conditionMessage(values[[2L]]), "even")
})

# What the backend gives to harvest() when relay() raises an error at element `at`.
harvested <- function(at, ...) {
  got <- NULL
  harvest <- function(values, done) got <<- list(values = values, done = done)
  relay <- function(i, record) if (i == at) stop("enough")
  try(backend_map(new_sequential_backend(), job(..., harvest = harvest), relay), silent = TRUE)
  got
}

test_that("a map that ends by an error hands over the values that it has", {
  got <- harvested(3L, 1:4, function(i) if (i == 3L) stop("e") else i)
  expect_identical(got$values, list(1L, 2L, NULL, NULL))
  expect_identical(got$done, c(TRUE, TRUE, FALSE, FALSE))
})

test_that("an element is over when only its output could not be relayed, and NULL is a value", {
  got <- harvested(2L, 1:3, function(i) if (i == 2L) cat("out"))
  expect_identical(got$values, list(NULL, NULL, NULL))
  expect_identical(got$done, c(TRUE, TRUE, FALSE))
})

test_that("values that are handed over lie in the order of the elements", {
  got <- harvested(1L, 1:4, function(i) if (i == 1L) stop("e") else i, order = c(3L, 4L, 1L, 2L))
  expect_identical(got$values, list(NULL, NULL, 3L, 4L))
  expect_identical(got$done, c(FALSE, FALSE, TRUE, TRUE))
})

test_that("a map that comes to its end hands nothing over", {
  expect_null(harvested(0L, 1:2, identity))
})

test_that("Ctrl-C hands over the values that there are", {
  got <- in_child("
    job <- list(fun = function(i) if (i == 3L) { tools::pskill(Sys.getpid(), tools::SIGINT); Sys.sleep(60) } else i,
                x = 1:4, args = list(), kernel = 'lapply', globals = list(), packages = character(), seeds = NULL,
                check_rng = FALSE, stdout = TRUE, conditions = 'condition', bounds = NULL, order = NULL,
                harvest = function(values, done) kept <<- list(values, done))
    tryCatch(avenir:::backend_map(avenir:::new_sequential_backend(), job, function(i, record) {
      ended <<- class(record$error)
      stop('end')
    }), error = identity)
    mark('result', list(kept, ended))
  ")
  expect_identical(got[[1L]], list(list(1L, 2L, NULL, NULL), c(TRUE, TRUE, FALSE, FALSE)))
  expect_true("interrupt" %in% got[[2L]])
})

# ---- time limits ----

# The record of a future with a time limit.
limited <- function(expr, timeout, ...) {
  limited_task <- task(NULL, timeout = timeout, globals = list(...))
  limited_task$expr <- substitute(expr)
  backend <- new_sequential_backend()
  backend_collect(backend, backend_submit(backend, limited_task))
}

test_that("a future that takes longer than its limit is a FutureTimeoutError", {
  error <- limited(Sys.sleep(60), 0.05)$error
  expect_s3_class(error, c("FutureTimeoutError", "FutureInterruptError", "FutureError", "error"), exact = FALSE)
  expect_match(conditionMessage(error), "0.05 seconds")
  expect_s3_class(limited(repeat NULL, 0.05)$error, "FutureTimeoutError")
})

test_that("within its limit a future is as without one", {
  expect_identical(limited(1 + 1, 60)$value, 2)
  expect_null(limited(1 + 1, 60)$error)
  expect_identical(conditionMessage(limited(stop("own"), 60)$error), "own")
  expect_false(limited(invisible(1), 60)$visible)
  expect_identical(limited({
    cat("o")
    message("m")
  }, 60)$stdout, "o")
})

test_that("a limit holds for each element, and the others are not touched", {
  got <- list()
  values <- backend_map(new_sequential_backend(), job(1:3, function(i) {
    if (i == 2L) Sys.sleep(60)
    i
  }, timeout = 0.2, name = "future_lapply"), function(i, record) {
    got[[i]] <<- record$error
    list("kept")
  })
  expect_identical(values, list(1L, "kept", 3L))
  expect_s3_class(got[[2L]], "FutureTimeoutError")
  expect_match(conditionMessage(got[[2L]]), "lement 2 of future_lapply()", fixed = TRUE)
})

test_that("code that handles interrupts keeps its value, and is interrupted again when it goes on", {
  expect_identical(limited(tryCatch(Sys.sleep(60), interrupt = function(i) "cleaned up"), 0.05)$value, "cleaned up")
  record <- limited({
    tryCatch(Sys.sleep(60), interrupt = function(i) NULL)
    Sys.sleep(60)
  }, 0.05)
  expect_s3_class(record$error, "FutureTimeoutError")
})

test_that("an error of its own after the limit stays the error", {
  record <- limited(tryCatch(Sys.sleep(60), interrupt = function(i) stop("own")), 0.05)
  expect_identical(conditionMessage(record$error), "own")
})

test_that("limits may be nested: each holds for what it is about", {
  local_plan("sequential")
  inner <- limited(value(future(Sys.sleep(60), timeout = 0.05)), 60)
  expect_match(conditionMessage(inner$error), "0.05 seconds")
  outer <- limited(value(future(Sys.sleep(60), timeout = 60)), 0.05)
  expect_match(conditionMessage(outer$error), "0.05 seconds")
  map <- limited(future_lapply(1:3, function(i) Sys.sleep(60)), 0.05)
  expect_s3_class(map$error, "FutureTimeoutError")
  after <- limited({
    try(value(future(Sys.sleep(60), timeout = 0.02)), silent = TRUE)
    Sys.sleep(60)
  }, 0.1)
  expect_match(conditionMessage(after$error), "0.1 seconds")
})

test_that("no interrupt comes when an evaluation is over, however short the limit", {
  spin <- function(seconds) {
    end <- proc.time()[["elapsed"]] + seconds
    while (proc.time()[["elapsed"]] < end) NULL
  }
  outcomes <- vapply(1:200, function(i) {
    record <- limited(spin(0.001), 0.001, spin = spin)
    for (k in 1:2000) NULL
    if (is.null(record$error)) "value" else class(record$error)[1L]
  }, "")
  expect_true(all(outcomes %in% c("value", "FutureTimeoutError")))
})

test_that("a process that the code forks is not interrupted, and the limit holds afterwards", {
  got <- in_child("
    record <- function(expr, timeout) {
      f <- future(expr, substitute = FALSE, timeout = timeout)
      tryCatch(value(f), error = function(e) class(e)[1L])
    }
    mark('result', list(
      record(quote(parallel::mclapply(1:2, function(i) value(future(i, timeout = 60)), mc.cores = 2)), 60),
      record(quote({ parallel::mclapply(1:2, identity, mc.cores = 2); Sys.sleep(60) }), 0.5)))
  ")
  expect_identical(got, list(list(1L, 2L), "FutureTimeoutError"))
})

test_that("Ctrl-C stays an interrupt where there is a limit", {
  got <- in_child("
    class_of <- function(expr) tryCatch(expr, interrupt = function(i) 'interrupt', error = function(e) class(e))
    stop_here <- function(i) { tools::pskill(Sys.getpid(), tools::SIGINT); Sys.sleep(60) }
    mark('result', list(class_of(value(future(stop_here(1), timeout = 60))),
                        class_of(suppressWarnings(future_lapply(1:2, stop_here, future.timeout = 60)))))
  ")
  for (class in got) {
    expect_true(any(c("interrupt", "FutureInterruptError") %in% class))
    expect_false("FutureTimeoutError" %in% class)
  }
})

test_that("an interrupt that the code has signaled itself is an error, in a map that of the element", {
  mine <- structure(class = c("interrupt", "condition"), list(message = "mine", call = NULL))
  expect_s3_class(limited(signalCondition(mine), Inf, mine = mine)$error, "FutureInterruptError")
  got <- relayed(job(1:3, function(i) if (i == 2L) signalCondition(mine) else i))
  expect_identical(got$values[c(1L, 3L)], list(1L, 3L))
  expect_s3_class(got$records[["2"]]$error, "FutureInterruptError")
})

test_that("twenty-four futures that wait for each other find room on a stack of 8 MB", {
  outcome <- in_child(c(
    "x <- new.env()",
    "x$`0` <- 1",
    "for (i in 1:24) local({",
    "  before <- as.character(i - 1)",
    "  delayedAssign(as.character(i), value(f), assign.env = x, eval.env = list2env(list(f = future(",
    "    get(before, x) + 1, lazy = TRUE, stdout = NA, conditions = NULL, globals = list(before = before, x = x)))))",
    "})",
    "mark('result', c(x$`24`, Cstack_info()[['size']]))"))
  expect_equal(outcome[1L], 25)
})
