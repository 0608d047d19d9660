# The session of chaos-cluster.sh: maps with streams on the rig's hosts, one after the other, each compared with what
# serial R gives to the bit. Arguments: a folder, seconds. Status 1 when a map fails or is unlike serial R.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "session.R"))
suppressPackageStartupMessages(library(avenir))
options(avenir.cluster.address = Sys.getenv("RIG_ADDRESS"))
seconds <- as.numeric(commandArgs(TRUE)[2L])

# About a millisecond. The value has the state of the generator in it.
element <- function(i) list(i, sum(sqrt(stats::runif(20000))), stats::rnorm(2), get(".Random.seed", globalenv()))
map <- function(seed) future_lapply(1:400, element, future.seed = seed, future.retries = 20)

plan(sequential)
seeds <- 1:4
expected <- lapply(seeds, map)
hosts <- rep(strsplit(Sys.getenv("RIG_HOSTS"), ",", fixed = TRUE)[[1L]], each = 2L)
workers <- workers_ssh(hosts, options = c("-F", Sys.getenv("RIG_SSH_CONFIG")),
                       rscript = file.path(R.home("bin"), "Rscript"))
plan(cluster, workers = workers, heartbeat = 0.5, lost_after = 4, queue_timeout = 60)
stopifnot(identical(map(1L), expected[[1L]]))
leave("working")

descriptors <- function() length(list.files("/proc/self/fd"))
before <- descriptors()
begin <- proc.time()[["elapsed"]]
maps <- wrong <- 0L
errors <- character()
while (proc.time()[["elapsed"]] - begin < seconds && length(errors) < 3L) {
  k <- maps %% length(seeds) + 1L
  got <- tryCatch(map(k), error = function(e) {
    errors <<- c(errors, paste(class(e)[1L], conditionMessage(e)))
    NULL
  })
  maps <- maps + 1L
  wrong <- wrong + !identical(got, expected[[k]])
}
cat(sprintf("%d maps, %d unlike serial R; %+d descriptors\n", maps, wrong, descriptors() - before), errors, sep = "")
plan(sequential)
quit(status = as.integer(wrong > 0L || maps == 0L))
