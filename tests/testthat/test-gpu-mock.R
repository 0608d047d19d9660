# What R says of GPUs, on made-up ones: several, small ones, forks.

test_that("arrays go to the GPU by themselves, and come back", {
  found <- with_mock_gpus("
    x <- gpu_matrix(matrix(1:6 / 2, 2, dimnames = list(NULL, letters[1:3])))
    mark('result', list(gpu_available(), gpu_device(x), as.matrix(x), gpu_devices()$device,
                        with_gpu(1, gpu_device(gpu_vector(1))),
                        gpu_device(gpu_vector(1, device = 'cpu')), format(gpu_status())[1]))", "AVENIR_MOCK_DEVICES=2")
  expect_identical(found[1:6], list(TRUE, "gpu:0", matrix(1:6 / 2, 2, dimnames = list(NULL, letters[1:3])),
                                    c("gpu:0", "gpu:1", "cpu"), "gpu:1", "cpu"))
  expect_match(found[[7L]], "^GPU: available \\(driver 13")
})

test_that("arrays on two GPUs are an error that names both, and copies bring them together", {
  found <- with_mock_gpus("
    x <- gpu_vector(c(1, 2), device = 0)
    y <- gpu_vector(c(3, 4), device = 1)
    failure <- tryCatch(x + y, error = function(e) e)
    beyond <- tryCatch(gpu_vector(1, device = 'gpu:2'), error = conditionMessage)
    mark('result', list(class(failure)[1], conditionMessage(failure), gpu_device(gpu_copy(y, 0)),
                        as.vector(gpu_copy(y, 'cpu')), beyond))", "AVENIR_MOCK_DEVICES=2")
  expect_identical(found[[1L]], "avenir_invalid_argument")
  expect_match(found[[2L]], "two devices, gpu:0 and gpu:1.*gpu_copy")
  expect_identical(found[3:4], list("gpu:0", c(3, 4)))
  expect_match(found[[5L]], "names a GPU that is not there; it is \"gpu:2\"")
})

test_that("a GPU whose memory runs out gives numbers and a remedy, after the garbage collector has run", {
  found <- with_mock_gpus("
    for (k in 1:50) x <- gpu_vector(numeric(2e4))
    failure <- tryCatch(gpu_vector(numeric(1e6)), error = function(e) e)
    mark('result', list(length(x), class(failure)[1], conditionMessage(failure)))", "AVENIR_MOCK_MEMORY=1000000")
  expect_identical(found[1:2], list(20000L, "avenir_overloaded_error"))
  expect_match(found[[3L]], "out of memory: 8.* needed.*\"float\"")
})

test_that("a fork of a session that has used a GPU works on the CPU, and says so once", {
  found <- with_mock_gpus("
    x <- gpu_vector(c(1, 2))
    said <- character()
    plan(multicore, workers = I(1))
    withCallingHandlers(value <- value(future({
      first <- gpu_device(gpu_vector(1))
      second <- gpu_device(gpu_vector(2))
      inherited <- tryCatch(as.vector(x), error = function(e) conditionMessage(e))
      list(first, second, inherited, gpu_available(), sum(gpu_vector(1:3)))
    })), message = function(m) {
      said <<- c(said, conditionMessage(m))
      invokeRestart('muffleMessage')
    })
    mark('result', c(value, list(said, as.vector(x))))")
  expect_identical(found[1:2], list("cpu", "cpu"))
  expect_match(found[[3L]], "fork")
  expect_identical(found[4:5], list(FALSE, 6L))
  expect_length(found[[6L]], 1L)
  expect_match(found[[6L]], "fork of one that has used a GPU.*on the CPU here")
  expect_identical(found[[7L]], c(1, 2))
})

test_that("a worker sees one GPU, with a share of its memory", {
  found <- with_mock_gpus("
    plan(multisession, workers = I(2))
    inside <- value(future(c(gpu_limit() / gpu_memory()[['total']], nrow(gpu_devices()))))
    mark('result', inside)", "AVENIR_MOCK_DEVICES=1", "CUDA_VISIBLE_DEVICES=0")
  expect_equal(found, c(0.45, 2), tolerance = 0.02)
})
