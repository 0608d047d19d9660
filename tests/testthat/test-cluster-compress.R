# Option avenir.cluster.compress: large objects that travel compressed.

test_that("large objects are the same when they have travelled compressed", {
  skip_if(nzchar(avenir:::cpp_tls_missing()), "TLS is not there")
  skip_if(nzchar(avenir:::cpp_zstd_missing()), "zstd is not there")
  local_options(avenir.cluster.address = "127.0.0.1", avenir.cluster.folder = tempfile("tickets-"),
                avenir.cluster.compress = TRUE)
  local_plan(cluster, workers = workers_command("nohup {command} >/dev/null 2>&1 &"))
  regular <- as.double(seq_len(2e6) %% 100)
  random <- stats::runif(1e6)
  expect_identical(value(future(c(sum(regular), sum(random)))), c(sum(regular), sum(random)))
  expect_identical(value(future(regular * 2)), regular * 2)
  expect_identical(value(future(random * 2)), random * 2)
  turned <- function(i) regular[i] + rev(regular)
  expect_identical(future_lapply(1:3, turned), lapply(1:3, turned))
  text <- as.list(as.character(1:1e5))
  expect_identical(value(future(text)), text)
})

test_that("what is no choice is refused, and a library that is missing is named", {
  local_options(avenir.cluster.compress = "yes")
  expect_error(avenir:::compresses(), "TRUE or FALSE", class = "avenir_invalid_argument")
  options(avenir.cluster.compress = TRUE)
  expect_error(avenir:::compresses("libzstd.so.1 cannot be loaded"), "libzstd", class = "avenir_unsupported_error")
  options(avenir.cluster.compress = FALSE)
  expect_false(avenir:::compresses("libzstd.so.1 cannot be loaded"))
})
