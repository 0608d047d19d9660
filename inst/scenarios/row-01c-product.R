# Row 1C: the product of two 10000 x 10000 matrices of floats, on a GPU where there is one, else on the CPU.
#   Rscript row-01c-product.R [--quick]

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))
start_again_with_openblas()

print(gpu_status())
device <- gpu_device(gpu_vector(0))
n <- if (quick) 300 else if (device != "cpu" || !is.na(blas_info()$setter)) 10000 else 2000
state <- rng_streams(1, seed = 1)[[1]]
random_matrix <- function(state, type) {
  x <- gpu_rnorm(n * n, state, type = type)
  dim(x) <- c(n, n)
  x
}
x <- random_matrix(state, "float")
y <- random_matrix(rng_jump(state, 1), "float")

# What a user of R has: doubles. Serial R multiplies a part of the columns, whose time counts for all.
part <- seq_len(max(1, n %/% if (quick) 1 else 50))
ordinary <- as.matrix(x)
columns <- as.matrix(y[, part])
multiply <- function(exact) {
  gpu_precision(exact)
  product <- x %*% y
  gpu_sync()
  product
}
sides <- list(serial = function() ordinary %*% columns, avenir = function() multiply("ieee"))
if (device != "cpu") sides$`avenir, tf32` <- function() multiply("tf32")
invisible(multiply("ieee"))
measured <- measure(sides)
gpu_precision("ieee")
measured$seconds[["serial"]] <- measured$seconds[["serial"]] * n / length(part)

scale <- max(abs(measured$values$serial))
off <- function(side) max(abs(as.matrix(measured$values[[side]][, part]) - measured$values$serial)) / scale
checks <- c("the product is not base R's" = off("avenir") <= 1e-5)
cat(sprintf("%d x %d floats on %s, largest difference from doubles %.1e\n", n, n, device, off("avenir")))
show_times(measured)
measured$values <- list()
report("1C", sprintf("x %%*%% y, %d x %d floats, on %s", n, n, device), measured, 1L, checks)
