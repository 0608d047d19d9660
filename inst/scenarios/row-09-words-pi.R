# Row 9: the characters of 1e6 English words, counted; pi by Monte Carlo with a pool of workers.
#   Rscript row-09-words-pi.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

# Words of the licence of R, over and over, in blocks.
number <- if (quick) 1e4 else 1e6
text <- readLines(file.path(R.home("share"), "licenses", "GPL-3"), warn = FALSE)
vocabulary <- grep("^[A-Za-z]+$", unlist(strsplit(text, "[^A-Za-z]+")), value = TRUE)
words <- rep_len(vocabulary, number)
blocks <- unname(split(words, cut(seq_along(words), 100, labels = FALSE)))
count_characters <- function(block) sum(nchar(block))

points <- if (quick) 1e4 else 1e6
hits <- function(i) sum(runif(points)^2 + runif(points)^2 < 1)
batches <- 40

workers <- workers_for(4)
plan(multisession, workers = workers)
team <- start_peers(workers, c("points", "blocks", "count_characters"))

sides <- list(
  serial = function() lapply(blocks, count_characters),
  avenir = function() future_lapply(blocks, count_characters),
  mclapply = function() parallel::mclapply(blocks, count_characters, mc.cores = workers),
  parLapply = function() parallel::parLapply(team$cluster, blocks, count_characters),
  future.apply = function() future.apply::future_lapply(blocks, count_characters))
if (quick || !has("future.apply")) sides$future.apply <- NULL
counted <- measure(sides)

# Word by word: each is a task of a few microseconds.
single <- words[seq_len(number / 10)]
sides <- list(
  serial = function() lapply(single, nchar),
  avenir = function() future_lapply(single, nchar),
  mclapply = function() parallel::mclapply(single, nchar, mc.cores = workers),
  parLapply = function() parallel::parLapply(team$cluster, single, nchar))
one_by_one <- measure(sides)

thrown <- measure(map_sides(batches, hits, seed = 9, team))

# The same by a compiled loop on this session's threads, as numba's prange does it. Element i is a batch with stream i.
Rcpp::sourceCpp(code = sub("POINTS", format(points, scientific = FALSE), '
  // [[Rcpp::depends(avenir)]]
  #include <avenir/threaded.h>
  void count_hits(const double* const* in, double* out, size_t n, void* data) {
    for (size_t i = 0; i < n; ++i) {
      avenir::stream stream = static_cast<avenir::stream*>(data)->jumped(in[0][i] - 1);
      out[i] = 0;
      for (int k = 0; k < POINTS; ++k) {
        const double x = stream.next(), y = stream.next();
        out[i] += x * x + y * y < 1;
      }
    }
  }
  // [[Rcpp::export]]
  SEXP count_hits_pointer(Rcpp::IntegerVector state) {
    return avenir::block_pointer(count_hits, new avenir::stream(state.begin()));
  }'))
count_hits <- compiled_function(count_hits_pointer(first_stream(9)))
streams <- next_streams(batches, 9)
by_stream <- function(i) {
  assign(".Random.seed", streams[[i]], envir = globalenv())
  xy <- matrix(runif(2 * points), 2)
  as.numeric(sum(xy[1, ]^2 + xy[2, ]^2 < 1))
}
looped <- measure(list(
  serial = function() vapply(seq_len(batches), by_stream, 0),
  avenir = function() threaded(count_hits(1:batches)),
  mclapply = function() unlist(parallel::mclapply(seq_len(batches), by_stream, mc.cores = workers))))
stop_peers(team)
plan(sequential)

# The same without workers: numbers of one stream on threads, vectors as in serial R.
darts <- workers * round(10 * points / workers)
east <- first_stream(9)
north <- rng_jump(east, 1)
sides <- list(
  serial = function() {
    x <- with_rng_stream(east, runif(darts))
    y <- with_rng_stream(north, runif(darts))
    sum(x^2 + y^2 < 1)
  },
  avenir = function() {
    with_cpu_threads(workers, {
      x <- thread_runif(darts, east)
      y <- thread_runif(darts, north)
      threaded(sum(x^2 + y^2 < 1))
    })
  },
  mclapply = function() {
    parts <- parallel::mclapply(seq_len(workers) - 1, mc.cores = workers, function(i) {
      size <- darts / workers
      x <- with_rng_stream(rng_advance(east, i * size), runif(size))
      y <- with_rng_stream(rng_advance(north, i * size), runif(size))
      sum(x^2 + y^2 < 1)
    })
    sum(unlist(parts))
  })
on_threads <- measure(sides)

total <- sum(unlist(counted$values$avenir))
estimate <- 4 * sum(unlist(thrown$values$avenir)) / (batches * points)
cat(sprintf("%d characters in %d words; pi is about %.5f\n", total, length(words), estimate))
checks <- c("the blocks have not all the characters" = total == sum(nchar(words)),
            "the estimate is not pi" = abs(estimate - pi) < 10 / sqrt(batches * points))
show_times(counted)
show_times(one_by_one)
show_times(thrown)
show_times(looped)
show_times(on_threads)
report(9, sprintf("characters of %g English words, 100 blocks", number), counted, workers, checks[1])
report(9, sprintf("characters of %g words, word by word", number / 10), one_by_one, workers)
report(9, sprintf("pi by Monte Carlo, %d x %g points", batches, points), thrown, workers, checks[2])
report(9, sprintf("pi by Monte Carlo, compiled, %d x %g points", batches, points), looped, cpu_threads())
report(9, sprintf("pi by Monte Carlo, %g points, on threads", darts), on_threads, workers,
       c("the estimate is not pi" = abs(4 * on_threads$values$avenir / darts - pi) < 10 / sqrt(darts)))
