# The rig that tools/rig.sh made; its names are in the environment (tools/test.sh cluster).

rig_hosts <- function() strsplit(Sys.getenv("RIG_HOSTS"), ",")[[1L]]

# A command's standard output and error; it is killed after `seconds`.
command_output <- function(command, args, seconds = 30) {
  file <- tempfile("output-")
  on.exit(unlink(file))
  suppressWarnings(system2(command, shQuote(args), stdout = file, stderr = file, stdin = "/dev/null",
                           timeout = seconds))
  readLines(file, warn = FALSE)
}

rig <- function(...) command_output("sh", c(rig_script, ...), 60)

# tests/cluster is where the tests run.
rig_script <- normalizePath("../../tools/rig.sh")

ssh_options <- function() c("-F", Sys.getenv("RIG_SSH_CONFIG"))

ssh_output <- function(host, command) command_output("ssh", c(ssh_options(), host, command))

# Waits until `condition()` is TRUE; FALSE when it is not within `seconds`.
wait_until <- function(condition, seconds = 60) {
  deadline <- proc.time()[["elapsed"]] + seconds
  while (!isTRUE(condition())) {
    if (proc.time()[["elapsed"]] > deadline) return(FALSE)
    Sys.sleep(0.02)
  }
  TRUE
}

# Logins of the rig have the PATH of sshd, where R need not be.
rscript <- function() file.path(R.home("bin"), "Rscript")
