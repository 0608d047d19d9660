# Row 5B: 120 tasks over several machines: which of them worked, and the same numbers as here.
#   Rscript row-05b-many-machines.R [--quick] [--hosts=h1,h2 | --slurm]
#
# --hosts: by ssh, two workers on each; --slurm: in the allocation that we are in; neither: two workers here.

library(avenir)
source(system.file("scenarios", "common.R", package = "avenir"))

hosts <- sub("^--hosts=", "", grep("^--hosts=", commandArgs(TRUE), value = TRUE))
hosts <- unlist(strsplit(hosts, ",", fixed = TRUE))
machines <- if ("--slurm" %in% commandArgs(TRUE)) workers_slurm() else
  if (length(hosts)) workers_ssh(rep(hosts, each = 2)) else 2L

# The mean of numbers of the task's own stream, and who drew them.
tasks <- 120
draws <- if (quick) 1e4 else 1e6
one_mean <- function(i) mean(rnorm(draws))
mean_and_machine <- function(i) list(one_mean(i), Sys.info()[["nodename"]])

plan(cluster, workers = machines)
workers <- nbrOfWorkers()
team <- start_peers(workers, c("draws", "one_mean"))
worked <- character()
sides <- c(own_sides(tasks, one_mean, 55), base_peers(tasks, one_mean, 55, team))
sides$avenir <- function() {
  seen <- future_lapply(seq_len(tasks), mean_and_machine, future.seed = 55)
  worked <<- vapply(seen, `[[`, "", 2L)
  lapply(seen, `[[`, 1L)
}
measured <- measure(sides)
stop_peers(team)
plan(sequential)

cat("Tasks by machine:\n")
print(table(worked))
show_times(measured)
idle <- setdiff(hosts, worked)
checks <- stats::setNames(!length(idle), paste("no task was done on", paste(idle, collapse = ", ")))
report("5B", sprintf("%d tasks on %d machines", tasks, length(unique(worked))), measured, workers, checks)
