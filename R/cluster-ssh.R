# Nodes through OpenSSH: one connection and one node for each host.

#' Workers on machines that ssh reaches
#'
#' For `plan(cluster, workers = workers_ssh(...))`; a character vector of hosts given to `workers` means the same. The
#' system's `ssh` starts one R process on each host, which forks the workers. It never asks for anything: log in by key,
#' with hosts that are known. The workers connect to this session, encrypted and authenticated with a key that goes over
#' ssh's standard input; where they cannot reach it, the connection goes back through ssh.
#'
#' `ssh`'s own configuration counts: host aliases, jump hosts and `ControlMaster` work as they do at the prompt.
#'
#' @param hosts Names or addresses, also `"user@host"`; a host that is named n times has n workers.
#' @param user,port For all hosts; nothing: as ssh has it.
#' @param options Options of ssh. With names they become `-o name=value`, without they are handed over as they are:
#'   `c(ProxyJump = "login", "-4")`.
#' @param revtunnel `TRUE`: workers connect through ssh (`-R`); `FALSE`: to this machine's address; `NA`: to the
#'   address, and where that fails through ssh.
#' @param rscript The command for Rscript there (default: the one in the `PATH`), also several words.
#' @return An object that describes the workers; nothing is started yet.
#' @section Errors:
#' Of class `avenir_invalid_argument`: hosts or users that are no names, options with line breaks.
#' @seealso [plan()], [workers_file()], [workers_slurm()], [workers_command()]
#' @examples
#' workers_ssh(c("n1", "n2", "n2"))
#' workers_ssh("alice@n1", options = c(ProxyJump = "login"), rscript = "/opt/R/bin/Rscript")
#' @export
workers_ssh <- function(hosts, user = NULL, port = NULL, options = character(), revtunnel = NA, rscript = NULL) {
  counts <- count_hosts(check_hosts(hosts))
  new_launcher("ssh", hosts = counts, user = check_user(user), port = check_port(port),
               options = check_ssh_options(options), revtunnel = check_tunnel(revtunnel),
               rscript = check_rscript(rscript))
}

# Named counts, in the order of first mention.
count_hosts <- function(hosts) {
  hosts <- factor(hosts, levels = unique(hosts))
  stats::setNames(tabulate(hosts, nlevels(hosts)), levels(hosts))
}

check_user <- function(x) {
  if (is.null(x) || is.character(x) && length(x) == 1L && grepl("^[A-Za-z0-9_][A-Za-z0-9._-]*$", x)) return(x)
  invalid_argument("`user` must be the name of a user", x)
}

check_port <- function(x) {
  if (is.null(x)) return(x)
  if (is_number(x) && x >= 1 && x <= 65535 && x == floor(x)) return(as.integer(x))
  invalid_argument("`port` must be a whole number from 1 to 65535", x)
}

check_tunnel <- function(x) {
  if (is.logical(x) && length(x) == 1L) return(x)
  invalid_argument("`revtunnel` must be TRUE, FALSE or NA", x)
}

check_ssh_options <- function(x) {
  if (is.null(x)) return(character())
  names <- if (is.null(names(x))) rep("", length(x)) else names(x)
  ok <- is.character(x) && !anyNA(x) && !any(grepl("[\n\r]", x)) && all(grepl("^[A-Za-z0-9]*$", names))
  if (ok) return(stats::setNames(x, names))
  invalid_argument("`options` must be strings, with names of ssh's options or without", x,
                   "For instance c(ProxyJump = \"login\", \"-4\").")
}

# ---- Commands ----

#' @export
launch_size.avenir_workers_ssh <- function(x) sum(x$hosts)

#' @export
launch_commands.avenir_workers_ssh <- function(x, session, count = NULL) {
  lapply(seq_along(x$hosts), function(i) ssh_command(x, session, i))
}

# The words after the host pass through the shell of the login there, hence the quotes. What the user gives comes
# first: of one option ssh takes the first value.
ssh_command <- function(x, session, i) {
  host <- names(x$hosts)[i]
  workers <- x$hosts[[i]]
  group <- session$group + i - 1L
  node <- node_command(session, workers_argument(workers), if (is.null(x$rscript)) "Rscript" else x$rscript)
  argv <- c("ssh", ssh_words(x), tunnel_words(x$revtunnel, session), "--", host, shell_words(node))
  ticket <- session$ticket(group, 1L, node_addresses(x$revtunnel, session))
  list(argv = argv, environment = character(), input = paste0(ticket, "\n"), group = group, count = 1L,
       workers = workers, ticket = ticket, ticket_file = NULL, host = host)
}

ssh_words <- function(x) {
  named <- nzchar(names(x$options))
  own <- c(BatchMode = "yes", ConnectTimeout = "15", ServerAliveInterval = "5", ServerAliveCountMax = "3")
  given <- ifelse(named, paste0("-o", names(x$options), "=", x$options), x$options)
  c("-T", "-x", "-a", given, paste0("-o", names(own), "=", own), if (!is.null(x$user)) c("-l", x$user),
    if (!is.null(x$port)) c("-p", x$port))
}

# The same port there as here, so that one ticket tells both ways. When only the tunnel can do, ssh must have it.
tunnel_words <- function(revtunnel, session) {
  if (isFALSE(revtunnel)) return(NULL)
  listen <- if (grepl(":", session$listen, fixed = TRUE)) sprintf("[%s]", session$listen) else session$listen
  c(sprintf("-oExitOnForwardFailure=%s", if (is.na(revtunnel)) "no" else "yes"),
    "-R", sprintf("127.0.0.1:%1$d:%2$s:%1$d", as.integer(session$port), listen))
}

node_addresses <- function(revtunnel, session) {
  if (isTRUE(revtunnel)) return("127.0.0.1")
  unique(c(session$addresses, if (is.na(revtunnel)) "127.0.0.1"))
}

# By ssh's own reading of its configuration.
#' @export
launch_targets.avenir_workers_ssh <- function(x) {
  if (isTRUE(x$revtunnel)) return("127.0.0.1")
  answer <- run_command(c("ssh", "-G", ssh_words(x), "--", names(x$hosts)[1L]))
  sub("^hostname ", "", grep("^hostname ", answer$output, value = TRUE))
}

# ---- Reasons ----

ssh_patterns <- c(
  "Permission denied.*" = "ssh was refused: no key that the host accepts (log in once by hand, or see ssh-copy-id)",
  "Host key verification failed.*" = "ssh does not know the host's key, or it has changed (connect once by hand)",
  "Could not resolve hostname ([^:]+):.*" = "no machine is known by the name \\1",
  "connect to host ([^ ]+) port ([0-9]+): Connection refused" = "nothing listens on port \\2 of \\1: is sshd running?",
  "connect to host ([^ ]+) port ([0-9]+): (Connection timed out|No route to host|Network is unreachable).*" =
    "port \\2 of \\1 cannot be reached from here: is the machine up, and does a firewall let ssh in?",
  "Warning: remote port forwarding failed.*|Error: remote port forwarding failed.*" =
    "the host does not allow the way back through ssh (-R): see AllowTcpForwarding there",
  "(.*[:] *)?(Rscript|env|[^ ]*/Rscript)['\u2019]?: (command not found|not found|No such file or directory).*" =
    "there is no Rscript in the PATH of logins there: give workers_ssh(rscript = )",
  "there is no package called .*avenir.*" = "avenir is not installed there, or not in a library that R looks in",
  "(Connection reset|Connection closed|Broken pipe|Timeout, server).*" = "the connection of ssh broke"
)

#' @export
launch_reason.avenir_workers_ssh <- function(x, id = NULL, output = character()) {
  lines <- unlist(strsplit(as.character(output), "\n", fixed = TRUE))
  for (pattern in names(ssh_patterns)) {
    hit <- regmatches(lines, regexpr(pattern, lines, perl = TRUE))
    if (length(hit)) return(sub(pattern, ssh_patterns[[pattern]], hit[1L], perl = TRUE))
  }
  last_line(output)
}

#' @export
format.avenir_workers_ssh <- function(x, ...) {
  hosts <- paste0(names(x$hosts), ifelse(x$hosts > 1L, paste0(" (", x$hosts, ")"), ""), collapse = ", ")
  c(sprintf("ssh workers: %d on %s", sum(x$hosts), show_count(length(x$hosts), "host")), paste0("  ", hosts),
    show_options(Filter(Negate(is.null), x[c("user", "port", "rscript")])))
}
