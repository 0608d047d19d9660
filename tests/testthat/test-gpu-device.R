# Devices: which there are, why there is no GPU, their memory; and what is no array.

invalid <- "avenir_invalid_argument"

test_that("gpu_status() says why there is no GPU, and where arrays are", {
  status <- gpu_status()
  expect_s3_class(status, "avenir_gpu_status")
  expect_identical(status$available, gpu_available())
  expect_identical(nzchar(status$reason), !gpu_available())
  expect_true(status$default %in% c("cpu", "gpu:0"))
  expect_output(print(status), "arrays are on: ")
  if (!gpu_available()) expect_output(print(status), status$reason, fixed = TRUE)
  devices <- gpu_devices()
  expect_identical(devices$device[nrow(devices)], "cpu")
  expect_true(all(devices$memory > 0))
})

test_that("without a driver, or with the GPUs hidden, there is no GPU, and everything works on the CPU", {
  found <- in_child("
    Sys.setenv(CUDA_VISIBLE_DEVICES = '')
    x <- gpu_matrix(c(2, 1, 1, 3), 2)
    reason <- gpu_status()$reason
    refused <- tryCatch(gpu_vector(1, device = 'gpu:0'), error = function(e) e)
    mark('result', list(sum(solve(x)), reason, gpu_device(x), class(refused), conditionMessage(refused)))")
  expect_equal(found[[1L]], sum(solve(matrix(c(2, 1, 1, 3), 2))))
  expect_true(nzchar(found[[2L]]))
  expect_identical(found[[3L]], "cpu")
  expect_true("avenir_unsupported_error" %in% found[[4L]])
  expect_match(found[[5L]], "there is no GPU to use: .*device = \"cpu\"")
})

test_that("a device that is none is refused, and with_gpu() is undone", {
  for (bad in list("gpu", "gpu:x", -1, 1.5, NA, c("cpu", "cpu"), NULL, "CPU")) {
    expect_error(gpu_vector(1, device = bad), "`device` must be \"auto\", \"cpu\", or a GPU", class = invalid)
    expect_error(with_gpu(bad, 1), class = invalid)
  }
  expect_identical(with_gpu("cpu", gpu_device(gpu_vector(1))), "cpu")
  local_options(avenir.gpu.device = "cpu")
  try(with_gpu("auto", stop("x")), silent = TRUE)
  expect_identical(getOption("avenir.gpu.device"), "cpu")
  options(avenir.gpu.device = "here")
  expect_error(gpu_vector(1), "avenir.gpu.device", class = invalid)
})

test_that("what is no numeric vector is refused, by its class", {
  for (bad in list("a", list(1), 1i, quote(x), NULL)) {
    expect_error(gpu_vector(bad), "numeric, integer or logical", class = invalid)
  }
  expect_error(gpu_vector(factor("a")), "an object of class `factor`.*as.numeric", class = invalid)
  expect_error(gpu_matrix(data.frame(a = 1)), "data.frame.*as.matrix", class = invalid)
  x <- gpu_vector(1:3)
  expect_error(x + "a", "class \"character\"", class = invalid)
  expect_error(x + Sys.Date(), "class \"Date\"", class = invalid)
  expect_error(gpu_vector(1, type = "half"), "`type` must be \"double\", \"float\", \"integer\" or \"logical\"",
               class = invalid)
  expect_error(gpu_matrix(1:6, 4), "8 elements, and `x` has 6", class = invalid)
  expect_error(gpu_array(1:6, c(2, -3)), "whole numbers from 0", class = invalid)
  expect_error(gpu_type(1), "must be a gpu_array", class = invalid)
  expect_error(mean(new("gpu_array")), "has no elements", class = invalid)
})

test_that("operands that do not fit are an error that says how", {
  for (device in test_devices()) {
    x <- gpu_matrix(1:6, 2, device = device)
    expect_error(x + gpu_matrix(1:6, 3, device = device), "non-conformable arrays", class = invalid)
    expect_error(x + 1:4, "6 and 4 elements.*not a multiple", class = invalid)
    expect_error(x + 1:12, "dims \\[product 6\\] do not match the length of object \\[12\\]", class = invalid)
    expect_error(gpu_vector(1:5, device = device) * gpu_vector(1:2, device = device), "5 and 2 elements",
                 class = invalid)
    expect_error(ifelse(x > 1, 1:4, 0), "one element or as many as the test, 6; one has 4", class = invalid)
    expect_error(x[3, 1], "subscript out of bounds", class = invalid)
    expect_error(x["a", 1], "subscript out of bounds", class = invalid)
    expect_error(x[1, 1, 1], "incorrect number of dimensions", class = invalid)
    expect_error(x[1:4] <- 1:3, "not a multiple", class = invalid)
    expect_error(x[7] <- 1L, "cannot grow", class = invalid)
    expect_error(x[1] <- integer(), "replacement has length zero", class = invalid)
    expect_error(cbind(x, gpu_matrix(1:9, 3, device = device)), "number of rows of matrices must match",
                 class = invalid)
    expect_error(rowSums(gpu_vector(1, device = device)), "at least two dimensions", class = invalid)
    expect_error(log(x, c(2, 3)), "`base` of log\\(\\) must be one number", class = invalid)
  }
})

test_that("arrays on two devices are an error that names both", {
  others <- setdiff(gpu_devices()$device, "cpu")
  if (!length(others)) {
    expect_error(gpu_copy(gpu_vector(1), "gpu:0"), "there is no GPU to use", class = "avenir_unsupported_error")
  } else {
    x <- gpu_vector(1:3, device = "cpu")
    y <- gpu_copy(x, others[1L])
    expect_error(x + y, "two devices, cpu and gpu:0.*gpu_copy", class = invalid)
    expect_error(cbind(x, y), "two devices, cpu and gpu:0", class = invalid)
    expect_error(gpu_matrix(1, device = "cpu") %*% gpu_copy(gpu_matrix(1), others[1L]), "two devices", class = invalid)
    expect_identical(as.vector(gpu_copy(y, "cpu") + x), c(2L, 4L, 6L))
  }
})

test_that("memory is counted, limited and given back", {
  for (device in test_devices()) {
    before <- gpu_gc(device)
    x <- gpu_vector(numeric(1e6), device = device)
    expect_identical(gpu_memory(device)[["held"]] - before[["held"]], 8e6)
    expect_identical(gpu_memory(device)[["arrays"]] - before[["arrays"]], 1)
    rm(x)
    expect_identical(gpu_gc(device)[["held"]], before[["held"]])
    limit <- gpu_limit(before[["held"]] + 4e6, device)
    expect_identical(gpu_limit(device = device), before[["held"]] + 4e6)
    failure <- expect_error(gpu_vector(numeric(1e6), device = device), "8.0 MB needed",
                            class = "avenir_overloaded_error")
    expect_match(conditionMessage(failure), "rm\\(\\).*gpu_gc\\(\\).*type = \"float\"")
    for (k in 1:20) y <- gpu_vector(numeric(2e5), device = device)  # the collector finds those before
    expect_identical(length(y), 200000L)
    gpu_limit(limit, device)
    for (bad in list(0, -1, NA, "1", c(1, 2))) expect_error(gpu_limit(bad, device), "`limit` must be bytes",
                                                            class = invalid)
  }
})

test_that("intermediate results take no memory once an expression is computed", {
  for (device in test_devices()) {
    x <- gpu_vector(numeric(1e5), device = device)
    before <- gpu_memory(device)[["held"]]
    y <- gpu_eval(exp(x) * 2 + sin(x) - abs(x))
    expect_identical(gpu_memory(device)[["held"]], before + 8e5)
    expect_identical(sum(exp(x) * 2), 2e5)
    expect_identical(gpu_memory(device)[["held"]], before + 8e5)
  }
})

test_that("precision is asked for by name", {
  for (device in test_devices()) {
    expect_identical(gpu_precision(device = device), "ieee")
    expect_identical(gpu_precision("tf32", device), "ieee")
    expect_identical(gpu_precision("ieee", device), "tf32")
    expect_error(gpu_precision("half", device), "\"ieee\" or \"tf32\"", class = invalid)
    expect_null(gpu_sync(device))
  }
})

test_that("single elements in a loop are warned of, once", {
  said <- in_child("
    x <- gpu_vector(1:10, device = 'cpu')
    said <- character()
    withCallingHandlers(for (k in 1:400) x[k %% 10 + 1], warning = function(w) {
      said <<- c(said, paste(class(w)[1], conditionMessage(w)))
      invokeRestart('muffleWarning')
    })
    mark('result', said)")
  expect_length(said, 1L)
  expect_match(said, "avenir_gpu_warning single elements of a gpu_array were taken 100 times")
})

test_that("base R's functions are themselves for everything else", {
  m <- matrix(c(2, 1, 1, 3), 2, dimnames = list(c("a", "b"), NULL))
  for (code in expression(rowSums(m), colMeans(m), crossprod(m), tcrossprod(m, m), diag(m), diag(2), diag(c(1, 2)),
                          svd(m),
                          eigen(m), norm(m), norm(m, "F"), outer(1:2, 1:3), ifelse(m > 1, 1, 0), backsolve(m, 1:2),
                          chol2inv(m), qr.Q(qr(m)), qr.R(qr(m)), qr.coef(qr(m), 1:2), qr.solve(m, 1:2))) {
    name <- as.character(code[[1L]])
    expected <- eval(as.call(c(call("::", quote(base), as.name(name)), as.list(code)[-1L])))
    expect_identical(eval(code), expected, info = deparse(code))
  }
  expect_error(rowSums(1), "'x' must be an array of at least two dimensions")
  conflicts <- in_child("
    detach('package:avenir')
    mark('result', capture.output(library(avenir), type = 'message'))")
  expect_identical(conflicts, character())
})

test_that("threaded() computes base R's functions that have methods for arrays", {
  x <- runif(3000)
  expect_identical(threaded(ifelse(x > 0.5, 1, 0)), base::ifelse(x > 0.5, 1, 0))
})
