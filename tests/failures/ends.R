# Resources that come to an end: descriptors, processes, memory, the size of files, the temporary folder, the stack. A
# session that has too little of one when it sets its plan and works must give the right results or a classed error, in
# time; when there is enough again it must give the right results; and no process may stay.
#
#   Rscript ends.R [--only=REGEX]
#
# Root only: it sets limits, mounts file systems and runs sessions as another user. Prints Markdown; status 1 when
# anything is not as it must be.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "support.R"))
only <- argument("only")
user <- "daemon"
Sys.chmod(tempdir(), "0755")  # its sessions have their folders there

# ---- What comes to an end ----
#
# A way is list(arguments, wrap, lack = function(case), heal = function(case), own_error: what R says of it by itself,
# lasting: a plan that may stay without workers, as OpenSSL does not get over having been short of memory at its
# start).

# Soft limits, of processes of `user` by that user: to raise a hard one takes more than root may have. Twice: one may
# come meanwhile.
limit <- function(case, what, value, user = "root") {
  for (time in 1:2) for (pid in processes_of(case$mark)) {
    words <- c("-u", user, "--", "prlimit", "--pid", pid, sprintf("--%s=%s:", what, value))
    system2("runuser", words, stdout = FALSE, stderr = FALSE)
  }
}

number <- function(x) sprintf("%.0f", x)

ways <- list()

build_native <- function() {
  folder <- tempfile("native-")
  dir.create(folder, mode = "0755")
  file.copy(system.file("bench", "faults", "native.c", package = "avenir", mustWork = TRUE), folder)
  system(sprintf("cd %s && %s CMD SHLIB native.c >/dev/null 2>&1", folder, file.path(R.home("bin"), "R")))
  file.path(folder, paste0("native", .Platform$dynlib.ext))
}
native <- build_native()

few_descriptors <- function(command) paste("sh -c", shQuote(paste("ulimit -n 256; exec", command)))
for (left in c(0:24, seq(26L, 50L, 4L))) {
  ways[[paste("descriptors", left)]] <- list(arguments = c(left, native), wrap = few_descriptors)
}

# All of a user's threads count.
as_user <- function(command) {
  paste("runuser -u", user, "-- env HOME=/nonexistent", paste0("R_LIBS=", Sys.getenv("R_LIBS")), command)
}
threads_of <- function(user) length(system2("ps", c("-L", "-u", user, "-o", "tid="), stdout = TRUE))
for (more in c(0:8, 10L, 14L)) {
  ways[[paste("processes", more)]] <- local({
    more <- more
    list(wrap = as_user, lack = function(case) limit(case, "nproc", threads_of(user) + more, user),
         heal = function(case) limit(case, "nproc", 1000, user))
  })
}

virtual_memory <- function(pid) {
  as.numeric(gsub("[^0-9]", "", grep("^VmSize", readLines(sprintf("/proc/%d/status", pid)), value = TRUE))) * 1024
}
for (megabytes in c(0L, 1L, 4L, 8L, 10L, 12L, 16L, 24L, 32L, 64L, 128L, 256L)) {
  ways[[paste("memory", megabytes, "MB")]] <- local({
    bytes <- megabytes * 2^20
    list(lack = function(case) limit(case, "as", number(virtual_memory(case$pid) + bytes)),
         heal = function(case) limit(case, "as", "unlimited"), own_error = "cannot allocate|memory exhausted",
         lasting = "cluster")
  })
}

# With less R cannot write the files of a cluster.
for (bytes in c(1e3, 1e5, 1e6)) {
  ways[[sprintf("file size %.0f", bytes)]] <- local({
    soft <- bytes
    list(lack = function(case) limit(case, "fsize", number(soft)),
         heal = function(case) limit(case, "fsize", "unlimited"))
  })
}

# With less R does not load its own packages.
for (kilobytes in c(1024L, 2048L)) {
  ways[[paste("stack", kilobytes, "KB")]] <- local({
    line <- sprintf("ulimit -s %d; exec", kilobytes)
    list(wrap = function(command) paste("sh -c", shQuote(paste(line, command))))
  })
}

# The session's TMPDIR is a file system of its own, which nobody else sees.
mounted <- function(options, then = "true") {
  function(command) {
    lines <- sprintf("mkdir -p /tmp/own && mount -t tmpfs -o %s tmpfs /tmp/own && TMPDIR=/tmp/own exec %s", options,
                     command)
    paste("unshare -m sh -c", shQuote(paste("mount --make-rprivate / &&", lines)))
  }
}
inside <- function(case, line) {
  system2("nsenter", c("-t", case$pid, "-m", "sh", "-c", shQuote(line)), stdout = FALSE, stderr = FALSE)
}
full <- "dd if=/dev/zero of=/tmp/own/full bs=4096; true"
ways[["temporary folder full"]] <- list(wrap = mounted("size=2m"), lack = function(case) inside(case, full),
                                        heal = function(case) inside(case, "rm /tmp/own/full"))
crowd <- "for i in $(seq 30); do touch /tmp/own/$i; done; true"
ways[["temporary folder without inodes"]] <- list(
  wrap = mounted("size=2m,nr_inodes=20"), lack = function(case) inside(case, crowd),
  heal = function(case) inside(case, "rm -f /tmp/own/[0-9]*"))
ways[["temporary folder read-only"]] <- list(
  wrap = mounted("size=20m"), lack = function(case) inside(case, "mount -o remount,ro /tmp/own"),
  heal = function(case) inside(case, "mount -o remount,rw /tmp/own"))
ways[["temporary folder without exec"]] <- list(wrap = mounted("size=20m,noexec"))
ways[["temporary folder removed"]] <- list(wrap = mounted("size=20m"),
                                           lack = function(case) inside(case, "rm -rf /tmp/own/*"))

# ---- A case ----

run_case <- function(plan, way) {
  none <- function(case) NULL
  arguments <- if (is.null(way$arguments)) c("", "") else way$arguments
  case <- start_case(file.path(here, "ends-session.R"), c(plan, arguments), wrap = c(way$wrap, identity)[[1L]])
  Sys.chmod(case$folder, "0777", use_umask = FALSE)
  on.exit(end_case(case))
  if (!await_ready(case)) return(list(ended = "did not start", said = said(case)))
  c(way$lack, none)[[1L]](case)
  say(case, "go")
  tried <- wait_for(function() has_word(case, "tried") || !is_alive(case$pid), 90)
  c(way$heal, none)[[1L]](case)
  dir.create(file.path(case$folder, "enough"))
  over <- tried && wait_for(function() !is_alive(case$pid), 60)
  ended <- has_word(case, "outcomes")
  list(ended = if (!over) "hangs" else if (!ended) "died" else "ended", said = said(case),
       outcomes = if (ended) get_word(case, "outcomes"),
       left = if (over && !none_left(case$mark, 10)) processes_of(case$mark))
}

# What R says of it in its own words is not ours to class.
in_words <- function(outcome, way) {
  error <- outcome$error
  is_own <- !is.null(error) && !is.null(way$own_error) && grepl(way$own_error, conditionMessage(error))
  if (is_own) paste("R's own error:", substr(conditionMessage(error), 1L, 80L)) else outcome_in_words(outcome)
}

cells_of <- function(seen, way, plan) {
  if (seen$ended != "ended") {
    return(c(paste0("**", seen$ended, "** ", paste(utils::tail(seen$said, 3L), collapse = " ")), ""))
  }
  words <- vapply(seen$outcomes, in_words, "", way)
  if (words[2L] != "right" && !plan %in% way$lasting) words[2L] <- paste0("**", words[2L], "**")
  words
}

plans <- strsplit(argument("plans", "multisession,multicore,cluster"), ",", fixed = TRUE)[[1L]]
bad <- FALSE
table_head(c("what ends", "plan", "with too little", "with enough", "processes left", "seconds"))
for (name in grep(only, names(ways), value = TRUE)) for (plan in plans) {
  begin <- seconds_now()
  seen <- run_case(plan, ways[[name]])
  cells <- cells_of(seen, ways[[name]], plan)
  bad <- bad || is_bad(cells) || length(seen$left) > 0L
  table_row(c(name, plan, cells, length(seen$left), sprintf("%.1f", seconds_now() - begin)))
}
if (bad) quit(status = 1L)
