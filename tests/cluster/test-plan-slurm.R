# plan(cluster) through Slurm: an array of jobs, an allocation, a command of one's own.

test_that("120 tasks are done by both hosts' jobs, as plan(sequential) does them", {
  task <- function(i) list(mean(stats::rnorm(1000)), Sys.info()[["nodename"]], Sys.sleep(0.01))
  before <- future_lapply(1:120, task, future.seed = 5)
  workers <- slurm_workers(2, exclusive = TRUE)
  backend <- local_cluster(workers)
  await_ready(backend, 2L)
  seen <- future_lapply(1:120, task, future.seed = 5)
  expect_identical(lapply(seen, `[[`, 1L), lapply(before, `[[`, 1L))
  expect_setequal(vapply(seen, `[[`, "", 2L), rig_hosts())
  plan(sequential)
  expect_no_processes()
  expect_true(wait_until(function() !length(command_output("squeue", "-h"))))
  expect_identical(list.files(getOption("avenir.cluster.folder")), character())
})

test_that("an allocation's hosts work for the session in it", {
  out <- in_allocation("
    library(avenir)
    backend <- local_cluster(workers_slurm(), frame = globalenv())
    wait_until(function() nrow(nodes_here(backend)) == 2L)
    cat(nbrOfWorkers(), sort(unique(future_sapply(1:60, host_here))), '\\n')
    plan(sequential)
  ")
  expect_identical(trimws(out[length(out)]), "4 h1 h2")
  expect_no_processes()
})

test_that("a template of a command brings workers", {
  options(avenir.cluster.folder = file.path(Sys.getenv("RIG_DIR"), "tickets"))
  template <- "sbatch --array=1-{n} --output=/dev/null --job-name={id} --mem=500M"
  backend <- local_cluster(workers_command(template, "scancel {id}", n = 2))
  await_ready(backend, 2L)
  expect_true(all(future_sapply(1:20, host_here) %in% rig_hosts()))
  plan(sequential)
  expect_no_processes()
})
