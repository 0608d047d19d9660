# Every kind of kernel once, on few elements: what tools/gpu-check.sh runs under compute-sanitizer.
#   Rscript tools/gpu-cases.R [DEVICE]
library(avenir)

device <- c(commandArgs(trailingOnly = TRUE), "gpu:0")[1L]
on <- function(x, type = NULL) gpu_array(x, type = type, device = device)
check <- function(found, expected, what, tolerance = 1e-5) {
  same <- all.equal(as.vector(found), as.vector(expected), tolerance = tolerance)
  if (!isTRUE(same)) stop(what, ": ", paste(same, collapse = "; "))
}

set.seed(1)
for (type in c("double", "float")) {
  x <- c(runif(4099, -3, 3), NA)
  m <- matrix(rnorm(67 * 45), 67)
  a <- on(x, type)
  b <- on(m, type)
  check(exp(a) + 3 * sin(a), exp(x) + 3 * sin(x), "elementwise")
  check(a * on(c(1, 2), type), x * c(1, 2), "elementwise, recycled")
  check(sum(exp(a), na.rm = TRUE), sum(exp(x), na.rm = TRUE), "sum")
  check(range(a, na.rm = TRUE), range(x, na.rm = TRUE), "range")
  check(rowSums(b), rowSums(m), "rowSums", 1e-4)
  check(colMeans(b), colMeans(m), "colMeans", 1e-4)
  check(cumsum(on(x[1:4000], type)), cumsum(x[1:4000]), "cumsum", 1e-4)
  check(sort(a), sort(x), "sort")
  check(x[as.vector(order(a))], x[order(x)], "order")
  check(b[c(3, 9), -1], m[c(3, 9), -1], "[")
  check(t(b), t(m), "t")
  check(b %*% t(b), m %*% t(m), "product", 1e-4)
  check(chol(crossprod(b)), chol(crossprod(m)), "chol", 1e-3)
  check(solve(crossprod(b)), solve(crossprod(m)), "solve", 1e-2)
  check(svd(b)$d, svd(m)$d, "svd", 1e-3)
}
i <- on(c(1:3000, NA))
check(cumsum(i), cumsum(c(1:3000, NA)), "cumsum of integers")
check(sum(i > 5L, na.rm = TRUE), 2995, "comparison")
state <- rng_streams(1, seed = 7)[[1L]]
check(gpu_runif(5000, state, device = device), thread_runif(5000, state), "runif", 0)
check(gpu_rnorm(5000, state, device = device), thread_rnorm(5000, state), "rnorm", 1e-12)
cat("all cases on", device, "\n")
