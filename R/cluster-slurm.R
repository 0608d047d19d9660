# Nodes through Slurm: by its commands, whose output is stable, and not its library.

#' Workers that Slurm starts
#'
#' For `plan(cluster, workers = workers_slurm(...))`. Without `n` the workers run in the allocation that this session is
#' in (`salloc`, or a batch job): one step with one node process on each machine, as many workers as the allocation has
#' CPUs, no waiting. With `n` a job array is submitted: workers join when the queue lets them, and a map starts with the
#' first. Jobs that Slurm requeues, because their machine failed or others went first, come back as new workers.
#'
#' The jobs inherit this session's environment and working folder, and run the same Rscript. They read the key of their
#' encrypted connection from a file with mode 0600 in the folder of option `avenir.cluster.folder` (by default in
#' `tools::R_user_dir("avenir", "cache")`), which the machines must share; it goes with the plan, as jobs that are
#' requeued need it again. What a session that was killed has left there goes with the next such plan of a session on
#' the same machine. In an allocation the key goes by the step's standard input.
#'
#' @param n The number of workers; `c(min, max)`: from so many to so many. Nothing: the allocation.
#' @param time The time limit of each job, as Slurm reads it (`"2:00:00"`), or a number of minutes.
#' @param mem The memory of each job (`"4G"`), or a number of megabytes.
#' @param partition The partition.
#' @param ... More options of `sbatch` (without `n`: of `srun`), by their long names: `account = "bio"`,
#'   `exclude = "n[1-4]"`, `exclusive = TRUE`. They are handed over as they are, without a shell.
#' @param cores Workers (and CPUs) of each job.
#' @return An object that describes the workers; nothing is submitted yet.
#' @section Errors:
#' Of class `avenir_invalid_argument`: no `n` outside of an allocation, options that are no names, values with line
#' breaks.
#' @seealso [plan()], [workers_ssh()], [workers_file()], [workers_command()]
#' @examples
#' workers_slurm(40, time = "2:00:00", mem = "4G", partition = "short")
#' workers_slurm(c(4, 100), mem = "8G", cores = 4, account = "bio")
#' @export
workers_slurm <- function(n = NULL, time = NULL, mem = NULL, partition = NULL, ..., cores = 1) {
  options <- slurm_options(time, mem, partition, list(...))
  if (is.null(n)) return(slurm_step(options, cores))
  bounds <- check_bounds(n)
  cores <- check_whole(cores, "cores")
  if (any(bounds %% cores != 0L)) {
    invalid_argument("`n` must be a multiple of `cores`, the workers of each job", n,
                     sprintf("With `cores = %d` the next is %d.", cores, cores * as.integer(ceiling(max(n) / cores))))
  }
  new_launcher("slurm", min = bounds[1L], max = bounds[2L], cores = cores, options = options)
}

slurm_step <- function(options, cores) {
  if (!identical(cores, 1)) invalid_argument("`cores` is for new jobs: give `n`, too", cores)
  job <- Sys.getenv("SLURM_JOB_ID")
  if (!grepl("^[0-9]+$", job)) {
    invalid_argument("workers_slurm() without `n` must be in a Slurm allocation (variable SLURM_JOB_ID)", job,
                     "workers_slurm(n = 8) submits jobs; salloc or sbatch start a session in an allocation.")
  }
  nodes <- slurm_nodes(Sys.getenv("SLURM_JOB_NODELIST"))
  new_launcher("slurm", job = job, nodes = nodes, cpus = slurm_counts(Sys.getenv("SLURM_JOB_CPUS_PER_NODE")),
               options = options)
}

in_allocation <- function(x) !is.null(x$job)

# c(min, max) of what is one number or two.
check_bounds <- function(n, name = "n") {
  ok <- is.numeric(n) && length(n) %in% 1:2 && all(is.finite(n)) && all(n >= 1 & n == floor(n) & n <= 1e6)
  if (ok && n[1L] <= n[length(n)]) return(as.integer(n[c(1L, length(n))]))
  invalid_argument(sprintf("`%s` must be a whole number from 1, or two: c(least, most)", name), n)
}

# ---- Options ----

slurm_options <- function(time, mem, partition, more) {
  named <- list(time = check_slurm_time(time), mem = check_slurm_memory(mem), partition = partition)
  all <- c(Filter(Negate(is.null), named), more)
  if (!length(all)) return(list())
  names(all) <- check_option_names(names(all), all)
  Map(check_option_value, all, names(all))
}

check_slurm_time <- function(x) {
  if (is.null(x) || is_number(x) && x > 0) return(x)
  if (is.character(x) && length(x) == 1L && grepl("^([0-9]+([:-][0-9]+){0,3}|UNLIMITED|INFINITE)$", x)) return(x)
  invalid_argument("`time` must be a time limit as Slurm reads it, or a number of minutes", x,
                   "For instance \"2:00:00\" (hours, minutes, seconds) or \"1-12\" (days, hours).")
}

check_slurm_memory <- function(x) {
  if (is.null(x) || is_number(x) && x >= 0) return(x)
  if (is.character(x) && length(x) == 1L && grepl("^[0-9]+[KMGTkmgt]?B?$", x)) return(x)
  invalid_argument("`mem` must be an amount of memory as Slurm reads it, or a number of megabytes", x,
                   "For instance \"4G\".")
}

# What launch_commands() says itself.
slurm_own_options <- c("array", "requeue", "no-requeue", "wrap", "parsable", "nodes", "ntasks", "ntasks-per-node",
                       "input", "export", "no-kill", "kill-on-bad-exit", "cpus-per-task", "mpi", "wait", "chdir",
                       "test-only")

check_option_names <- function(names, options) {
  names <- gsub("_", "-", if (is.null(names)) rep("", length(options)) else names, fixed = TRUE)
  bad <- !grepl("^[A-Za-z][A-Za-z0-9-]+$", names)
  if (any(bad)) {
    invalid_argument("options for Slurm must have the long names of its options", names[bad][1L],
                     "For instance account = \"bio\".")
  }
  own <- intersect(names, slurm_own_options)
  if (length(own)) {
    invalid_argument("workers_slurm() sets these options of Slurm itself", own, "See its arguments `n` and `cores`.")
  }
  names
}

# A string, or TRUE for an option without a value.
check_option_value <- function(x, name) {
  if (isTRUE(x)) return(TRUE)
  if (is_number(x)) return(format(x, scientific = FALSE, digits = 15L))
  if (is.character(x) && length(x) == 1L && !is.na(x) && nzchar(x) && !grepl("[[:cntrl:]]", x)) return(x)
  invalid_argument(sprintf("option `%s` for Slurm must be one string or number without line breaks, or TRUE", name), x)
}

option_words <- function(options) {
  words <- Map(function(name, value) if (isTRUE(value)) paste0("--", name) else paste0("--", name, "=", value),
               names(options), options)
  unlist(words, use.names = FALSE)
}

# ---- Commands ----

#' @export
launch_size.avenir_workers_slurm <- function(x) if (in_allocation(x)) sum(x$cpus) else x$min

#' @export
launch_commands.avenir_workers_slurm <- function(x, session, count = NULL) {
  list(if (in_allocation(x)) step_command(x, session) else array_command(x, session, count))
}

# One step over the allocation. A node that goes takes no other with it. From 20.11 on a step would wait for CPUs that
# others of the same job use, the session's own among them: by the variable it says that it does not, which older srun
# overlook, and which what runs in the step does not see.
step_command <- function(x, session) {
  nodes <- length(x$nodes)
  workers <- if (length(unique(x$cpus)) == 1L) x$cpus[1L] else NA_integer_
  argv <- c("srun", sprintf(c("--nodes=%d", "--ntasks=%d"), nodes), "--ntasks-per-node=1", "--no-kill",
            "--kill-on-bad-exit=0", "--export=ALL", "--mpi=none", "--input=all",
            if (is.null(x$options$mem)) "--mem=0", "--job-name=avenir", option_words(x$options),
            "env", "-u", "SLURM_OVERLAP",
            node_command(session, c(workers_argument(workers), "--rank-from=SLURM_PROCID")))
  ticket <- session$ticket(session$group, nodes, session$addresses)
  list(argv = argv, environment = c(SLURM_OVERLAP = "1"), input = paste0(ticket, "\n"), group = session$group,
       count = nodes, workers = if (is.na(workers)) sum(x$cpus) else nodes * workers, ticket = ticket,
       ticket_file = NULL)
}

# The script is sbatch's standard input. Its output lies beside the ticket.
array_command <- function(x, session, count) {
  jobs <- as.integer(ceiling((if (is.null(count)) x$min else count) / x$cores))
  file <- ticket_path(session, session$group)
  node <- node_command(session, c(workers_argument(x$cores), "--rank-from=SLURM_ARRAY_TASK_ID",
                                  paste0("--ticket-file=", file)))
  argv <- c("sbatch", "--parsable", sprintf("--array=0-%d", jobs - 1L), "--requeue", "--nodes=1", "--ntasks=1",
            sprintf("--cpus-per-task=%d", x$cores), "--export=ALL", "--open-mode=append",
            if (is.null(x$options$`job-name`)) "--job-name=avenir",
            if (is.null(x$options$output)) paste0("--output=", output_pattern(file)), option_words(x$options))
  ticket <- session$ticket(session$group, jobs, session$addresses)
  list(argv = argv, environment = character(), input = batch_script(node), group = session$group, count = jobs,
       workers = jobs * x$cores, ticket = ticket, ticket_file = file)
}

# Slurm fills %a in; a percent sign of the path is doubled.
output_pattern <- function(file) paste0(gsub("%", "%%", file, fixed = TRUE), "-%a.out")

batch_script <- function(command) paste0("#!/bin/sh\nexec ", shell_words(command), "\n")

#' @export
launch_id.avenir_workers_slurm <- function(x, output) {
  if (in_allocation(x)) return(NULL)
  found <- regmatches(output, regexpr("^[0-9]+(?=(;|$))", output, perl = TRUE))
  if (length(found)) found[length(found)]
}

#' @export
launch_stop_command.avenir_workers_slurm <- function(x, id) {
  if (in_allocation(x)) NULL else c("scancel", check_slurm_id(id))
}

check_slurm_id <- function(id) {
  if (is.character(id) && length(id) == 1L && grepl("^[0-9]+(_[0-9]+)?$", id)) return(id)
  invalid_argument("a job's id must be a number", id)
}

#' @export
launch_is_over.avenir_workers_slurm <- function(x, id) {
  jobs <- slurm_jobs(id)
  !is.null(jobs) && all(is_over(jobs))
}

# What Slurm has requeued waits or runs again.
#' @export
launch_lost.avenir_workers_slurm <- function(x, id, ranks) {
  jobs <- slurm_jobs(id)
  if (is.null(jobs)) integer() else setdiff(ranks, jobs$rank[!is_over(jobs)])
}

# Slurm forgets jobs a few minutes after their end: none are left then. NULL when it does not answer.
slurm_jobs <- function(id) {
  answer <- run_command(c("scontrol", "--oneliner", "show", "job", check_slurm_id(id)))
  forgotten <- any(grepl("Invalid job id", answer$output, ignore.case = TRUE))
  if (answer$status == 0L || forgotten) parse_jobs(answer$output)
}

is_over <- function(jobs) jobs$state %in% c(names(slurm_states), "COMPLETED")

# ---- Hosts ----

# "h[1-2],k3" and "2(x3),4": what Slurm writes for hosts and for numbers of hosts. To ask Slurm itself takes as long as
# to start R's half of a worker: only for lists that are more than that.
slurm_nodes <- function(list) {
  if (!nzchar(list)) return(character())
  parts <- regmatches(list, gregexpr(slurm_host_pattern, list))[[1L]]
  if (identical(paste(parts, collapse = ","), list)) return(unlist(lapply(parts, expand_hosts)))
  answer <- run_command(c("scontrol", "show", "hostnames", list))
  if (answer$status == 0L) return(answer$output)
  stop_avenir(sprintf("scontrol could not read the hosts %s: %s", sQuote(list), last_line(answer$output)),
              "avenir_launch_error")
}

slurm_host_pattern <- "[A-Za-z0-9_.-]+(\\[[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*\\])?"

# "h[08-10,12]"
expand_hosts <- function(part) {
  if (!grepl("[", part, fixed = TRUE)) return(part)
  ranges <- strsplit(strsplit(sub("^.*\\[(.*)\\]$", "\\1", part), ",", fixed = TRUE)[[1L]], "-", fixed = TRUE)
  numbers <- lapply(ranges, function(range) {
    formatC(seq(as.integer(range[1L]), as.integer(range[length(range)])), width = nchar(range[1L]), flag = "0")
  })
  paste0(sub("\\[.*$", "", part), unlist(numbers))
}

slurm_counts <- function(text) {
  parts <- strsplit(text, ",", fixed = TRUE)[[1L]]
  times <- ifelse(grepl("(x", parts, fixed = TRUE), sub("^.*\\(x([0-9]+)\\)$", "\\1", parts), "1")
  rep(as.integer(sub("\\(.*$", "", parts)), as.integer(times))
}

# Slurm's addresses of the machines that the workers are on, or may come on.
#' @export
launch_targets.avenir_workers_slurm <- function(x) {
  where <- if (in_allocation(x)) paste0("--nodes=", paste(x$nodes, collapse = ",")) else
    if (!is.null(x$options$partition)) paste0("--partition=", x$options$partition)
  answer <- run_command(c("sinfo", "--noheader", "--Node", "--format=%o", where))
  if (answer$status == 0L) utils::head(unique(trimws(answer$output)), 1L) else character()
}

# ---- Reasons ----

#' @export
launch_reason.avenir_workers_slurm <- function(x, id = NULL, output = character()) {
  said <- srun_reason(output)
  if (nzchar(said) || is.null(id)) return(if (nzchar(said)) said else last_line(output))
  jobs_reason(settled_jobs(check_slurm_id(id)))
}

# What ends has its final state when all of its processes have gone, which takes a moment.
settled_jobs <- function(id, seconds = 3) {
  deadline <- cpp_monotonic_seconds() + seconds
  repeat {
    answer <- run_command(c("scontrol", "--oneliner", "show", "job", id))
    jobs <- parse_jobs(answer$output)
    if (!any(jobs$state %in% "COMPLETING") || cpp_monotonic_seconds() > deadline) return(jobs)
    Sys.sleep(0.1)
  }
}

# One row a job (of an array: a task) of `scontrol --oneliner show job`.
parse_jobs <- function(lines) {
  lines <- grep("^JobId=", lines, value = TRUE)
  field <- function(name) {
    found <- regexpr(sprintf("(?<= %s=)[^ ]*", name), lines, perl = TRUE)
    values <- rep(NA_character_, length(lines))
    values[found > 0L] <- regmatches(lines, found)
    values
  }
  data.frame(rank = suppressWarnings(as.integer(field("ArrayTaskId"))), state = field("JobState"),
             reason = field("Reason"), node = field("NodeList"), code = field("ExitCode"), restarts = field("Restarts"))
}

# What is worst first: jobs that ended badly, then those that wait.
jobs_reason <- function(jobs) {
  ended <- jobs[jobs$state %in% names(slurm_states), ]
  if (nrow(ended)) return(ended_reason(ended[nrow(ended), ]))
  waiting <- jobs[jobs$state %in% c("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED"), ]
  if (nrow(waiting)) pending_reason(waiting$reason[1L]) else ""
}

slurm_states <- c(
  NODE_FAIL = "node failure", OUT_OF_MEMORY = "out of memory", TIMEOUT = "time limit reached",
  PREEMPTED = "preempted by another job", CANCELLED = "cancelled", DEADLINE = "deadline reached",
  BOOT_FAIL = "the machine did not boot", FAILED = "failed", REVOKED = "revoked"
)

ended_reason <- function(job) {
  words <- slurm_states[[job$state]]
  if (job$state == "FAILED") words <- exit_words(job$code)
  if (is.na(job$node) || job$node %in% c("", "(null)")) words else sprintf("%s on %s", words, job$node)
}

# "1:0" is exit status 1, "0:9" signal 9.
exit_words <- function(code) {
  parts <- as.integer(strsplit(code, ":", fixed = TRUE)[[1L]])
  if (length(parts) == 2L && !anyNA(parts) && parts[2L] > 0L) return(sprintf("killed by signal %d", parts[2L]))
  sprintf("ended with exit status %s", parts[1L])
}

slurm_waits <- c(
  None = "the scheduler has not looked at it yet", Priority = "other jobs go first",
  Resources = "no machine is free yet",
  Dependency = "it waits for another job", QOSMaxCpuPerUserLimit = "your limit of CPUs is reached",
  QOSMaxJobsPerUserLimit = "your limit of jobs is reached", AssocGrpCpuLimit = "your group's limit of CPUs is reached",
  AssocMaxJobsLimit = "your limit of jobs is reached", PartitionDown = "the partition is down",
  PartitionTimeLimit = "it asks for more time than the partition allows",
  PartitionNodeLimit = "it asks for more machines than the partition allows",
  ReqNodeNotAvail = "machines that it needs are not available",
  BeginTime = "its start time has not come (jobs that are requeued wait a while)",
  JobArrayTaskLimit = "its array's limit is reached",
  JobHeldUser = "it is held by its owner", JobHeldAdmin = "it is held by an administrator",
  Licenses = "it waits for a licence", NodeDown = "a machine that it needs is down",
  Reservation = "its reservation has not begun",
  InvalidAccount = "the account is not known", InvalidQOS = "the quality of service is not known"
)

pending_reason <- function(reason) {
  if (is.na(reason) || !nzchar(reason)) return("it is in the queue")
  key <- sub("[,(].*$", "", reason)
  words <- slurm_waits[key]
  if (is.na(words)) sprintf("it is in the queue (Slurm: %s)", reason) else
    sprintf("it is in the queue: %s (Slurm: %s)", words, reason)
}

# What srun and slurmstepd write about the ends of tasks and nodes, the weightiest first.
srun_patterns <- c(
  "(?i)out of memory|oom-kill|oom_kill" = "out of memory",
  "(?i)node failure on ([^ ,]+)" = "node failure on \\1",
  "(?i)due to time limit" = "time limit reached",
  "(?i)due to preemption" = "preempted by another job",
  "(?i)due to node failure" = "node failure",
  "(?i)cancelled at|job step aborted|has been revoked|job/step already completing" = "cancelled",
  "error: ([^ :]+): tasks? [0-9,-]+: (Killed|Terminated|Segmentation fault|Bus error|Aborted|Illegal instruction)" =
    "\\2 on \\1",
  "(?i)requested node configuration is not available" = "the allocation has no such machines",
  "(?i)unable to contact slurm controller" = "Slurm's controller does not answer",
  "(?i)invalid partition name specified|invalid account|invalid qos" = "Slurm knows no such partition, account or QOS",
  "error: ([^ :]+): tasks? [0-9,-]+: Exited with exit code ([0-9]+)" = "ended with exit status \\2 on \\1"
)

srun_reason <- function(output) {
  lines <- unlist(strsplit(as.character(output), "\n", fixed = TRUE))
  for (pattern in names(srun_patterns)) {
    hit <- regmatches(lines, regexpr(pattern, lines, perl = TRUE))
    if (length(hit)) {
      return(sub("^Killed", "killed", sub(pattern, srun_patterns[[pattern]], hit[1L], perl = TRUE)))
    }
  }
  ""
}

# ---- Printing ----

#' @export
format.avenir_workers_slurm <- function(x, ...) {
  head <- if (in_allocation(x)) {
    sprintf("Slurm workers: %d in allocation %s (%s)", sum(x$cpus), x$job, paste(x$nodes, collapse = ", "))
  } else {
    range <- if (x$min == x$max) as.character(x$min) else sprintf("%d to %d", x$min, x$max)
    sprintf("Slurm workers: %s, %d in each job of an array", range, x$cores)
  }
  c(head, show_options(x$options))
}
