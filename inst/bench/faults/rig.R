# Runs a fault in an R session of its own, under a deadline, and gives what was observed. Used by ../faults.R and by
# tests/testthat/test-fault-matrix.R, which source it next to faults.R.
#
# A case is one child session and all processes that come of it: they carry a tag in their environment, by which they
# are found and ended. What the session observes it puts into files of the case's folder (session.R).

# `systems`: see systems.R. `faults`: names; more than one are tried in the same session, one after the other.
# `sizes`: how much of what the faults use (of_size() in faults.R). `deadline`: seconds for each step of a fault.
new_case <- function(system, faults, sizes = "full", deadline = 20, tools = fault_tools()) {
  folder <- tempfile("fault-")
  dir.create(file.path(folder, "tmp"), recursive = TRUE)
  spec <- list(system = system, faults = faults, sizes = sizes, scripts = tools$scripts)
  saveRDS(spec, file.path(folder, "spec.rds"))
  list2env(list(folder = folder, tag = basename(folder), system = system, faults = faults, tools = tools,
                sizes = sizes, deadline = deadline, cgroups = list(), before = shared_segments()))
}

# Where the scripts are, and the two libraries of C code: built once.
fault_tools <- function(scripts = system.file("bench", "faults", package = "avenir", mustWork = TRUE)) {
  folder <- tempfile("fault-tools-")
  dir.create(folder)
  build <- function(name) {
    file.copy(file.path(scripts, paste0(name, ".c")), folder)
    library <- file.path(folder, paste0(name, .Platform$dynlib.ext))
    command <- sprintf("cd %s && %s CMD SHLIB %s.c > %s.log 2>&1", folder, file.path(R.home("bin"), "R"), name, name)
    system(command)
    if (!file.exists(library)) stop("R CMD SHLIB cannot build ", name, ".c: see ", folder, call. = FALSE)
    library
  }
  list(scripts = scripts, library = build("native"), clock = build("clock"))
}

# ---- waiting -------------------------------------------------------------------------------------------------

seconds_now <- function() proc.time()[["elapsed"]]

# TRUE when `condition()` is before `seconds` have passed.
within_time <- function(condition, seconds) {
  deadline <- seconds_now() + seconds
  while (!isTRUE(condition())) {
    if (seconds_now() > deadline) return(FALSE)
    Sys.sleep(0.01)
  }
  TRUE
}

# ---- processes -----------------------------------------------------------------------------------------------

# A handler for the warning would leave the connection behind.
read_proc <- function(pid, file) {
  read <- function() readBin(file.path("/proc", pid, file), "raw", 1e5)
  suppressWarnings(tryCatch(read(), error = function(e) raw()))
}

text_of <- function(bytes) rawToChar(bytes[bytes != 0])

# Ended ones that nobody has waited for are over.
is_alive <- function(pid) {
  stat <- text_of(read_proc(pid, "stat"))
  nzchar(stat) && !grepl("^[0-9]+ \\(.*\\) [ZX]", stat)
}

# The pids of the case's processes that live.
processes_of <- function(case) {
  pids <- list.files("/proc", "^[0-9]+$")
  marked <- vapply(pids, function(pid) grepl(case$tag, text_of(read_proc(pid, "environ")), fixed = TRUE), NA)
  as.integer(Filter(is_alive, pids[marked]))
}

command_of <- function(pid) {
  bytes <- read_proc(pid, "cmdline")
  bytes[bytes == 0] <- as.raw(32)
  rawToChar(bytes)
}

parent_of <- function(pid) as.integer(sub("^[0-9]+ \\(.*\\) [A-Z] ([0-9]+) .*", "\\1", text_of(read_proc(pid, "stat"))))

# Files that processes share by name: of those that come with a case none may stay.
shared_segments <- function() list.files("/dev/shm", all.files = TRUE, no.. = TRUE)

end_processes <- function(case) {
  within_time(function() {
    pids <- processes_of(case)
    tools::pskill(pids, tools::SIGKILL)
    length(pids) == 0L
  }, 10)
}

# ---- a case's session ----------------------------------------------------------------------------------------

# In front of a command that is to take Ctrl-C: the shell has what it starts in the background ignore it, which R from
# 4.5 on leaves so.
interruptible <- function() {
  command <- "env --default-signal=INT"
  if (system(paste(command, "true 2>/dev/null")) == 0L) command else ""
}

start_session <- function(case, wrap = identity, script = "session.R") {
  script <- file.path(case$tools$scripts, script)
  variables <- c(AVENIR_FAULT_FOLDER = case$folder, AVENIR_FAULT_TAG = case$tag,
                 AVENIR_FAULT_LIBRARY = case$tools$library, TMPDIR = file.path(case$folder, "tmp"),
                 R_LIBS = paste(.libPaths(), collapse = ":"), R_TESTS = "")
  set <- paste(sprintf("%s=%s", names(variables), shQuote(variables)), collapse = " ")
  command <- wrap(sprintf("%s --vanilla %s", file.path(R.home("bin"), "Rscript"), shQuote(script)))
  output <- file.path(case$folder, "output")
  system(sprintf("%s exec setsid %s %s > %s 2>&1 < /dev/null", set, interruptible(), command, output), wait = FALSE)
  if (!within_time(function() has_mark(case, "pid"), case$deadline)) {
    stop("the session did not start; it wrote:\n", said_by(case), call. = FALSE)
  }
  case$pid <- readRDS(file.path(case$folder, "pid"))
}

said_by <- function(case) {
  file <- file.path(case$folder, "output")
  paste(utils::tail(readLines(file, warn = FALSE), 20L), collapse = "\n")
}

has_mark <- function(case, name) file.exists(file.path(case$folder, name))

get_mark <- function(case, name) readRDS(file.path(case$folder, name))

# What the session marks as `name`; "hangs" or "died" when it does not.
await_mark <- function(case, name, seconds = case$deadline) {
  over <- function() has_mark(case, name) || !is_alive(case$pid)
  if (!within_time(over, seconds)) return("hangs")
  if (has_mark(case, name)) get_mark(case, name) else "died"
}

# So many elements of the map under way have begun, or ended.
await_elements <- function(case, what, count, seconds = case$deadline) {
  within_time(function() length(list.files(case$folder, paste0("^", what))) >= count, seconds)
}

# ---- observing -----------------------------------------------------------------------------------------------

# The observation of each fault of the case, by name. See session.R for what is in one.
observe_case <- function(case) {
  on.exit(close_case(case))
  observations <- list()
  for (name in case$faults) {
    if (is.null(case$pid)) observations[[name]] <- begin_case(case, name)
    if (is.null(observations[[name]])) observations[[name]] <- observe_fault(case, name)
    if (observations[[name]]$ended %in% c("hangs", "died")) {
      # The session is lost: the others get another.
      end_processes(case)
      case$pid <- NULL
      saveRDS(utils::modifyList(readRDS(file.path(case$folder, "spec.rds")), list(faults = setdiff(case$faults,
              names(observations)))), file.path(case$folder, "spec.rds"))
    }
  }
  if (!is.null(case$pid)) observations[[length(observations)]]$left <- count_left(case)
  observations
}

# NULL when the session runs, else the reason why this fault cannot be had on this machine.
begin_case <- function(case, name) {
  fault <- all_faults()[[name]]
  wrap <- if (is.null(fault$wrap)) identity else fault$wrap(case)
  if (is.character(wrap)) return(list(ended = paste("not run:", wrap)))
  unlink(file.path(case$folder, "pid"))
  start_session(case, wrap)
  NULL
}

observe_fault <- function(case, name) {
  fault <- all_faults()[[name]]
  patience <- max(case$deadline, fault$patience)
  seen <- if (!is.null(fault$outside)) fault$outside(case)
  if (isTRUE(seen$over)) return(seen)
  map <- await_mark(case, paste0(name, ".map"), patience)
  if (is.character(map)) return(c(list(ended = map, said = said_by(case)), seen))
  observed <- c(map, seen, list(system = case$system))
  for (step in c("keep", "following")) {
    mark <- await_mark(case, paste0(name, ".", step), patience)
    observed[[step]] <- if (is.character(mark)) list(ended = mark) else mark
    if (is.character(mark)) return(observed)
  }
  observed
}

# How many of the case's processes, the session apart, are left two seconds after the session has ended; and what stays
# in its temporary folder and /dev/shm.
count_left <- function(case) {
  within_time(function() !is_alive(case$pid), case$deadline)
  within_time(function() length(processes_of(case)) == 0L, 2)
  list(processes = length(processes_of(case)), files = files_left(case),
       segments = setdiff(shared_segments(), case$before))
}

# R's own folder of a session that was killed stays, what is in it should not.
files_left <- function(case) {
  list.files(file.path(case$folder, "tmp"), "^avenir-", recursive = TRUE, include.dirs = TRUE)
}

close_case <- function(case) {
  end_processes(case)
  for (cgroup in case$cgroups) within_time(function() unlink_folder(cgroup), 2)
  unlink(case$folder, recursive = TRUE)
}

# ---- what some faults need of the machine ----------------------------------------------------------------------

# A control group of the given controller ("memory", "pids") with these limits, or the reason why there is none.
new_cgroup <- function(case, controller, limits) {
  root <- file.path("/sys/fs/cgroup", controller)
  if (!dir.exists(root)) root <- "/sys/fs/cgroup"
  folder <- file.path(root, case$tag)
  if (!suppressWarnings(dir.create(folder, showWarnings = FALSE))) {
    return(structure("a control group cannot be made here", class = "reason"))
  }
  case$cgroups <- c(case$cgroups, folder)
  limits <- limits[file.exists(file.path(folder, names(limits)))]
  if (!length(limits)) return(structure(paste("there is no", controller, "controller"), class = "reason"))
  for (name in names(limits)) set_limit(folder, name, limits[[name]])
  folder
}

set_limit <- function(folder, name, value) cat(value, file = file.path(folder, name))

# A control group is removed as a folder, though files seem to be in it.
unlink_folder <- function(folder) {
  system2("rmdir", folder, stdout = FALSE, stderr = FALSE)
  !dir.exists(folder)
}

# Prefixes that start the session inside a control group, or with file systems of its own.
inside_cgroup <- function(folder) {
  function(command) {
    sprintf("sh -c %s", shQuote(sprintf("echo $$ > %s/cgroup.procs && exec %s", folder, command)))
  }
}

with_mounts <- function(mounts) {
  if (system2("unshare", c("-m", "true"), stdout = FALSE, stderr = FALSE) != 0L) {
    return("unshare -m is not allowed here")
  }
  function(command) sprintf("unshare -m sh -c %s", shQuote(paste(mounts, "&& exec", command)))
}
