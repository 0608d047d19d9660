# The fault table: each fault of inst/bench/faults on multisession and multicore, in R sessions of their own with a
# deadline; what must hold stands with the fault. Those that take rights, time or memory that a suite should not ask for
# are left to tools/soak.sh faults, and times to inst/bench/faults.R.

rig <- new.env(parent = globalenv())
scripts <- system.file("bench", "faults", package = "avenir", mustWork = TRUE)
for (script in c("rig.R", "systems.R", "faults.R")) sys.source(file.path(scripts, script), rig)

before <- options(faults.sizes = "small")
tools <- rig$fault_tools(scripts)
faults <- Filter(function(fault) !isFALSE(fault$suite), rig$all_faults())
apart <- vapply(faults, rig$needs_session, NA)

observe_in_suite <- function(system, names) {
  rig$observe_case(rig$new_case(system, names, sizes = "small", deadline = 60, tools = tools))
}

# Those that can be tried one after the other in one session share it: each must leave the plan as it was.
for (system in c("avenir multisession", "avenir multicore")) {
  shared <- observe_in_suite(system, names(faults)[!apart])
  for (name in names(faults)) {
    if (!rig$fits(faults[[name]], system)) next
    test_that(paste0(system, ": ", faults[[name]]$what), {
      observed <- if (apart[[name]]) observe_in_suite(system, name)[[name]] else shared[[name]]
      expect_identical(rig$broken_promises(faults[[name]], observed), character(),
                       info = paste(utils::capture.output(utils::str(observed)), collapse = "\n"))
    })
  }
  test_that(paste0(system, ": nothing is left when the session has ended"), {
    left <- shared[[length(shared)]]$left
    expect_identical(left$processes, 0L)
    expect_identical(left$files, character())
    expect_identical(left$segments, character())
  })
}
options(before)
