# A short chaos run (inst/bench/faults/chaos.R); tools/soak.sh chaos has the long one, which looks at memory, too.

rig <- new.env(parent = globalenv())
scripts <- system.file("bench", "faults", package = "avenir", mustWork = TRUE)
for (script in c("rig.R", "chaos.R")) sys.source(file.path(scripts, script), rig)

for (name in c("multisession", "multicore")) {
  test_that(paste0(name, ": while workers are killed all maps give serial R's numbers, and nothing is gained"), {
    seed <- as.integer(Sys.time()) %% 1e6L
    run <- rig$run_chaos(name, seconds = 4, seed = seed, steady = 1, elements = 200L)
    expect_identical(rig$broken_by_chaos(run, megabytes = NA), character(),
                     info = paste(utils::capture.output(seed, utils::str(run)), collapse = "\n"))
  })
}
