# Linear algebra on threads of the BLAS library. Where R's own has one thread only, the rows need AVENIR_BLAS_BUILDS, a
# folder that has OpenBLAS (tools/blas-builds.sh); OPENBLAS_CORETYPE helps one that is older than the processor.

# What starts a session that has it; NULL where none is to be had.
with_openblas <- function() {
  if (!is.na(avenir::blas_info()$setter)) return(character())
  build <- file.path(Sys.getenv("AVENIR_BLAS_BUILDS"), "openblas-pthread")
  if (!file.exists(build)) return(NULL)
  c("env", shQuote(paste0("R_LD_LIBRARY_PATH=", file.path(R.home(), "lib"), ":", build)))
}

# In a session of its own: a matrix of the sides' seconds, the library, and how far the factors are apart.
factor_seconds <- function(n, runs) {
  x <- matrix(stats::rnorm(n * n), n)
  product <- function() chol(crossprod(x))
  plainly_on <- function(threads) function() {
    avenir::blas_threads(threads)
    elapsed(product())
  }
  with_on <- function(threads) function() {
    avenir::blas_threads(3 - threads)  # which the call has to change
    elapsed(avenir::with_blas_threads(threads, product()))
  }
  sides <- list(avenir = with_on(2), `avenir, 1 thread` = with_on(1), `R, told before` = plainly_on(2),
                `.R, 1 thread` = plainly_on(1))
  seconds <- time_in_turn(lapply(sides, reports), runs)
  determinants <- vapply(1:2, function(n) avenir::with_blas_threads(n, sum(log(diag(product())))), 0)
  info <- avenir::blas_info()
  list(seconds = seconds, apart = abs(determinants[2] / determinants[1] - 1), library = paste(info$kind, info$core))
}

factor_results <- function(at) {
  prefix <- with_openblas()
  if (is.null(prefix)) stop("R's BLAS has one thread, and AVENIR_BLAS_BUILDS names no other")
  n <- at$size(6000, 200)
  got <- in_fresh_session(factor_seconds, n, at$size(5, 2), prefix = prefix, seconds = 600)
  medians <- apply(got$seconds, 1L, stats::median)
  list(list(workload = sprintf("crossprod + chol, %d \u00d7 %d, 2 BLAS threads (%s)", n, n, got$library),
            seconds = got$seconds, medians = medians, extrapolated = character(),
            wrong = if (got$apart > 1e-8) "2 threads" else character(), floor = medians[["avenir, 1 thread"]] / 2))
}

bench_row("blas-factor", "crossprod + chol, 6000 \u00d7 6000, 2 BLAS threads", NULL, alone = TRUE,
          results = factor_results, floor_is = "half of what one thread takes", goals = list(
  goal("\u2264 1.03 \u00d7 R, told before", function(m) m[["avenir"]] <= 1.03 * m[["R, told before"]]),
  goal("2 threads \u2265 1.6 \u00d7 faster", function(m) m[["avenir, 1 thread"]] >= 1.6 * m[["avenir"]])))

bench_row("blas-call", "with_blas_threads() around nothing", function(at) {
  times <- at$size(20000, 100)
  one <- avenir::blas_threads()
  list(avenir = function() suppressWarnings(for (i in seq_len(times)) avenir::with_blas_threads(1, one)))
}, per = function(at) at$size(20000, 100), goals = list(goal("\u2264 20 \u00b5s", function(m) m[["avenir"]] <= 20e-6)))
