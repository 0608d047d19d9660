# Row 1B: x'x and its Cholesky factor, x a 6000 x 6000 matrix of normal numbers, on one thread of the BLAS library and
# on all cores; then several such matrices, by workers with one thread each.
#   Rscript row-01b-crossprod.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))
start_again_with_openblas()

info <- blas_info()
print(info)
can_be_told <- !is.na(info$setter)
if (!can_be_told) cat("This library has one thread: the matrices are smaller.\n")
all_threads <- if (can_be_told) cpu_threads() else 1L
with_threads <- function(threads, expr) if (can_be_told) with_blas_threads(threads, expr) else expr

# The logarithm of x'x's determinant: libraries and numbers of threads differ in its last digits.
factor_of <- function(x) 2 * sum(log(diag(chol(crossprod(x)))))
report_factors <- function(workload, measured, workers) {
  off <- vapply(measured$values, function(value) max(abs(unlist(value) / unlist(measured$values$serial) - 1)), 0)
  measured$values <- list()
  show_times(measured)
  invisible(report("1B", workload, measured, workers, c("the factors are not those of one thread" = all(off < 1e-8))))
}

# ---- one matrix, all cores ----

n <- if (quick) 300 else if (can_be_told) 6000 else 1500
set.seed(1)
x <- matrix(rnorm(n * n), n)
one <- measure(list(
  serial = function() with_threads(1, factor_of(x)),
  avenir = function() with_threads(all_threads, factor_of(x)),
  `as R was started` = function() factor_of(x)))
report_factors(sprintf("crossprod + chol, %d x %d, BLAS threads", n, n), one, all_threads)

# ---- several matrices, a worker for each core ----

workers <- workers_for(8)
size <- n %/% 3
xs <- lapply(seq_len(4 * workers), function(i) matrix(rnorm(size * size), size))
plan(multisession, workers = workers)
team <- start_peers(workers)
sides <- list(
  serial = function() with_threads(1, lapply(xs, factor_of)),
  avenir = function() future_lapply(xs, factor_of),
  mclapply = function() parallel::mclapply(xs, factor_of, mc.cores = workers),
  parLapply = function() parallel::parLapply(team$cluster, xs, factor_of))
# Forks of others than avenir wait for ever where this session has used threads of OpenMP.
if (identical(info$threading, "OpenMP")) sides$mclapply <- NULL
several <- measure(sides)
threads <- unlist(future_lapply(seq_len(workers), function(i) blas_threads(), future.chunk.size = 1))
cat(sprintf("%d workers have %d BLAS threads in all\n", workers, sum(threads)))
stop_peers(team)
plan(sequential)
report_factors(sprintf("crossprod + chol of %d, %d x %d, by workers", length(xs), size, size), several, workers)
