# Launchers with a stand-in for the node: a package of avenir's name whose run_node() reads the ticket as a node does,
# finds out who it is, and says so to this session at one of the addresses that the ticket names. That it is loaded at
# all shows that library paths arrive. Its folder's name is one that shells would misread.

fake_key <- strrep("0123456789abcdef", 4)

run_node <- function() {
  arguments <- commandArgs(TRUE)
  value <- function(name) sub("^[^=]*=", "", grep(paste0("^--", name, "="), arguments, value = TRUE))
  file <- value("ticket-file")
  line <- readLines(if (length(file)) file else file("stdin"), 1L)
  ticket <- strsplit(line, " ", fixed = TRUE)[[1L]]
  variables <- as.character(unlist(strsplit(value("rank-from"), ",", fixed = TRUE)))
  rank <- Filter(nzchar, vapply(variables, Sys.getenv, "", USE.NAMES = FALSE))
  for (address in strsplit(ticket[3L], ",")[[1L]]) {
    open <- function() socketConnection(address, as.integer(ticket[4L]), blocking = TRUE, open = "r+", timeout = 8)
    connection <- tryCatch(suppressWarnings(open()), error = function(e) NULL)
    if (!is.null(connection)) break
  }
  fields <- c(host = Sys.info()[["nodename"]], address = address, key = ticket[7L], group = ticket[6L],
              rank = c(rank, "0")[1L], attempt = Sys.getenv("SLURM_RESTART_COUNT", "0"),
              workers = c(value("workers"), NA)[1L])
  writeLines(paste(names(fields), fields, sep = "=", collapse = "\t"), connection)
  repeat if (length(tryCatch(readLines(connection, 1L), error = identity)) == 0L) quit(status = 0)
}

# The library with the stand-in; made once.
stand_in <- new.env()
stand_in_library <- function() {
  if (!is.null(stand_in$library)) return(stand_in$library)
  library <- file.path(tempfile("lib-"), "o'neil $(exit 3) \"b\"; c")
  source <- file.path(tempfile("source-"), "avenir")
  dir.create(file.path(source, "R"), recursive = TRUE)
  dir.create(library, recursive = TRUE)
  writeLines(c("Package: avenir", "Version: 0.0.1", "Title: T", "Description: D.", "License: MIT", "Author: A",
               "Maintainer: A <a@b.c>"), file.path(source, "DESCRIPTION"))
  file.create(file.path(source, "NAMESPACE"))
  dir.create(file.path(source, "inst", "worker"), recursive = TRUE)
  writeLines("avenir:::run_node()", file.path(source, "inst", "worker", "start-node.R"))
  dump("run_node", file.path(source, "R", "node.R"), envir = environment(stand_in_library))
  built <- install_plainly(source)
  file.copy(file.path(built, "avenir"), library, recursive = TRUE)
  stand_in$library <- library
}

# R CMD INSTALL itself does not take such a name.
install_plainly <- function(source) {
  library <- tempfile("built-")
  dir.create(library)
  out <- command_output(file.path(R.home("bin"), "R"), c("CMD", "INSTALL", "--no-docs", "-l", library, source))
  if (!file.exists(file.path(library, "avenir", "DESCRIPTION"))) stop(paste(out, collapse = "\n"))
  library
}

# A session as the engine gives it to launchers, with a plain listener. `port` is any that is free.
new_session <- function(launcher, ...) {
  session <- list2env(list(group = 1L, plan = "f00d", libs = stand_in_library()))
  session$answers <- session$outputs <- list()
  while (is.null(session$server)) {
    session$port <- 20000L + (Sys.getpid() + length(stand_in$ports)) %% 10000L
    stand_in$ports <- c(stand_in$ports, session$port)
    session$server <- tryCatch(suppressWarnings(serverSocket(session$port)), error = function(e) NULL)
  }
  session$addresses <- avenir:::launch_addresses(launcher)
  session$listen <- session$addresses[1L]
  session$folder <- file.path(tempfile("shared-"), "a 'b' $(exit 3)", "tickets")
  session$ticket <- function(group, count, addresses) {
    list <- paste(addresses, collapse = ",")
    sprintf("avenir-ticket 1 %s %d f00d %d %s %d", list, session$port, group, fake_key, count)
  }
  list2env(list(...), session)
}

close_session <- function(session) {
  for (answer in session$answers) close(answer$connection)
  close(session$server)
}

# Starts what the launcher says, as the engine would, and gives the commands back.
start_nodes <- function(launcher, session, ...) {
  commands <- avenir:::launch_commands(launcher, as.list(session), ...)
  for (command in commands) start_command(command, session)
  invisible(commands)
}

start_command <- function(command, session) {
  if (!is.null(command$ticket_file)) avenir:::write_ticket(command$ticket_file, command$ticket)
  input <- tempfile("input-")
  cat(command$input, file = input)
  session$outputs <- c(session$outputs, output <- tempfile("output-"))
  system2(command$argv[1L], shQuote(command$argv[-1L]), stdin = input, stdout = output, stderr = output, wait = FALSE,
          env = paste0(names(command$environment), "=", command$environment, recycle0 = TRUE))
}

outputs <- function(session) {
  read <- function(path) if (file.exists(path)) readLines(path, warn = FALSE)
  as.character(unlist(lapply(session$outputs, read)))
}

# A data frame of the next `count` nodes that answer. They stay until the session is closed.
await_nodes <- function(session, count, seconds = 60) {
  rows <- lapply(seq_len(count), function(i) await_node(session, seconds))
  nodes <- as.data.frame(do.call(rbind, rows))
  nodes[order(nodes$group, as.integer(nodes$rank)), ]
}

await_node <- function(session, seconds) {
  connection <- tryCatch(
    socketAccept(session$server, blocking = TRUE, open = "r+", timeout = seconds),
    error = function(e) stop("no node came: ", paste(outputs(session), collapse = "\n"))
  )
  session$answers <- c(session$answers, list(list(connection = connection)))
  fields <- strsplit(readLines(connection, 1L), "\t")[[1L]]
  stats::setNames(sub("^[^=]*=", "", fields), sub("=.*$", "", fields))
}

# Evaluates `code` (lines of R) in a session of its own inside an allocation of both hosts.
in_allocation <- function(code) {
  script <- tempfile("allocation-", fileext = ".R")
  head <- c(sprintf(".libPaths(%s)", deparse1(.libPaths())), sprintf("setwd(%s)", deparse1(getwd())),
            "for (file in list.files(pattern = '^helper-')) source(file)")
  writeLines(c(head, code), script)
  command_output("salloc", c("-Q", "-N2", "-n4", file.path(R.home("bin"), "Rscript"), "--vanilla", script), 120)
}
