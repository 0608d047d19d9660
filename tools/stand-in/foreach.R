# Loops of foreach on doFuture, over the stand-in for future: what people write, each beside what it must give.

suppressPackageStartupMessages({
  library(doFuture)
  library(foreach)
})

numbers_of <- function(seed, n) {
  states <- avenir::rng_streams(n, seed = seed)
  vapply(states, function(state) avenir::with_rng_stream(parallel::nextRNGSubStream(state), stats::runif(1)), 0)
}

failing <- function(expr) tryCatch(expr, error = conditionMessage)

offset <- 10
patterns <- list(
  "values" = function() identical(foreach(i = 1:3) %dofuture% { i^2 }, list(1, 4, 9)),
  "globals" = function() identical(foreach(i = 1:3, .combine = c) %dofuture% { i + offset }, c(11, 12, 13)),
  "several variables" = function() {
    identical(foreach(i = 1:3, j = c(a = 4, b = 5, c = 6), .combine = `+`) %dofuture% { i * j }, 32)
  },
  "rows" = function() {
    got <- foreach(i = 1:2, .combine = rbind) %dofuture% { data.frame(i = i, sq = i^2) }
    isTRUE(all.equal(got, data.frame(i = 1:2, sq = c(1, 4))))
  },
  "seeds" = function() {
    got <- foreach(i = 1:4, .combine = c, .options.future = list(seed = 42L)) %dofuture% { stats::runif(1) }
    isTRUE(all.equal(got, numbers_of(42, 4)))
  },
  "seeds in chunks" = function() {
    draw <- function(size) {
      options <- list(seed = 7L, chunk.size = size)
      foreach(i = 1:5, .combine = c, .options.future = options) %dofuture% { stats::rnorm(1) }
    }
    identical(draw(1), draw(3))
  },
  "packages" = function() {
    identical(foreach(i = 1, .options.future = list(packages = "tools")) %dofuture% { file_ext("a.csv") }, list("csv"))
  },
  "conditions" = function() {
    seen <- character()
    withCallingHandlers(foreach(i = 1:2) %dofuture% { warning("w", i) }, warning = function(w) {
      seen <<- c(seen, conditionMessage(w))
      invokeRestart("muffleWarning")
    })
    identical(seen, c("w1", "w2"))
  },
  "output" = function() {
    identical(utils::capture.output(invisible(foreach(i = 1:2) %dofuture% { cat(i, "\n") })), c("1 ", "2 "))
  },
  "errors" = function() grepl("no 2", failing(foreach(i = 1:3) %dofuture% { if (i == 2) stop("no ", i) else i })),
  "errors kept" = function() {
    got <- foreach(i = 1:2, .errorhandling = "pass") %dofuture% { if (i == 2) stop("no") else i }
    identical(got[[1L]], 1L) && inherits(got[[2L]], "error")
  },
  "when" = function() identical(foreach(i = 1:6, .combine = c) %:% when(i %% 2 == 0) %dofuture% { i }, c(2L, 4L, 6L)),
  "nested" = function() {
    got <- foreach(i = 1:2, .combine = c) %dofuture% { sum(foreach(j = 1:3, .combine = c) %dofuture% { i * j }) }
    identical(got, c(6L, 12L))
  },
  "%dopar%" = function() identical(foreach(i = 1:3, .combine = c) %dopar% { i + offset }, c(11, 12, 13)),
  "%dopar% with exports" = function() {
    inside <- function() {
      k <- 5
      foreach(i = 1:2, .combine = c, .export = "k") %dopar% { i * k }
    }
    identical(inside(), c(5, 10))
  }
)

registerDoFuture()
faults <- 0
for (strategy in c("sequential", "multisession", "multicore", "cluster")) {
  if (strategy == "sequential") plan(strategy) else plan(strategy, workers = 2)
  for (name in names(patterns)) {
    set.seed(1)
    right <- tryCatch(suppressWarnings(patterns[[name]](), classes = "nothing"), error = conditionMessage)
    if (isTRUE(right)) next
    faults <- faults + 1
    cat(sprintf("%s, %s: %s\n", strategy, name, format(right)))
  }
  plan(sequential)
}
cat(sprintf("Results: %d loops under 4 plans, %d wrong\n", length(patterns), faults))
quit(status = as.integer(faults > 0))
