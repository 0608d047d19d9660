# Launchers: how nodes (processes on other machines, with workers of their own) are started for plan(cluster). An
# object says what the user wants; launch_commands() turns it into command lines that the session's engine starts.
# Nothing here knows a secret's meaning: the ticket, one line, passes through by standard input or in a file that only
# the user can read, never in arguments or the environment.

new_launcher <- function(kind, ...) {
  structure(list(...), class = c(paste0("avenir_workers_", kind), "avenir_workers"))
}

# The commands that start nodes: pure, so that they can be looked at before they run.
#
# `session`: list(
#   ticket      function(group, count, addresses): the ticket's line
#   group       number of the first group that is free
#   plan        id of the plan, letters and digits
#   addresses   of this session, for nodes (launch_addresses())
#   listen, port  where it listens
#   libs        library paths, which nodes are to have where they exist
#   folder      for ticket files, on a file system that nodes see (ticket_folder())
# )
# `count`: workers, where the launcher has a choice; NULL: as many as it was made for.
#
# Each command is a list(argv, environment (named), input (for standard input), group, count (nodes), workers (of all
# of them, NA: as many as the nodes find), ticket, ticket_file (NULL, or where to write the ticket before), folder,
# may_last (TRUE: what asks a scheduler may also be what its nodes run in)).
launch_commands <- function(x, session, count = NULL) UseMethod("launch_commands")

# The id by which the scheduler knows what a command has started, from its output; NULL when the command itself is it.
launch_id <- function(x, output) UseMethod("launch_id")

#' @export
launch_id.default <- function(x, output) NULL

# The command that ends what launch_id() names, as argv; NULL when ending the command itself does it.
launch_stop_command <- function(x, id) UseMethod("launch_stop_command")

#' @export
launch_stop_command.default <- function(x, id) NULL

launch_stop <- function(x, id) {
  argv <- launch_stop_command(x, id)
  if (!is.null(argv)) run_command(argv)
  invisible()
}

# TRUE: the scheduler says that of what launch_id() names nothing runs, and nothing will.
launch_is_over <- function(x, id) UseMethod("launch_is_over")

#' @export
launch_is_over.default <- function(x, id) FALSE

# Those of `ranks`, nodes of what launch_id() names that have all gone, that will not come again.
launch_lost <- function(x, id, ranks) UseMethod("launch_lost")

#' @export
launch_lost.default <- function(x, id, ranks) ranks

# Why nodes are gone or not there yet, in a few words ("" when nothing is known); `output`: of the command.
launch_reason <- function(x, id = NULL, output = character()) UseMethod("launch_reason")

#' @export
launch_reason.default <- function(x, id = NULL, output = character()) last_line(output)

# The addresses of this machine that nodes can use, the likeliest first.
launch_addresses <- function(x) {
  given <- getOption("avenir.cluster.address")
  if (!is.null(given)) return(check_addresses(given))
  toward <- unlist(lapply(launch_targets(x), route_source))
  own <- Filter(Negate(is_loopback), address_of(this_host()))
  if (!length(toward) && !length(own)) own <- route_source(elsewhere)
  found <- unique(c(toward, own))
  if (length(found)) found else "127.0.0.1"
}

# An address that nobody has (RFC 5737): the way to it is the way out.
elsewhere <- "203.0.113.1"

# Machines that the nodes are like: the way to them shows the address.
launch_targets <- function(x) UseMethod("launch_targets")

#' @export
launch_targets.default <- function(x) character()

check_addresses <- function(x) {
  if (is.character(x) && length(x) && all(grepl(host_pattern, x))) return(x)
  invalid_argument("option `avenir.cluster.address` must be addresses of this machine", x, "For instance \"10.0.0.5\".")
}

# How many workers there will be at first.
launch_size <- function(x) UseMethod("launch_size")

#' @export
launch_size.default <- function(x) x$min

# ---- What a node runs ----

# Rscript with what a node needs, as argv. `rscript`: the command and, perhaps, words before the rest. R itself leaves
# out library paths that do not exist there. Paths with a colon cannot be said in R_LIBS.
node_command <- function(session, arguments, rscript = NULL) {
  if (is.null(rscript)) rscript <- file.path(R.home("bin"), "Rscript")
  libs <- paste(grep(":", session$libs, fixed = TRUE, value = TRUE, invert = TRUE), collapse = ":")
  own <- c(R_LIBS = libs, one_thread)
  c("env", paste0(names(own), "=", own), rscript, "--no-init-file", "-e", node_expression, arguments)
}

# Without the namespace, so that workers are forked from a process that has nothing but R.
node_expression <- paste(
  "f <- system.file('worker', 'start-node.R', package = 'avenir');",
  "if (f == '') stop('avenir is not installed here; libraries: ', toString(.libPaths()));",
  "source(f)"
)

workers_argument <- function(workers) if (!is.na(workers)) sprintf("--workers=%d", workers)

# Words as a POSIX shell reads them back; what no shell line can hold is refused.
shell_words <- function(words) {
  odd <- grepl("[\n\r]", words)
  if (any(odd)) invalid_argument("a command line cannot hold line breaks", words[odd][1L])
  plain <- grepl("^[A-Za-z0-9_@%+=:,./-]+$", words)
  quoted <- paste0("'", gsub("'", "'\\''", words, fixed = TRUE), "'")
  paste(ifelse(plain, words, quoted), collapse = " ")
}

check_rscript <- function(x) {
  if (is.null(x) || is_words(x)) return(x)
  invalid_argument("`rscript` must be a command, or its words", x, "For instance \"/opt/R/4.3/bin/Rscript\".")
}

is_words <- function(x) is.character(x) && length(x) && !anyNA(x) && all(nzchar(x)) && !any(grepl("[\n\r]", x))

check_whole <- function(x, name, from = 1L) {
  if (is_number(x) && is.finite(x) && x >= from && x == floor(x) && x <= 1e6) return(as.integer(x))
  invalid_argument(sprintf("`%s` must be one whole number from %d", name, from), x)
}

# ---- Hosts ----

# Names and addresses of both kinds. Nothing that ssh or a shell could take for something else begins like this.
host_pattern <- "^[A-Za-z0-9_:][A-Za-z0-9._:%-]*$"

check_hosts <- function(hosts, what = "`hosts`") {
  if (!is.character(hosts) || !length(hosts)) {
    invalid_argument(paste(what, "must be names of machines"), hosts, "A name given n times stands for n workers.")
  }
  bad <- is.na(hosts) | !grepl(host_pattern, sub("^[A-Za-z0-9_][A-Za-z0-9._-]*@", "", hosts))
  if (any(bad)) {
    invalid_argument(paste(what, "must be names or addresses of machines"), hosts[bad][1L],
                     "Letters, digits and ._- make a name; \"user@host\" is understood.")
  }
  hosts
}

is_loopback <- function(address) grepl("^127\\.|^::1$", address)

is_ipv4 <- function(x) grepl("^[0-9]+(\\.[0-9]+){3}$", x)

# IPv4 addresses of a name; none when it has none.
address_of <- function(name) {
  if (is_ipv4(name)) return(name)
  found <- tryCatch(suppressWarnings(utils::nsl(name)), error = function(e) NULL)
  as.character(found)
}

# This machine's address on the way to a host, as the kernel would choose it.
route_source <- function(host) {
  address <- address_of(host)
  source <- if (length(address)) cpp_source_toward(address[1L]) else ""
  if (nzchar(source)) source
}

# ---- Commands that are run here and answer at once ----

# list(status, output); status 127 when there is no such command, 124 when it took longer than `seconds`.
run_command <- function(argv, seconds = 10) {
  if (!nzchar(program_path(argv[1L]))) return(list(status = 127L, output = character()))
  file <- tempfile("output-")
  on.exit(unlink(file))
  status <- suppressWarnings(system2(argv[1L], shQuote(argv[-1L]), stdout = file, stderr = file, stdin = "/dev/null",
                                     timeout = seconds))
  list(status = status, output = readLines(file, warn = FALSE))
}

# "" when there is none. Sys.which() would start a process to look, and fail where the system is short of them.
program_path <- function(name) {
  folders <- strsplit(Sys.getenv("PATH"), ":", fixed = TRUE)[[1L]]
  paths <- if (grepl("/", name, fixed = TRUE)) name else file.path(ifelse(nzchar(folders), folders, "."), name)
  found <- paths[file.access(paths, 1L) == 0L & !dir.exists(paths)]
  if (length(found)) found[1L] else ""
}

last_line <- function(output) {
  lines <- trimws(unlist(strsplit(as.character(output), "\n", fixed = TRUE)))
  lines <- lines[nzchar(lines)]
  if (length(lines)) lines[length(lines)] else ""
}

# ---- Printing ----

#' @export
print.avenir_workers <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

show_count <- function(n, what) sprintf("%d %s%s", n, what, if (n == 1L) "" else "s")

show_options <- function(options) {
  if (!length(options)) return(NULL)
  paste0("  ", names(options), ": ", vapply(options, format, ""), recycle0 = TRUE)
}
