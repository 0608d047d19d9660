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
  values <- backend_map(new_sequential_backend(), job,
                        function(i, record) records[[as.character(i)]] <<- record)
  list(values = values, records = records)
}

test_that("the backend answers each generic of the contract", {
  backend <- new_sequential_backend()
  expect_s3_class(backend, c("sequential_backend", "avenir_backend"), exact = TRUE)
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
  expect_named(record, c("value", "visible", "stdout", "conditions", "error", "rng"))
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
