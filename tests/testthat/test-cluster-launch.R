launch_commands <- avenir:::launch_commands
launch_id <- avenir:::launch_id
launch_reason <- avenir:::launch_reason
launch_stop_command <- avenir:::launch_stop_command

thread_variables <- paste0(names(avenir:::one_thread), "=", avenir:::one_thread)

key <- strrep("ab", 32)

# A session as the engine gives it to launchers; its tickets carry a key that must show up nowhere else.
session_stub <- function(...) {
  ticket <- function(group, count, addresses) {
    sprintf("avenir-ticket 1 %s 4242 f00d %d %s %d", paste(addresses, collapse = ","), group, key, count)
  }
  session <- list(ticket = ticket, group = 3L, plan = "f00d", addresses = "10.0.0.5", listen = "10.0.0.5", port = 4242L,
                  libs = c("/libs/a b", "/libs/c"), folder = "/home/me/.cache/tickets")
  utils::modifyList(session, list(...))
}

# Evaluates `expr` as in a Slurm allocation.
in_slurm <- function(expr, nodes = "n1,n2", cpus = "4(x2)") {
  names <- c("SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_JOB_CPUS_PER_NODE")
  before <- Sys.getenv(names, unset = NA)
  on.exit({
    Sys.unsetenv(names)
    if (any(!is.na(before))) do.call(Sys.setenv, as.list(before[!is.na(before)]))
  })
  Sys.setenv(SLURM_JOB_ID = "77", SLURM_JOB_NODELIST = nodes, SLURM_JOB_CPUS_PER_NODE = cpus)
  expr
}

# The words that a POSIX shell hands to the command after `ssh ... host`.
words_of_shell <- function(line) {
  out <- system2("sh", c("-c", shQuote(paste("printf '%s\\n'", line))), stdout = TRUE)
  as.character(out)
}

expect_no_secret <- function(command) {
  expect_false(any(grepl(key, c(command$argv, command$environment), fixed = TRUE)))
}

# ---- Slurm, in an allocation ----

test_that("workers_slurm() without n is one step over the allocation, its ticket by standard input", {
  x <- in_slurm(workers_slurm())
  commands <- launch_commands(x, session_stub())
  expect_length(commands, 1L)
  command <- commands[[1L]]
  expect_identical(command$argv[1:3], c("srun", "--nodes=2", "--ntasks=2"))
  words <- c("--ntasks-per-node=1", "--no-kill", "--kill-on-bad-exit=0", "--export=ALL", "--mpi=none", "--input=all",
             "--mem=0", "--workers=4", "--rank-from=SLURM_PROCID", "R_LIBS=/libs/a b:/libs/c")
  expect_true(all(words %in% command$argv))
  expect_identical(command$input, paste0(session_stub()$ticket(3L, 2L, "10.0.0.5"), "\n"))
  expect_null(command$ticket_file)
  expect_identical(command$environment, c(SLURM_OVERLAP = "1"))
  expect_identical(command[c("group", "count", "workers")], list(group = 3L, count = 2L, workers = 8L))
  expect_no_secret(command)
})

test_that("nodes of different sizes count their own workers", {
  command <- launch_commands(in_slurm(workers_slurm(), cpus = "4,8"), session_stub())[[1L]]
  expect_false(any(grepl("^--workers=", command$argv)))
  expect_identical(command$workers, 12L)
})

test_that("workers_slurm() without n and outside of an allocation says so", {
  before <- Sys.getenv("SLURM_JOB_ID", unset = NA)
  Sys.unsetenv("SLURM_JOB_ID")
  on.exit(if (!is.na(before)) Sys.setenv(SLURM_JOB_ID = before))
  expect_error(workers_slurm(), "must be in a Slurm allocation.*workers_slurm\\(n = 8\\)",
               class = "avenir_invalid_argument")
})

# ---- Slurm, job arrays ----

test_that("workers_slurm(n) is an array with requeue, its ticket in a file", {
  x <- workers_slurm(8, time = "2:00:00", mem = 4000, partition = "short", account = "bio", exclusive = TRUE, cores = 4)
  command <- launch_commands(x, session_stub())[[1L]]
  words <- c("sbatch", "--parsable", "--array=0-1", "--requeue", "--nodes=1", "--ntasks=1", "--cpus-per-task=4",
             "--time=2:00:00", "--mem=4000", "--partition=short", "--account=bio", "--exclusive")
  expect_true(all(words %in% command$argv))
  expect_identical(command$ticket_file, "/home/me/.cache/tickets/ticket-f00d-3")
  expect_match(command$input, "^#!/bin/sh\nexec env .* --workers=4 --rank-from=SLURM_ARRAY_TASK_ID --ticket-file=/home")
  expect_identical(command[c("count", "workers")], list(count = 2L, workers = 8L))
  expect_no_secret(command)
  expect_false(grepl(key, command$input, fixed = TRUE))
})

test_that("elastic bounds start with the least and grow by a number", {
  x <- workers_slurm(c(2, 10))
  expect_identical(launch_commands(x, session_stub())[[1L]]$count, 2L)
  expect_identical(launch_commands(x, session_stub(), count = 5)[[1L]]$count, 5L)
  expect_error(workers_slurm(c(10, 2)), "least, most", class = "avenir_invalid_argument")
  expect_error(workers_slurm(0), class = "avenir_invalid_argument")
  expect_error(workers_slurm(NA), class = "avenir_invalid_argument")
  expect_error(workers_slurm(10, cores = 4), "multiple of `cores`.* 12", class = "avenir_invalid_argument")
})

test_that("options for Slurm are names and values, never a shell's", {
  value <- "a 'b' \"c\" $(touch x); `y`"
  command <- launch_commands(workers_slurm(1, comment = value), session_stub())[[1L]]
  expect_true(paste0("--comment=", value) %in% command$argv)
  expect_true("--mail-type=END" %in% launch_commands(workers_slurm(1, mail_type = "END"), session_stub())[[1L]]$argv)
  refused <- function(...) expect_error(workers_slurm(1, ...), class = "avenir_invalid_argument")
  refused(comment = "two\nlines")
  refused(comment = c("a", "b"))
  refused(comment = NA)
  refused(`-x` = "a")
  refused(`a b` = "a")
  refused(`$(x)` = "a")
  refused("without a name")
  refused(array = "1-9")
  refused(time = "soon")
  refused(mem = "a lot")
  refused(time = "1:00; rm")
})

test_that("a job's script quotes what paths contain", {
  odd <- "/home/o'neil/$(touch pwned)/a \"b\"; c"
  command <- launch_commands(workers_slurm(1), session_stub(folder = odd, libs = odd))[[1L]]
  line <- sub("^exec ", "", strsplit(command$input, "\n")[[1L]][2L])
  words <- words_of_shell(line)
  expect_identical(words[length(words)], paste0("--ticket-file=", odd, "/ticket-f00d-3"))
  expect_true(paste0("R_LIBS=", odd) %in% words)
  expect_error(launch_commands(workers_slurm(1), session_stub(folder = "/a\nb")), "line breaks",
               class = "avenir_invalid_argument")
})

test_that("sbatch's answer is the id, and scancel takes nothing else", {
  x <- workers_slurm(2)
  expect_identical(launch_id(x, c("sbatch: warning: slow", "1234")), "1234")
  expect_identical(launch_id(x, "1234;rig"), "1234")
  expect_null(launch_id(x, "sbatch: error: Batch job submission failed"))
  expect_identical(launch_stop_command(x, "1234"), c("scancel", "1234"))
  expect_error(launch_stop_command(x, "1; rm"), class = "avenir_invalid_argument")
  expect_null(launch_stop_command(in_slurm(workers_slurm()), NULL))
})

test_that("Slurm's counts and lists of hosts are read", {
  expect_identical(avenir:::slurm_counts("2(x3),4"), c(2L, 2L, 2L, 4L))
  expect_identical(avenir:::slurm_counts("16"), 16L)
  expect_identical(avenir:::slurm_nodes("n1,n2"), c("n1", "n2"))
  expect_identical(avenir:::slurm_nodes(""), character())
  expect_identical(avenir:::slurm_nodes("a-1.x"), "a-1.x")
  expect_identical(avenir:::slurm_nodes("n[08-10,12],k3,m[1-2]"), c("n08", "n09", "n10", "n12", "k3", "m1", "m2"))
})

test_that("what srun says about the end of a node becomes its reason", {
  x <- in_slurm(workers_slurm())
  reason <- function(...) launch_reason(x, output = c(...))
  expect_identical(reason("srun: error: h2: task 1: Killed", "srun: Force Terminated StepId=3.0"), "killed on h2")
  expect_identical(reason("srun: error: h1: task 0: Segmentation fault"), "Segmentation fault on h1")
  expect_identical(reason("srun: error: h1: tasks 0-1: Exited with exit code 3"), "ended with exit status 3 on h1")
  expect_identical(reason("srun: error: h1: task 0: Out Of Memory"), "out of memory")
  expect_identical(reason("slurmstepd-h1: error: Detected 1 oom-kill event(s) in StepId=2.0. Some of your processes"),
                   "out of memory")
  expect_identical(reason("srun: error: Node failure on h2", "srun: error: h2: task 1: Killed"), "node failure on h2")
  cancelled <- "slurmstepd-h1: error: *** STEP 3.0 ON h1 CANCELLED AT 2026-11-21T21:40:35%s ***"
  expect_identical(reason(sprintf(cancelled, " DUE TO TIME LIMIT")), "time limit reached")
  expect_identical(reason(sprintf(cancelled, " DUE TO PREEMPTION")), "preempted by another job")
  expect_identical(reason(sprintf(cancelled, "")), "cancelled")
  expect_identical(reason("something else", ""), "something else")
  expect_identical(reason(character()), "")
})

# Recorded from `scontrol --oneliner show job` of Slurm 22.05, shortened.
recorded_job <- function(state, reason = "None", node = "(null)", code = "0:0", array = "ArrayTaskId=1 ") {
  sprintf(paste("JobId=8 ArrayJobId=8 %sJobName=avenir UserId=me(1000) GroupId=me(1000) MCS_label=N/A Priority=42",
                "JobState=%s Reason=%s Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=%s",
                "RunTime=00:00:00 ReqNodeList=(null) ExcNodeList=(null) NodeList=%s NumNodes=1 Comment=JobState=x"),
          array, state, reason, code, node)
}

test_that("what Slurm knows about a job becomes its reason", {
  reason <- function(...) avenir:::jobs_reason(avenir:::parse_jobs(c(...)))
  expect_match(reason(recorded_job("PENDING", "Resources", "")), "in the queue: no machine is free yet")
  expect_match(reason(recorded_job("PENDING", "Priority", "")), "other jobs go first \\(Slurm: Priority\\)")
  expect_match(reason(recorded_job("PENDING", "ReqNodeNotAvail,_UnavailableNodes:h2", "")), "not available")
  expect_match(reason(recorded_job("PENDING", "SomethingNew", "")), "in the queue (Slurm: SomethingNew)", fixed = TRUE)
  expect_identical(reason(recorded_job("OUT_OF_MEMORY", "OutOfMemory", "h1", "0:125")), "out of memory on h1")
  expect_identical(reason(recorded_job("NODE_FAIL", "None", "h2", "1:0")), "node failure on h2")
  expect_identical(reason(recorded_job("TIMEOUT", "TimeLimit", "h1")), "time limit reached on h1")
  expect_identical(reason(recorded_job("PREEMPTED", "None", "h1")), "preempted by another job on h1")
  expect_identical(reason(recorded_job("CANCELLED", "Resources", "")), "cancelled")
  expect_identical(reason(recorded_job("FAILED", "NonZeroExitCode", "h1", "3:0")), "ended with exit status 3 on h1")
  expect_identical(reason(recorded_job("FAILED", "None", "h1", "0:9")), "killed by signal 9 on h1")
  expect_identical(reason(recorded_job("RUNNING", "None", "h1")), "")
  waiting <- recorded_job("PENDING", "Priority", "", array = "ArrayTaskId=0-1 ")
  expect_identical(reason(recorded_job("RUNNING", "None", "h1"), waiting),
                   "it is in the queue: other jobs go first (Slurm: Priority)")
  expect_identical(reason("slurm_load_jobs error: Invalid job id specified"), "")
})

# ---- ssh ----

test_that("workers_ssh() is one connection and one node for each host", {
  x <- workers_ssh(c("n1", "n2", "n1"), user = "alice", port = 2222, options = c(ProxyJump = "login", "-4"))
  commands <- launch_commands(x, session_stub())
  expect_length(commands, 2L)
  command <- commands[[1L]]
  expect_identical(command$argv[1L], "ssh")
  words <- c("-oProxyJump=login", "-4", "-oBatchMode=yes", "-oServerAliveInterval=5", "-oServerAliveCountMax=3",
             "alice", "2222")
  expect_true(all(words %in% command$argv))
  expect_identical(utils::tail(command$argv, 3L)[1:2], c("--", "n1"))
  remote <- words_of_shell(command$argv[length(command$argv)])
  expect_identical(remote, c("env", "R_LIBS=/libs/a b:/libs/c", thread_variables, "Rscript", "--no-init-file",
                             "-e", node_expression, "--workers=2"))
  expect_identical(vapply(commands, `[[`, 0L, "group"), 3:4)
  expect_identical(vapply(commands, `[[`, 0L, "workers"), 2:1)
  expect_match(commands[[2L]]$input, "^avenir-ticket 1 10.0.0.5,127.0.0.1 4242 f00d 4 [0-9a-f]{64} 1\n$")
  for (command in commands) expect_no_secret(command)
})

test_that("revtunnel says which ways a node may come", {
  ways <- function(revtunnel) {
    command <- launch_commands(workers_ssh("n1", revtunnel = revtunnel), session_stub())[[1L]]
    list(tunnel = command$argv[which(command$argv == "-R") + 1L],
         must = grep("ExitOnForwardFailure", command$argv, value = TRUE),
         addresses = strsplit(command$input, " ")[[1L]][3L])
  }
  tunnel <- "127.0.0.1:4242:10.0.0.5:4242"
  expect_identical(ways(TRUE), list(tunnel = tunnel, must = "-oExitOnForwardFailure=yes", addresses = "127.0.0.1"))
  expect_identical(ways(NA), list(tunnel = tunnel, must = "-oExitOnForwardFailure=no",
                                  addresses = "10.0.0.5,127.0.0.1"))
  expect_identical(ways(FALSE), list(tunnel = character(), must = character(), addresses = "10.0.0.5"))
  command <- launch_commands(workers_ssh("n1", revtunnel = TRUE), session_stub(listen = "::1"))[[1L]]
  expect_true("127.0.0.1:4242:[::1]:4242" %in% command$argv)
})

test_that("hosts and users that are no names are refused", {
  for (host in c("-oProxyCommand=touch x", "a b", "a\nb", "$(id)", "a;b", "a'b", "`x`", "", NA, "@n1", "-l@n1")) {
    expect_error(workers_ssh(c("n1", host)), class = "avenir_invalid_argument")
  }
  for (user in c("-x", "a b", "a\nb", "$(id)", "a'b", "")) {
    expect_error(workers_ssh("n1", user = user), class = "avenir_invalid_argument")
  }
  expect_error(workers_ssh(character()), class = "avenir_invalid_argument")
  expect_error(workers_ssh("n1", port = 70000), class = "avenir_invalid_argument")
  expect_error(workers_ssh("n1", options = "a\nb"), class = "avenir_invalid_argument")
  expect_error(workers_ssh("n1", options = c("a b" = "c")), class = "avenir_invalid_argument")
  expect_s3_class(workers_ssh(c("alice@n1.example.org", "10.0.0.1", "fe80::1")), "avenir_workers_ssh")
})

test_that("what the login's shell reads is quoted", {
  odd <- "/libs/o'neil $(touch pwned) `x` \"y\"; z"
  x <- workers_ssh("n1", rscript = c("nice", "/opt/a b/Rscript"))
  argv <- launch_commands(x, session_stub(libs = odd))[[1L]]$argv
  words <- words_of_shell(argv[length(argv)])
  expect_identical(words[1:8], c("env", paste0("R_LIBS=", odd), thread_variables, "nice", "/opt/a b/Rscript"))
  expect_error(workers_ssh("n1", rscript = "a\nb"), class = "avenir_invalid_argument")
  expect_error(launch_commands(x, session_stub(libs = "a\nb")), class = "avenir_invalid_argument")
})

test_that("what ssh says becomes a reason and a remedy", {
  reason <- function(...) launch_reason(workers_ssh("n1"), output = c(...))
  expect_match(reason("alice@n1: Permission denied (publickey,password)."), "no key that the host accepts")
  expect_match(reason("Host key verification failed."), "does not know the host's key")
  expect_match(reason("ssh: Could not resolve hostname n1: Name or service not known"), "known by the name n1")
  expect_match(reason("ssh: connect to host n1 port 22: Connection refused"), "nothing listens on port 22 of n1")
  expect_match(reason("ssh: connect to host n1 port 22: Connection timed out"), "port 22 of n1 .*firewall")
  expect_match(reason("bash: line 1: Rscript: command not found"), "no Rscript in the PATH")
  expect_match(reason("env: \u2018Rscript\u2019: No such file or directory"), "no Rscript in the PATH")
  expect_match(reason("env: 'Rscript': No such file or directory"), "no Rscript in the PATH")
  expect_match(reason("Error : there is no package called \u2018avenir\u2019"), "not installed there")
  expect_match(reason("Error: remote port forwarding failed for listen port 4242"), "AllowTcpForwarding")
  expect_identical(reason("first", "last", ""), "last")
})

# ---- Machine files ----

machine_file <- function(lines) {
  path <- tempfile("machines-")
  writeLines(lines, path)
  path
}

test_that("machine files of MPI, PVM and PBS are read", {
  path <- machine_file(c("# cluster", "n1 slots=4 max_slots=8", "", "n2:2  # two", "n3 3", "n4", "n4", "n1"))
  hosts <- workers_file(path)$hosts
  expect_identical(hosts, c(n1 = 5L, n2 = 2L, n3 = 3L, n4 = 2L))
  expect_identical(workers_file(path, user = "alice")$user, "alice")
})

test_that("a line that is no host is named", {
  for (line in c("n1 2 3", "n1:0", "n1 some words", "-x", "n1;rm", "$(id)", "n1:2 slots=3")) {
    expect_error(workers_file(machine_file(c("n0", line))), "line 2 of", class = "avenir_invalid_argument")
  }
  expect_error(workers_file(machine_file("# nothing")), "must name a host", class = "avenir_invalid_argument")
  expect_error(workers_file("/no/such/file"), class = "avenir_invalid_argument")
})

# ---- Templates ----

test_that("a template is filled with quoted values", {
  odd <- "/home/o'neil/$(touch pwned) {n}"
  x <- workers_command("printf '%s\\n' {n} {id} {ticket} {command}", "qdel {id}", n = 7)
  command <- launch_commands(x, session_stub(folder = odd))[[1L]]
  expect_identical(command$argv[1:2], c("sh", "-c"))
  words <- system2("sh", c("-c", shQuote(command$argv[3L])), stdout = TRUE)
  expect_identical(words[1:4], c("7", "avenir-f00d-3", file.path(odd, "ticket-f00d-3"), "env"))
  expect_identical(words[length(words)], paste0("--ticket-file=", odd, "/ticket-f00d-3"))
  expect_identical(command[c("count", "workers", "input")], list(count = 7L, workers = 7L, input = ""))
  expect_no_secret(command)
})

test_that("without a place for the command a script is the standard input", {
  command <- launch_commands(workers_command("qsub -t 1-{n}", n = 2), session_stub())[[1L]]
  expect_identical(command$argv[3L], "qsub -t 1-2")
  expect_match(command$input, "^#!/bin/sh\nexec env ")
  expect_false(grepl(key, command$input, fixed = TRUE))
})

test_that("templates that cannot be quoted are refused", {
  refused <- function(...) expect_error(workers_command(...), class = "avenir_invalid_argument")
  refused("qsub '{command}'")
  refused("qsub \"{command}\"")
  refused("sh -c \"a \\\" {n}\"")
  refused("qsub \\{n}")
  refused("qsub `echo {n}`")
  refused("qsub {what}")
  refused("")
  refused(NA)
  refused("a\nb")
  refused("qsub", "qdel '{id}'")
  refused("qsub", "qdel {n}")
  refused("qsub", n = -1)
  refused("qsub", status = "qstat {n}")
  expect_s3_class(workers_command("qsub -N 'a b' \"$HOME/${n}\" {n}", "qdel {id}"), "avenir_workers_command")
})

test_that("ids are found in what schedulers print, and quoted", {
  x <- workers_command("qsub -t 1-{n}", "qdel {id}")
  expect_identical(launch_id(x, "123.server"), "123.server")
  expect_identical(launch_id(x, "123[].server.example.org"), "123[].server.example.org")
  expect_identical(launch_id(x, "Your job-array 17.1-3:1 (\"avenir\") has been submitted"), "17")
  expect_identical(launch_id(x, "Job <42> is submitted to queue <short>."), "42")
  expect_null(launch_id(x, "nothing"))
  expect_identical(launch_stop_command(x, "1'; rm")[3L], "qdel '1'\\''; rm'")
  expect_null(launch_stop_command(workers_command("qsub"), "1"))
})

test_that("a template's status says whether jobs are over; a command that there is not says nothing", {
  is_over <- function(status) avenir:::launch_is_over(workers_command("qsub", status = status), "7")
  expect_false(is_over(NULL))
  expect_false(is_over("test {id} = 7"))
  expect_true(is_over("test {id} = 8"))
  expect_false(is_over("no-such-command-here {id}"))
})

# ---- All of them ----

test_that("launchers print what they will do", {
  expect_output(print(workers_slurm(c(4, 8), mem = "2G", cores = 4)), "4 to 8, 4 in each job.*mem: 2G")
  expect_output(print(in_slurm(workers_slurm())), "8 in allocation 77 \\(n1, n2\\)")
  expect_output(print(workers_ssh(c("n1", "n1", "n2"), user = "me")), "3 on 2 hosts.*n1 \\(2\\), n2.*user: me")
  expect_output(print(workers_command("qsub -t 1-{n}", "qdel {id}", n = 3)), "3.*start: qsub.*stop: qdel")
})

test_that("the session's address is the option's, or lies on the way to the nodes", {
  x <- workers_command("qsub")
  old <- options(avenir.cluster.address = "10.1.2.3")
  on.exit(options(old))
  expect_identical(avenir:::launch_addresses(x), "10.1.2.3")
  options(avenir.cluster.address = "not an address")
  expect_error(avenir:::launch_addresses(x), class = "avenir_invalid_argument")
  options(avenir.cluster.address = NULL)
  expect_true(length(avenir:::launch_addresses(x)) >= 1L)
  expect_identical(avenir:::route_source("127.0.0.1"), "127.0.0.1")
  expect_null(avenir:::route_source("no-such-host.invalid"))
  expect_identical(avenir:::cpp_source_toward("not an address"), "")
})

test_that("a ticket's file is closed to others, and so is its folder", {
  folder <- file.path(tempfile("tickets-"), "deep")
  path <- avenir:::write_ticket(file.path(folder, "ticket"), "secret")
  expect_identical(readLines(path), "secret")
  expect_identical(format(file.mode(path)), "600")
  expect_identical(format(file.mode(folder)), "700")
  Sys.chmod(folder, "0755")
  expect_error(avenir:::write_ticket(path, "secret"), "closed to others", class = "avenir_invalid_argument")
  unlink(dirname(folder), recursive = TRUE)
})

test_that("a folder that is a link elsewhere gets no ticket", {
  elsewhere <- tempfile("elsewhere-")
  dir.create(elsewhere, mode = "0700")
  link <- tempfile("link-")
  file.symlink(elsewhere, link)
  expect_error(avenir:::write_ticket(file.path(link, "ticket"), "secret"), class = "avenir_invalid_argument")
  expect_length(list.files(elsewhere), 0L)
})

test_that("programs are found as a shell finds them, without a process", {
  folder <- tempfile("programs-")
  dir.create(file.path(folder, "folder"), recursive = TRUE)
  for (name in c("runs", "does-not")) file.create(file.path(folder, name))
  Sys.chmod(file.path(folder, "runs"), "0755")
  path <- Sys.getenv("PATH")
  on.exit(Sys.setenv(PATH = path))
  Sys.setenv(PATH = paste0("/no/such/folder:", folder))
  find <- avenir:::program_path
  expect_identical(find("runs"), file.path(folder, "runs"))
  for (name in c("does-not", "folder", "nothing")) expect_identical(find(name), "")
  expect_identical(find(file.path(folder, "runs")), file.path(folder, "runs"))
})
