# What another user of the machine can reach of a session that runs as user "daemon", its umask being 000: a row for
# each plan and look. Root only: it runs the session and what looks at it as two users.
#
#   Rscript users.R
#
# Twice: with a folder for temporary files as systems have it, and with one that is the other user's and open to all,
# who may remove names from it. Prints Markdown; status 1 when anything can be reached.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "support.R"))
owner <- "daemon"
other <- "nobody"

# Where both can see the scripts and the package: R's own folder for temporary files is root's.
base <- "/var/tmp"
scripts <- tempfile("avenir-users-", base)
dir.create(scripts, mode = "0755")
invisible(file.copy(file.path(here, "session.R"), scripts))
library_of_package <- file.path(scripts, "library")
dir.create(library_of_package)
invisible(file.copy(system.file(package = "avenir"), library_of_package, recursive = TRUE))
system2("chmod", c("-R", "a+rX", scripts))

as_user <- function(user, words) {
  suppressWarnings(system2("runuser", c("-u", user, "--", shQuote(words)), stdout = TRUE, stderr = FALSE))
}

await <- function(condition) {
  if (!wait_for(condition, 120)) stop("the session does not get on: ", toString(readLines(log)))
}

start_session <- function() {
  folder <- tempfile("session-", scripts)
  dir.create(folder, mode = "0700")
  system2("chown", c(owner, folder))
  folder
}

processes_of_owner <- function() {
  pids <- grep("^[0-9]+$", list.files("/proc"), value = TRUE)
  uid <- as.integer(system2("id", c("-u", owner), stdout = TRUE))
  Filter(function(pid) identical(file.info(file.path("/proc", pid))$uid, uid), pids)
}

inodes_of <- function(pids) {
  targets <- unlist(lapply(pids, function(pid) suppressWarnings(Sys.readlink(list.files(file.path("/proc", pid, "fd"),
                                                                                     full.names = TRUE)))))
  unique(sub("^socket:\\[([0-9]+)\\]$", "\\1", grep("^socket:", targets, value = TRUE)))
}

table_of <- function(file, skip = 1L) strsplit(trimws(readLines(file)[-seq_len(skip)]), " +")

# ---- looks: each gives what it has found that should not be there ----

look_at_processes <- function(pids) {
  files <- unlist(lapply(c("environ", "maps", "mem", "fd/0", "fd/3", "map_files"), function(f) file.path("/proc", pids, f)))
  readable <- sprintf("for f in %s; do head -c 1 $f >/dev/null 2>&1 && echo $f; ls $f/ >/dev/null 2>&1 && echo $f; done",
                      paste(files, collapse = " "))
  as_user(other, c("sh", "-c", readable))
}

look_at_files <- function(pids) {
  open_to_others <- sprintf("find %s /tmp /var/tmp /dev/shm /run -user %s -perm /007 -not -type l 2>/dev/null", place, owner)
  found <- suppressWarnings(system(open_to_others, intern = TRUE))
  reached <- sprintf("for f in %s; do { test -r $f || test -w $f || test -x $f; } && echo $f; done",
                     paste(c("/nowhere", shQuote(found)), collapse = " "))
  as_user(other, c("sh", "-c", reached))
}

look_at_names <- function(pids) {
  inodes <- inodes_of(pids)
  named <- Filter(function(line) length(line) > 7L && line[7L] %in% inodes, table_of("/proc/net/unix"))
  c(vapply(named, `[`, "", 8L), system(sprintf("find /dev/shm -user %s", owner), intern = TRUE),
    grep(owner, system("ipcs -a 2>/dev/null", intern = TRUE), value = TRUE))
}

look_at_ports <- function(pids) {
  listening <- function(file) {
    lines <- Filter(function(line) line[4L] == "0A" && line[10L] %in% inodes_of(pids), table_of(file))
    vapply(lines, `[`, "", 2L)
  }
  c(listening("/proc/net/tcp"), listening("/proc/net/tcp6"))
}

# Of the cluster: an authenticated port is what it is for, at the address that was given.
look_at_other_ports <- function(pids) grep("^0100007F:", look_at_ports(pids), value = TRUE, invert = TRUE)

# A ticket's parts that are long enough to be secret, and the processes that show one.
look_at_secrets <- function(pids) {
  ticket <- unlist(strsplit(as.character(unlist(readRDS(file.path(folder, "ticket")))), "[^A-Za-z0-9+/=_-]+"))
  secrets <- ticket[nchar(ticket) >= 32L]
  stopifnot(length(secrets) > 0L)
  shown <- function(pid) {
    text <- paste(read_proc(pid, "cmdline"), read_proc(pid, "environ"))
    any(vapply(secrets, grepl, NA, text, fixed = TRUE))
  }
  Filter(shown, pids)
}

looks <- list(multisession = list(processes = look_at_processes, files = look_at_files, names = look_at_names,
                                  ports = look_at_ports))
looks$multicore <- looks$multisession
looks$cluster <- c(looks$multisession[c("processes", "files", "names")],
                   list(`other ports` = look_at_other_ports, `secrets in arguments or variables` = look_at_secrets))

# ---- Secrets of sessions with the same seed ----

# The key, the plan's folder and its file names of a session of its own.
secrets <- function() {
  code <- paste("set.seed(1); suppressPackageStartupMessages(library(avenir)); set.seed(1);",
                "options(avenir.cluster.address = '127.0.0.1', avenir.cluster.folder = tempfile());",
                "plan(cluster, workers = workers_command('nohup {command} >/dev/null 2>&1 &'));",
                "b <- plan('backend'); t <- avenir:::cpp_cluster_ticket(b$engine, 'seeds', 2L, '127.0.0.1');",
                "cat(strsplit(t, ' ')[[1L]][c(5, 7)], value(future(dirname(tempdir()))), '\\n')")
  words <- c("env", paste0("R_LIBS=", library_of_package), paste0("TMPDIR=", base), rscript, "--vanilla", "-e", code)
  strsplit(utils::tail(as_user(owner, words), 1L), " ", fixed = TRUE)[[1L]]
}

look_at_seeds <- function() {
  one <- secrets()
  another <- secrets()
  stopifnot(length(one) >= 3L, nchar(one[2L]) == 64L)
  intersect(one, another)
}

# ---- All ----

good <- TRUE

tell <- function(plan, count, look, found) {
  good <<- good && !length(found)
  table_row(c(plan, count, look, if (length(found)) paste0("**", toString(found), "**") else "nothing"))
}

# `place`: the session's folder for temporary files.
look_at_session <- function(place) {
  folder <<- start_session()
  place <<- place
  log <<- paste0(folder, "-log")
  form <- paste("cd / && env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=%s TMPDIR=%s R_LIBS=%s",
                "runuser -u %s -- %s --vanilla %s %s >%s 2>&1 &")
  run <- sprintf(form, folder, place, library_of_package, owner, rscript, file.path(scripts, "session.R"), folder, log)
  system(run)
  for (name in names(looks)) {
    await(function() file.exists(file.path(folder, name)))
    pids <- processes_of_owner()
    for (look in names(looks[[name]])) tell(name, length(pids), look, unique(looks[[name]][[look]](pids)))
    file.create(file.path(folder, paste0("next-", name)))
  }
  await(function() !length(processes_of_owner()))
}

others_folder <- file.path(scripts, "tmp")
dir.create(others_folder)
system2("chown", c(other, others_folder))
Sys.chmod(others_folder, "0777", use_umask = FALSE)

folder <- place <- log <- NULL
for (where in c(base, others_folder)) {
  cat("\nTemporary files in ", where, ":\n\n", sep = "")
  table_head(c("plan", "processes", "look", "found"))
  look_at_session(where)
}
cat("\n")
table_head(c("plan", "sessions", "look", "found"))
tell("cluster", 2L, "secrets that a seed fixes", look_at_seeds())
unlink(scripts, recursive = TRUE)
if (!good) quit(status = 1L)
