# A vector of more than 2^31 elements to a worker and back (2 GB, and as much in shared memory): tools/soak.sh large.
library(avenir)

n <- 2^31 + 10
x <- raw(n)
x[c(1, n)] <- as.raw(c(7, 9))

plan(multisession, workers = I(1))
seen <- value(future(list(length(x), x[c(1, 2^31, n)], x)))
stopifnot(identical(seen[[1]], n), identical(seen[[2]], as.raw(c(7, 0, 9))), is_shared(seen[[3]]),
          length(seen[[3]]) == n, identical(seen[[3]][n], as.raw(9)))
plan(sequential)
cat("2^31 + 10 elements came back\n")
