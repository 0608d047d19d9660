# What the machine says: its load, processes and their memory; and what it can do at best.

load_average <- function() {
  file <- "/proc/loadavg"
  if (!file.exists(file)) return(NA_real_)
  as.numeric(strsplit(readLines(file), " ")[[1L]][1L])
}

cpu_name <- function() {
  lines <- if (file.exists("/proc/cpuinfo")) readLines("/proc/cpuinfo") else character()
  name <- sub("^model name\\s*: ", "", grep("^model name", lines, value = TRUE))
  if (length(name)) name[1L] else Sys.info()[["machine"]]
}

# A figure of a file like /proc/<pid>/status in MB, such as "VmHWM"; NA when it is not there.
proc_mb <- function(file, field) {
  line <- tryCatch(grep(paste0("^", field, ":"), readLines(file, warn = FALSE), value = TRUE),
                   error = function(e) character(), warning = function(w) character())
  if (length(line)) as.numeric(gsub("[^0-9]", "", line[1L])) / 1024 else NA_real_
}

process_parent <- function(pid) {
  line <- tryCatch(readLines(sprintf("/proc/%s/stat", pid), warn = FALSE), error = function(e) "",
                   warning = function(w) "")
  suppressWarnings(as.integer(strsplit(sub("^.*\\) ", "", line), " ")[[1L]][2L]))
}

# All processes below one.
descendants <- function(pid = Sys.getpid()) {
  pids <- as.integer(list.files("/proc", "^[0-9]+$"))
  parents <- vapply(pids, process_parent, 1L)
  found <- integer()
  level <- pid
  while (length(level <- pids[parents %in% level])) found <- c(found, level)
  found
}

# The memory of processes, with what they share counted once, in MB.
shared_mb <- function(pids) sum(vapply(sprintf("/proc/%d/smaps_rollup", pids), proc_mb, 0, "Pss"), na.rm = TRUE)

threads_here <- function() length(list.files("/proc/self/task"))

has_command <- function(name) nzchar(Sys.which(name))

# ---- floors --------------------------------------------------------------------------------------------------------

floor_state <- new.env()

# Seconds that floors.c measures; compiled on first use. NULL where there is no compiler.
c_floor <- function(...) {
  program <- floor_program("floors", "-pthread")
  if (is.na(program)) return(NULL)
  arguments <- c(...)
  reports(function() as.numeric(system2(program, as.character(arguments), stdout = TRUE)))
}

# NA where there is no compiler, or not all that it needs.
floor_program <- function(name, libraries) {
  if (is.null(floor_state[[name]])) assign(name, compile_floor(name, libraries), floor_state)
  floor_state[[name]]
}

compile_floor <- function(name, libraries) {
  program <- tempfile(paste0(name, "-"))
  compiler <- Filter(has_command, c("cc", "gcc", "clang"))
  if (!length(compiler)) return(NA_character_)
  status <- system2(compiler[1L], c("-O2", "-o", program, file.path(bench_folder, paste0(name, ".c")), libraries))
  if (status == 0L) program else NA_character_
}

# A round trip of 200 bytes between two processes over a socket pair.
ping_pong <- function() c_floor("pingpong", 200, 20000)

# Fresh memory for n doubles, filled by as many threads.
fresh_fill <- function(n, threads) c_floor("fill", format(8 * n, scientific = FALSE), threads)

# R itself, started and ended, without its shell front end.
bare_r_start <- function() {
  path <- file.path(R.home("bin"), "exec", "R")
  system2(path, c("--no-echo", "--no-restore", "--vanilla", "-e", "1"), stdout = FALSE)
}

# So many bytes from one process to another by OpenSSL alone, over the loopback.
tls_floor <- function(megabytes) {
  program <- floor_program("tls", c("-lssl", "-lcrypto"))
  if (is.na(program)) return(NULL)
  address <- "127.0.0.1"
  bytes <- format(megabytes * 2^20, scientific = FALSE)
  reports(function() {
    receiver <- pipe(paste(shQuote(program), "receive", address, bytes))
    on.exit(close(receiver))
    open(receiver)
    as.numeric(system2(program, c("send", address, readLines(receiver, n = 1L), bytes), stdout = TRUE))
  })
}
