# The rig that tools/rig.sh made; its names are in the environment (tools/test.sh cluster).

rig_hosts <- function() strsplit(Sys.getenv("RIG_HOSTS"), ",")[[1L]]

# A command's standard output and error, with attribute "status" when it failed; killed after `seconds`.
command_output <- function(command, args, seconds = 30) {
  suppressWarnings(system2(command, shQuote(args), stdout = TRUE, stderr = TRUE, timeout = seconds))
}

ssh_output <- function(host, command) {
  command_output("ssh", c("-F", Sys.getenv("RIG_SSH_CONFIG"), host, command))
}
