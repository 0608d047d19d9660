# Row 1D: exp(x) + 3*sin(x) in one pass over the numbers, its sum, and tan(x) + 3*sin(x) in place, on the CPU's threads;
# then the same on floats that are on the GPU or, where there is none, in the CPU's memory.
#   Rscript row-01d-fused.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

n <- if (quick) 1e5 else 5e7
set.seed(1)
x <- runif(n, 0, 10)
threads <- cpu_threads()

# Peers: what else R has for it, on forks.
pieces <- parallel::splitIndices(n, threads)
on_forks <- function(fun) function() {
  unlist(parallel::mclapply(pieces, function(i) fun(x[i]), mc.cores = threads), use.names = FALSE)
}
fused <- function(x) exp(x) + 3 * sin(x)

elementwise <- measure(list(serial = function() fused(x), avenir = function() threaded(exp(x) + 3 * sin(x)),
                            mclapply = on_forks(fused)))
summed <- measure(list(serial = function() sum(fused(x)), avenir = function() threaded(sum(exp(x) + 3 * sin(x))),
                       mclapply = function() sum(on_forks(function(x) sum(fused(x)))())))

# In place: the vector is written over, again and again.
changed <- x + 0
in_place <- measure(list(
  serial = function() tan(x) + 3 * sin(x),
  avenir = function() {
    changed <<- x + 0
    seconds <- elapsed(local(threaded(changed <- tan(changed) + 3 * sin(changed)), envir = globalenv()))
    structure(changed, seconds = seconds)
  },
  mclapply = on_forks(function(x) tan(x) + 3 * sin(x))))
in_place$seconds[["avenir"]] <- attr(in_place$values$avenir, "seconds")

units <- function(a, b) max(abs(a - b) / pmax(abs(b), .Machine$double.xmin)) / .Machine$double.eps
checks <- c("exp(x) + 3*sin(x) is not base R's" =
              max(abs(elementwise$values$avenir - elementwise$values$serial)) <= 1e-11,
            "the sum is not base R's" = units(summed$values$avenir, summed$values$serial) < 64,
            "tan(x) + 3*sin(x) is not base R's" = isTRUE(all.equal(as.vector(in_place$values$avenir),
                                                                   in_place$values$serial, tolerance = 1e-14)))
cat(sprintf("%g numbers on %d threads\n", n, threads))
for (measured in list(elementwise, summed, in_place)) show_times(measured)

# The last bits are the vectorised functions' own: the checks above hold them to base R's.
elementwise$values <- summed$values <- in_place$values <- list()
report("1D", sprintf("exp(x) + 3*sin(x), %g numbers", n), elementwise, threads, checks[1])
report("1D", sprintf("sum(exp(x) + 3*sin(x)), %g numbers", n), summed, threads, checks[2])
report("1D", sprintf("x <- tan(x) + 3*sin(x) in place, %g numbers", n), in_place, threads, checks[3])

# ---- arrays on a device ----

device <- gpu_device(gpu_vector(0))
on_device <- gpu_vector(x, type = "float")
invisible(gpu_eval(exp(on_device) + 3 * sin(on_device)))
arrays <- measure(list(serial = function() fused(x), avenir = function() {
  result <- gpu_eval(exp(on_device) + 3 * sin(on_device))
  gpu_sync()
  result
}))
worst <- max(abs(as.vector(arrays$values$avenir) - arrays$values$serial) / pmax(abs(arrays$values$serial), 1))
cat(sprintf("%g floats on %s\n", n, device))
show_times(arrays)
arrays$values <- list()
report("1D", sprintf("exp(x) + 3*sin(x), %g floats on %s", n, device), arrays, threads,
       c("exp(x) + 3*sin(x) of floats is not base R's" = worst < 1e-4))
