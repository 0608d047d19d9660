# Each way to start a node, on real hosts: it comes up, on the right host, knows its rank, has its ticket and finds the
# way to this session.

nodes_of <- function(launcher, count, ...) {
  session <- new_session(launcher, ...)
  on.exit(close_session(session))
  start_nodes(launcher, session)
  await_nodes(session, count)
}

test_that("a step in an allocation has a node on each host", {
  out <- in_allocation("
    launcher <- avenir::workers_slurm()
    session <- new_session(launcher)
    commands <- start_nodes(launcher, session)
    nodes <- await_nodes(session, commands[[1L]]$count)
    write.csv(nodes, row.names = FALSE, quote = FALSE)
    close_session(session)
  ")
  nodes <- utils::read.csv(text = out)
  expect_setequal(nodes$host, rig_hosts())
  expect_identical(nodes$rank, 0:1)
  expect_identical(nodes$workers, c(2L, 2L))
  expect_identical(nodes$address, rep(Sys.getenv("RIG_ADDRESS"), 2L))
  expect_identical(nodes$key, rep(fake_key, 2L))
})

test_that("a node of a step that dies takes no other with it, and srun says why", {
  out <- in_allocation("
    launcher <- avenir::workers_slurm()
    session <- new_session(launcher)
    start_nodes(launcher, session)
    nodes <- await_nodes(session, 2L)
    killed <- rig('exec', 'h2', 'sh', '-c', 'kill -9 $(pgrep -f start-node)')
    lost <- wait_until(function() any(grepl('Killed', outputs(session))))
    cat(lost, avenir:::launch_reason(launcher, NULL, outputs(session)), sep = '\\n')
    cat(any(grepl('start-node', rig('exec', 'h1', 'pgrep', '-af', 'start-node'))), '\\n')
    close_session(session)
  ")
  expect_identical(trimws(out), c("TRUE", "killed on h2", "TRUE"))
})

job_state <- function(job) command_output("squeue", c("-h", "-j", job, "-o", "%T"))

is_running <- function(job) wait_until(function() identical(job_state(job), "RUNNING"), 60)

# What is requeued waits two minutes, unless it is told otherwise: when it is in the queue again, no longer completing.
# Two seconds, since a host takes what has begun in the second in which it has ended the job for the one that has ended,
# and Slurm then gives the job up ("credential revoked").
starts_again <- function(job) {
  soon <- c("update", paste0("JobId=", job), "StartTime=now+2seconds")
  told <- function() identical(job_state(job), "PENDING") && !length(command_output("scontrol", soon))
  wait_until(told, 60) && is_running(job)
}

test_that("a job array has a node in each job, and one that is requeued comes back as another attempt", {
  launcher <- workers_slurm(2, mem = "100M", partition = "test", comment = "a 'b' $(exit 3)")
  session <- new_session(launcher)
  on.exit(close_session(session))
  start_nodes(launcher, session)
  nodes <- await_nodes(session, 2L)
  expect_identical(nodes$rank, c("0", "1"))
  expect_identical(nodes$attempt, c("0", "0"))
  expect_identical(nodes$key, rep(fake_key, 2L))
  id <- avenir:::launch_id(launcher, outputs(session))
  on.exit(avenir:::launch_stop(launcher, id), add = TRUE, after = FALSE)
  task <- paste0(id, "_1")
  command_output("scontrol", c("requeue", task))
  expect_true(starts_again(task))
  again <- await_nodes(session, 1L)
  expect_identical(unlist(again[c("rank", "attempt")], use.names = FALSE), c("1", "1"))
  avenir:::launch_stop(launcher, id)
  expect_true(wait_until(function() length(command_output("squeue", c("-h", "-j", id))) == 0L))
  expect_match(avenir:::launch_reason(launcher, id), "cancelled")
})

test_that("jobs that wait have Slurm's reason", {
  launcher <- workers_slurm(6, mem = "100M")
  session <- new_session(launcher)
  on.exit(close_session(session))
  start_nodes(launcher, session)
  await_nodes(session, 4L)
  id <- avenir:::launch_id(launcher, outputs(session))
  on.exit(avenir:::launch_stop(launcher, id), add = TRUE, after = FALSE)
  expect_true(wait_until(function() grepl("no machine is free yet", avenir:::launch_reason(launcher, id))))
})

test_that("a job that takes too much memory has that as its reason", {
  if (Sys.getenv("RIG_MEMORY_LIMITS") != "yes") return(expect_identical(Sys.getenv("RIG_MEMORY_LIMITS"), "no"))
  out <- command_output("srun", c("--mem=100M", "Rscript", "--vanilla", "-e", "x <- numeric(1e8); x[] <- 1"))
  expect_identical(avenir:::launch_reason(workers_slurm(1), NULL, out), "out of memory")
})

test_that("a job that others preempt waits again, and another of higher rank ran", {
  job <- command_output("sbatch", c("--parsable", "--requeue", "--exclusive", "-N2", "--output=/dev/null",
                                    "--wrap=sleep 60"))
  on.exit(command_output("scancel", job))
  expect_true(is_running(job))
  out <- command_output("srun", c("-p", "urgent", "-N1", "-n1", "-w", "h1", "hostname"))
  expect_identical(out[length(out)], "h1")
  expect_match(avenir:::launch_reason(workers_slurm(1), job), "in the queue|preempted")
})

# Slurm looks for jobs whose time is over twice a minute: the tests until the one of this job leave it the time.
late <- command_output("sbatch", c("--parsable", "--nodelist=h1", "--mem=50M", "--output=/dev/null",
                                   "--wrap=sleep 600"))
if (is_running(late)) command_output("scontrol", c("update", paste0("JobId=", late), "TimeLimit=0"))

test_that("a machine that fails is the reason, and back again it takes steps", {
  job <- command_output("sbatch", c("--parsable", "--no-requeue", "--nodelist=h2", "--output=/dev/null",
                                    "--wrap=sleep 60"))
  on.exit(command_output("scancel", job))
  expect_true(is_running(job))
  rig("kill-node", "h2")
  on.exit(rig("start-node", "h2"), add = TRUE)
  expect_true(wait_until(function() avenir:::launch_reason(workers_slurm(1), job) == "node failure on h2", 120))
  rig("start-node", "h2")
  expect_identical(command_output("srun", c("--nodelist=h2", "hostname")), "h2")
})

test_that("ssh starts a node that reaches this session directly", {
  nodes <- nodes_of(workers_ssh(c("h1", "h2", "h2"), options = ssh_options(), rscript = rscript()), 2L)
  expect_identical(nodes$host, c("h1", "h2"))
  expect_identical(nodes$workers, c("1", "2"))
  expect_identical(nodes$address, rep(Sys.getenv("RIG_ADDRESS"), 2L))
  expect_identical(nodes$key, rep(fake_key, 2L))
})

test_that("a node comes back through ssh when it is told so", {
  nodes <- nodes_of(workers_ssh("h1", options = ssh_options(), rscript = rscript(), revtunnel = TRUE), 1L)
  expect_identical(c(nodes$host, nodes$address, nodes$key), c("h1", "127.0.0.1", fake_key))
})

test_that("a node that cannot reach this session comes back through ssh", {
  unreachable <- sub("[0-9]+$", "77", Sys.getenv("RIG_ADDRESS"))
  launcher <- workers_ssh("h2", options = ssh_options(), rscript = rscript())
  nodes <- nodes_of(launcher, 1L, addresses = unreachable, listen = Sys.getenv("RIG_ADDRESS"))
  expect_identical(c(nodes$host, nodes$address, nodes$key), c("h2", "127.0.0.1", fake_key))
})

test_that("ssh's own words become the reason", {
  reason <- function(...) {
    launcher <- workers_ssh(..., revtunnel = FALSE)
    command <- avenir:::launch_commands(launcher, as.list(session))[[1L]]
    avenir:::launch_reason(launcher, NULL, command_output(command$argv[1L], command$argv[-1L]))
  }
  session <- new_session(workers_ssh("h1", options = ssh_options()))
  on.exit(close_session(session))
  expect_match(reason("no-such-host.invalid", options = ssh_options()), "known by the name no-such-host.invalid")
  expect_match(reason("h1", port = 2, options = ssh_options()), "nothing listens on port 2 of 10\\.77\\.")
  expect_match(reason("h1", user = "nobody", options = ssh_options()), "no key that the host accepts")
  expect_match(reason("h1", rscript = "no-rscript/Rscript", options = ssh_options()), "no Rscript in the PATH")
  unknown <- c(UserKnownHostsFile = "/dev/null", ssh_options())
  expect_match(reason("h1", options = unknown), "does not know the host's key")
})

test_that("a machine file's hosts have their numbers of workers", {
  path <- tempfile("machines-")
  writeLines(c("h1 slots=2", "h2:3 # three"), path)
  nodes <- nodes_of(workers_file(path, options = ssh_options(), rscript = rscript()), 2L)
  expect_identical(nodes$host, c("h1", "h2"))
  expect_identical(nodes$workers, c("2", "3"))
})

test_that("a job whose time is over has that as its reason", {
  on.exit(command_output("scancel", late))
  expect_true(wait_until(function() grepl("time limit", avenir:::launch_reason(workers_slurm(1), late))))
})

test_that("a command template starts nodes, by its words and by a script", {
  script <- workers_command("sbatch --array=1-{n} --output=/dev/null --job-name={id} --mem=100M", "scancel {id}", n = 2)
  session <- new_session(script, addresses = Sys.getenv("RIG_ADDRESS"))
  on.exit(close_session(session))
  start_nodes(script, session)
  nodes <- await_nodes(session, 2L)
  expect_identical(nodes$rank, c("1", "2"))
  expect_identical(nodes$key, rep(fake_key, 2L))
  id <- avenir:::launch_id(script, outputs(session))
  avenir:::launch_stop(script, id)
  expect_true(wait_until(function() length(command_output("squeue", c("-h", "-j", id))) == 0L))
})

test_that("a template with the command's words starts a node", {
  launcher <- workers_command("srun --ntasks=1 --mem=100M -- {command}")
  nodes <- nodes_of(launcher, 1L, addresses = Sys.getenv("RIG_ADDRESS"))
  expect_true(nodes$host %in% rig_hosts())
  expect_identical(nodes$key, fake_key)
})

test_that("no process of a host knows the key from its arguments or environment", {
  session <- new_session(launcher <- workers_ssh("h1", options = ssh_options(), rscript = rscript()))
  on.exit(close_session(session))
  start_nodes(launcher, session)
  await_nodes(session, 1L)
  # The brackets keep the search from finding itself.
  pattern <- paste0("[", substr(fake_key, 1, 1), "]", substr(fake_key, 2, 20))
  search <- sprintf("grep -c '%s' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | sort -t: -k2", pattern)
  counts <- as.integer(sub("^.*:", "", rig("exec", "h1", "sh", "-c", search)))
  expect_gt(length(counts), 5L)
  expect_true(all(counts == 0L))
})
