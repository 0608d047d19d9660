# Times of a GPU by its own events, and with the transfers, beside what tools/gpu-peers.py found (its CSV, when given).
#   Rscript tools/gpu-table.R [--quick] [PEERS.csv]
#
# Medians; the numbers are fresh and random, and change between runs, so that no cache holds them.
library(avenir)

args <- commandArgs(trailingOnly = TRUE)
quick <- "--quick" %in% args
peers_file <- setdiff(args, "--quick")
device <- if (gpu_available()) "gpu:0" else "cpu"
runs <- if (quick) 3L else 9L
size <- function(full, small) if (quick) small else full

milliseconds <- function(work) {
  avenir:::cpp_gpu_mark(device)
  work()
  avenir:::cpp_gpu_since_mark(device)
}
timed <- function(work) {
  work()  # compiles the kernels, loads the libraries
  gpu_sync(device)
  stats::median(replicate(runs, milliseconds(work)))
}
state <- rng_streams(1, seed = 1)[[1L]]
draws <- function(n, type) {
  state <<- rng_advance(state, n)
  gpu_runif(n, state, type = type, device = device)
}
computed <- function(x) invisible(avenir:::cpp_gpu_compute(x))

rows <- list()
row <- function(name, goal, work) {
  found <- tryCatch(timed(work), error = function(e) {
    message(name, ": ", conditionMessage(e))
    NA_real_
  })
  rows[[length(rows) + 1L]] <<- data.frame(workload = name, goal = goal, avenir = found)
  gc()
}

n <- size(1e4, 64)
local({
  a <- gpu_array(draws(n * n, "float"), dim = c(n, n), device = device)
  b <- gpu_array(draws(n * n, "float"), dim = c(n, n), device = device)
  row("product, fp32", 45, function() computed(a %*% b))
  gpu_precision("tf32", device)
  row("product, TF32", 7, function() computed(a %*% b))
  gpu_precision("ieee", device)
})
long <- size(5e8, 1e5)
for (type in c("float", "double")) local({
  x <- draws(long, type)
  row(paste("exp(x) + 3*sin(x),", c(float = "fp32", double = "fp64")[[type]]), c(float = 1.6, double = 4)[[type]],
      function() computed(exp(x) + 3 * sin(x)))
})
local({
  x <- draws(long, "double")
  row("sum, fp64", 1.1, function() sum(x))
})
local({
  m <- size(6000, 40)
  x <- gpu_array(gpu_rnorm(m * m, state, device = device), dim = c(m, m), device = device)
  row("crossprod and chol, fp64", 20, function() computed(chol(crossprod(x))))
})
local({
  host <- stats::runif(size(1e8, 1e5))
  row("upload of 0.8 GB", 25, function() gpu_array(host, device = device))
  row("with transfers: exp(x) + 3*sin(x), 1e8 fp64", NA,
      function() as.vector(exp(gpu_array(host, device = device)) + 3 * sin(gpu_array(host, device = device))))
})
row("runif, 1e9 fp64", 4, function() computed(draws(size(1e9, 1e5), "double")))

table <- do.call(rbind, rows)
if (length(peers_file) && file.exists(peers_file)) {
  peers <- utils::read.csv(peers_file, header = FALSE, col.names = c("peer", "workload", "milliseconds"))
  for (peer in unique(peers$peer)) {
    of <- peers[peers$peer == peer, ]
    table[[peer]] <- of$milliseconds[match(table$workload, of$workload)]
  }
}
if (!quick && device != "cpu") table$met <- table$avenir <= table$goal
cat("milliseconds on", device, "\n")
print(gpu_status())
print(table, digits = 3, row.names = FALSE)
