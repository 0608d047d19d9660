# Chaos: maps of tasks of about a millisecond while a random worker is killed with SIGKILL every 100 ms.
#
#   Rscript chaos.R [--seconds=60] [--seed=N] [--plans=multisession,multicore] [--workers=2]
#
# With future.retries = 5 every map must give the numbers of serial R to the bit, the states of the generator included,
# and from the 10th second on the session must not grow (1 MB; no descriptors, processes, segments). The seed that it
# prints gives the same seeds of the maps, and the same choice among the workers. Status 1 when something does not hold.

scripts <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])
  file.path(dirname(normalizePath(file)), "faults")
})
for (script in c("rig.R", "chaos.R")) source(file.path(scripts, script))

option <- function(name, default) {
  given <- grep(sprintf("^--%s=", name), commandArgs(TRUE), value = TRUE)
  if (length(given)) sub("^[^=]*=", "", given[1L]) else default
}

tell <- function(plan, run) {
  if (run$ended != "value") return(cat(sprintf("%s: the session %s; it wrote:\n%s\n", plan, run$ended, run$said)))
  grown <- growth(run)
  cat(sprintf("%s: %d workers killed in %.0f maps; %.0f maps unlike serial R\n", plan, run$kills, run$maps, run$wrong))
  cat(sprintf("  held at the 10th second: %.1f MB, %d descriptors, %d segments, %d processes\n",
              run$before$resident / 1e6, run$before$descriptors, run$before$segments, run$before$processes))
  cat(sprintf("  gained until the end: %.2f MB, %d descriptors, %d segments, %d processes\n", grown[["resident"]] / 1e6,
              grown[["descriptors"]], grown[["segments"]], grown[["processes"]]))
}

main <- function() {
  seconds <- as.numeric(option("seconds", "60"))
  seed <- as.integer(option("seed", sample.int(1e6, 1L)))
  cat(sprintf("seed %d, %.0f s for each plan\n", seed, seconds))
  tools <- fault_tools(scripts)
  broken <- character()
  for (plan in strsplit(option("plans", "multisession,multicore"), ",", fixed = TRUE)[[1L]]) {
    run <- run_chaos(plan, seconds, seed, min(10, seconds / 2), as.integer(option("workers", "2")), tools = tools)
    tell(plan, run)
    broken <- c(broken, sprintf("%s: NOT: %s\n", plan, broken_by_chaos(run)))
  }
  cat(broken, sep = "")
  quit(status = as.integer(length(broken) > 0L))
}

main()
