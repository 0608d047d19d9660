# gpu_array under plans: it travels as its elements.

test_that("arrays among globals, arguments and results work in other processes", {
  x <- gpu_matrix(matrix(1:6 / 2, 2, dimnames = list(c("a", "b"), NULL)))
  f <- gpu_vector(c(1, NA), type = "float")
  inside <- list(data = list(x = x + 1))
  # What is on a GPU cannot be reached in a fork.
  for (strategy in c(list(multisession), if (!gpu_available()) list(multicore))) {
    local_plan(strategy, workers = I(2))
    expect_identical(value(future(as.matrix(x %*% t(x)))), as.matrix(x %*% t(x)))
    expect_identical(value(future(as.vector(rowSums(x)))), as.vector(rowSums(as.matrix(x))))
    expect_identical(value(future(gpu_type(f))), "float")
    expect_identical(value(future(sum(inside$data$x))), sum(as.matrix(x) + 1))
    back <- value(future(crossprod(x)))
    expect_s4_class(back, "gpu_array")
    expect_equal(as.matrix(back), crossprod(as.matrix(x)))
    expect_identical(future_sapply(list(x, 2 * x), function(y) sum(y)), c(10.5, 21))
    expect_identical(future_sapply(list(x), function(y) max(colSums(y))), max(colSums(as.matrix(x))))
  }
})

test_that("a function that mentions base R's functions does not bring the package along", {
  f <- function(m) diag(crossprod(m)) + rowSums(m)
  expect_identical(as.character(avenir:::find_function_globals(f, list(), environment())$packages), character())
  local_plan(multisession, workers = I(1))
  expect_false(value(future({
    diag(2)
    isNamespaceLoaded("avenir")
  })))
})

test_that("an array that was saved has lost its elements, and says so", {
  x <- gpu_vector(c(1, 2))
  file <- tempfile(fileext = ".rds")
  saveRDS(x, file)
  again <- readRDS(file)
  expect_error(mean(again), "memory is gone: it was saved to a file", class = "avenir_invalid_argument")
  expect_error(again + 1, "as.array\\(x\\)", class = "avenir_invalid_argument")
  expect_error(sum(again), "memory is gone", class = "avenir_invalid_argument")
  expect_output(print(again), "<gpu_array: vector, .*memory is gone>")
  expect_output(str(list(again)), "memory is gone")
  expect_length(again, 0L)
  expect_length(unserialize(serialize(gpu_matrix(1:6, 2), NULL)), 6L)
  expect_error(as.vector(unserialize(serialize(x, NULL))), "memory is gone", class = "avenir_invalid_argument")
  expect_lt(file.size(file), 5000)
})

test_that("arrays of mclapply()'s forks can be used there", {
  x <- gpu_vector(as.double(1:1000), device = "cpu")
  found <- parallel::mclapply(1:2, function(i) sum(x * i), mc.cores = 2)
  expect_identical(found, list(500500, 1001000))
})

test_that("each worker has one of the session's GPUs, in turn, and its share of the memory", {
  found <- in_child("
    plan(multisession, workers = I(4))
    here <- tempfile()
    dir.create(here)
    ask <- function(i) future({  # at the same time: each on another worker
      file.create(file.path(here, i))
      end <- Sys.time() + 30
      while (length(list.files(here)) < 4 && Sys.time() < end) Sys.sleep(0.01)
      Sys.getenv(c('AVENIR_GPU_SHARE', 'CUDA_VISIBLE_DEVICES'), names = FALSE)
    })
    each <- value(lapply(1:4, ask))
    plan(sequential)
    mark('result', each)", environment = "CUDA_VISIBLE_DEVICES=3,GPU-5")
  expect_identical(sort(vapply(found, `[`, "", 2L)), c("3", "3", "GPU-5", "GPU-5"))
  expect_setequal(vapply(found, `[`, "", 1L), "0.5")
})
