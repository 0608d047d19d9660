# Slurm ends what it has started: nothing hangs, nothing stays, and errors have its words.

test_that("scancel of the jobs ends the workers, and the error says that they were cancelled", {
  backend <- local_cluster(slurm_workers())
  f <- future(Sys.sleep(600))
  await_ready(backend, 2L)
  command_output("scancel", backend$launches[[1L]]$id)
  error <- prompt_error(value(f))
  expect_s3_class(error, "FutureError")
  expect_match(conditionMessage(error), "cancelled")
  expect_no_processes()
})

test_that("a worker that takes more memory than its job has is out of memory", {
  skip_if(Sys.getenv("RIG_MEMORY_LIMITS") != "yes", "no memory limits here")
  backend <- local_cluster(slurm_workers(1, mem = "250M"))
  error <- prompt_error(value(future(sum(as.numeric(seq_len(2e8)) + 1))))
  expect_s3_class(error, "FutureError")
  expect_match(conditionMessage(error), "lack of memory|out of memory")
  plan(sequential)
  expect_no_processes()
})

test_that("jobs that fail at once are an error", {
  local_cluster(slurm_workers(1))
  plan(sequential)
  error <- prompt_error(local_cluster(slurm_workers(1, partition = "nowhere")))
  expect_s3_class(error, "avenir_worker_start_error")
  expect_match(conditionMessage(error), "nowhere|partition")
})

test_that("jobs that end before they can join are an error with their own words", {
  local_cluster(slurm_workers(1))
  options(avenir.cluster.address = "127.0.0.1")
  plan(cluster, workers = slurm_workers(2))
  error <- prompt_error(value(future(1)))
  expect_s3_class(error, "avenir_worker_start_error")
  expect_match(conditionMessage(error), "cannot connect to 127.0.0.1 port [0-9]+")
})

test_that("a queue that does not move is told of, and given up when that was asked for", {
  local_cluster(slurm_workers(1, begin = "now+1hour"), queue_timeout = 6)
  told <- character()
  error <- prompt_error(withCallingHandlers(value(future(1)), message = function(m) {
    told <<- c(told, conditionMessage(m))
    invokeRestart("muffleMessage")
  }))
  expect_s3_class(error, "avenir_timeout_error")
  expect_match(conditionMessage(error), "6 seconds.*BeginTime")
  expect_match(told, "waiting for workers: .*start time")
  plan(sequential)
  expect_true(wait_until(function() !length(command_output("squeue", "-h"))))
})

test_that("scancel of an allocation's step loses its nodes, and the error says that it was cancelled", {
  out <- in_allocation("
    library(avenir)
    backend <- local_cluster(workers_slurm(), frame = globalenv())
    f <- future(Sys.sleep(600))
    ready <- wait_until(function() nrow(nodes_here(backend)) == 2L)
    step <- command_output('squeue', c('-h', '-s', '-j', Sys.getenv('SLURM_JOB_ID'), '-n', 'avenir', '-o', '%i'))
    invisible(command_output('scancel', step))
    error <- tryCatch(value(f), error = identity)
    cat(class(error)[1L], conditionMessage(error), sep = '\\n')
    plan(sequential)
  ")
  expect_match(out[1L], "WorkerLostError|avenir_worker_start_error")
  expect_match(out, "CANCELLED|cancelled", all = FALSE)
  expect_no_processes()
})

# Jobs of a template; `status` as a user of Slurm would write it.
command_workers <- function(start, status = "squeue -h -j {id} | grep -q .") {
  options(avenir.cluster.folder = file.path(Sys.getenv("RIG_DIR"), "tickets"))
  workers_command(start, "scancel {id}", status = status)
}

test_that("a template's jobs that have all ended before they could join are an error, since its status says so", {
  local_cluster(command_workers("sbatch --array=1-{n} --output=/dev/null --mem=200M"))
  options(avenir.cluster.address = "127.0.0.1")
  plan(cluster, workers = command_workers("sbatch --array=1-{n} --output=/dev/null --mem=300M"))
  expect_s3_class(prompt_error(value(future(1))), "avenir_worker_start_error")
})

test_that("a template's command may be what its node runs in, and its end is then the end of both", {
  backend <- local_cluster(command_workers("srun --ntasks=1 --mem=500M --job-name={id} -- {command}", status = NULL))
  expect_true(value(future(Sys.info()[["nodename"]])) %in% rig_hosts())
  f <- future(Sys.sleep(600))
  command_output("scancel", c("--name", backend$launches[[1L]]$name))
  error <- prompt_error(value(f))
  expect_match(conditionMessage(error), "CANCELLED|cancelled")
  plan(sequential)
  expect_no_processes()
})

test_that("the next plan removes the tickets of a session that was killed", {
  folder <- file.path(Sys.getenv("RIG_DIR"), "tickets")
  child <- start_child(c(
    sprintf("options(avenir.cluster.address = '%s', avenir.cluster.folder = '%s')", Sys.getenv("RIG_ADDRESS"), folder),
    "plan(cluster, workers = workers_slurm(1, mem = '500M'))", "value(future(1))", "mark('ready')", "Sys.sleep(600)"
  ))
  child_value(child, "ready")
  expect_gt(length(list.files(folder)), 0L)
  signal_child(child, 9L)
  expect_true(wait_until(function() !process_lives(child$pid)))
  backend <- local_cluster(slurm_workers(1))
  expect_match(list.files(folder), backend$plan)
  plan(sequential)
  expect_identical(list.files(folder), character())
})

test_that("a node that is lost during a map is replaced under the bounds, and what joins late takes part", {
  backend <- local_cluster(slurm_workers(c(1, 2), exclusive = TRUE), lost_after = 3, heartbeat = 0.5)
  expect_identical(nbrOfWorkers(), 1L)
  expect_length(workers_that_meet(2L), 2L)
  expect_identical(nbrOfWorkers(), 2L)
  victim <- nodes_here(backend)[1L, ]
  got <- map_with(rig_words("exec", victim$host, "kill -9", victim$pid))
  expect_false(victim$node %in% nodes_here(backend)$node)
  expect_true(wait_until(function() !length(command_output("squeue", c("-h", "-w", victim$host)))))
  expect_length(workers_that_meet(2L), 2L)
  expect_identical(nbrOfWorkers(), 2L)
  expect_identical(nrow(nodes_here(backend)), 2L)
  expect_identical(got, expected_of())
})
