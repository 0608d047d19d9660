# What another user of the machine can reach of a session that runs as user "daemon", its umask being 000: a row for
# each plan and look. Root only: it runs the session and what looks at it as two users.
#
#   Rscript users.R
#
# Prints Markdown; status 1 when anything can be reached.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
rscript <- file.path(R.home("bin"), "Rscript")
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

wait_for <- function(condition, limit = 120) {
  deadline <- proc.time()[["elapsed"]] + limit
  while (!isTRUE(condition())) {
    if (proc.time()[["elapsed"]] > deadline) stop("the session does not get on: ", toString(readLines(log)))
    Sys.sleep(0.05)
  }
}

start_session <- function() {
  folder <- tempfile("session-", scripts)
  dir.create(folder, mode = "0700")
  system2("chown", c(owner, folder))
  folder
}

folder <- start_session()
temporary <- file.path(folder, "tmp")
log <- paste0(folder, "-log")
run <- sprintf("cd / && env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=%s TMPDIR=%s R_LIBS=%s runuser -u %s -- %s --vanilla %s %s >%s 2>&1 &",
               folder, base, library_of_package, owner, rscript, file.path(scripts, "session.R"), folder, log)

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
  open_to_others <- sprintf("find /tmp /var/tmp /dev/shm /run -user %s -perm /007 -not -type l 2>/dev/null", owner)
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

words_of <- function(pid, file) {
  bytes <- tryCatch(suppressWarnings(readBin(file.path("/proc", pid, file), raw(), 1e6)), error = function(e) raw())
  rawToChar(bytes[bytes != as.raw(0L)])
}

# A ticket's parts that are long enough to be secret, and the processes that show one.
look_at_secrets <- function(pids) {
  ticket <- unlist(strsplit(as.character(unlist(readRDS(file.path(folder, "ticket")))), "[^A-Za-z0-9+/=_-]+"))
  secrets <- ticket[nchar(ticket) >= 32L]
  stopifnot(length(secrets) > 0L)
  shown <- function(pid) {
    text <- paste(words_of(pid, "cmdline"), words_of(pid, "environ"))
    any(vapply(secrets, grepl, NA, text, fixed = TRUE))
  }
  Filter(shown, pids)
}

looks <- list(multisession = list(processes = look_at_processes, files = look_at_files, names = look_at_names,
                                  ports = look_at_ports))
looks$multicore <- looks$multisession
looks$cluster <- c(looks$multisession[c("processes", "files", "names")],
                   list(`other ports` = look_at_other_ports, `secrets in arguments or variables` = look_at_secrets))

system(run)
good <- TRUE
cat("| plan | processes | look | found |\n|---|---|---|---|\n")
for (name in names(looks)) {
  wait_for(function() file.exists(file.path(folder, name)))
  pids <- processes_of_owner()
  for (look in names(looks[[name]])) {
    found <- unique(looks[[name]][[look]](pids))
    good <- good && !length(found)
    cat(sprintf("| %s | %d | %s | %s |\n", name, length(pids), look,
                if (length(found)) paste0("**", toString(found), "**") else "nothing"))
  }
  file.create(file.path(folder, paste0("next-", name)))
}
wait_for(function() !length(processes_of_owner()))
unlink(scripts, recursive = TRUE)
if (!good) quit(status = 1L)
