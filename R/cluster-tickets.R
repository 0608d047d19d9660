# Tickets in files, in a folder that nodes see and nobody else.

# Nodes of batch jobs read their ticket from a file. Where home folders are not shared, the option names one that is.
ticket_folder <- function() {
  getOption("avenir.cluster.folder", file.path(tools::R_user_dir("avenir", "cache"), "tickets"))
}

ticket_path <- function(session, group) {
  file.path(session$folder, sprintf("ticket-%s-%s", session$plan, group))
}

# The folder is ours and nobody else's, or nothing is written.
write_ticket <- function(path, ticket) {
  folder <- dirname(path)
  dir.create(folder, recursive = TRUE, showWarnings = FALSE, mode = "0700")
  assert_private(folder)
  unlink(path)
  umask <- Sys.umask("077")
  on.exit(Sys.umask(umask))
  written <- tryCatch({
    writeLines(ticket, path)
    readLines(path)
  }, warning = identity, error = identity)
  if (!identical(written, ticket)) stop_unwritten(path, written)
  invisible(path)
}

# A full disk shows in what can be read back.
stop_unwritten <- function(path, written) {
  lost <- "not all of it arrived: is the disk full?"
  reason <- if (inherits(written, "condition")) conditionMessage(written) else lost
  stop_avenir(sprintf("plan(cluster): the file %s cannot be written: %s", sQuote(path), reason),
              c("avenir_worker_start_error", "FutureError"))
}

assert_private <- function(folder) {
  facts <- file.info(folder, extra_cols = TRUE)
  if (is.na(facts$isdir)) {
    invalid_argument("the folder for tickets cannot be made", folder,
                     "Option `avenir.cluster.folder` names another, which nodes must see too.")
  }
  mine <- !nzchar(Sys.readlink(folder)) && facts$uid == cpp_user_id()
  if (mine && bitwAnd(as.integer(facts$mode), as.integer(as.octmode("077"))) == 0L) return(invisible())
  invalid_argument("the folder for tickets must be yours and closed to others", folder,
                   sprintf("chmod 700 %s closes it.", shQuote(folder)))
}

# ---- Whose they are ----

# Beside the tickets of a plan lies a file that says which process has made them. With that the next plan knows those of
# a session that was killed: nobody can use them any more.
owner_path <- function(folder, plan) file.path(folder, paste0("session-", plan))

write_owner <- function(folder, plan) write_ticket(owner_path(folder, plan), paste(process_identity(), collapse = " "))

# The host, its start, the namespace in which the number is one, the number, when the process began. Without /proc
# parts are missing, and nobody will say of such a process that it has ended.
process_identity <- function(pid = Sys.getpid()) {
  boot <- proc_text("/proc/sys/kernel/random/boot_id")
  c(this_host(), boot, Sys.readlink("/proc/self/ns/pid"), pid, process_start(pid))
}

# What follows the name in /proc/PID/stat: its state is first.
process_fields <- function(pid) {
  strsplit(sub("^.*\\) ", "", proc_text(sprintf("/proc/%s/stat", pid))), " ", fixed = TRUE)[[1L]]
}

# In ticks since the host's start, as a string; "" when that cannot be read.
process_start <- function(pid) {
  start <- process_fields(pid)[20L]
  if (is.na(start)) "" else start
}

# A zombie has ended. What cannot be read is taken for one that lives.
is_process <- function(pid, start) {
  fields <- process_fields(pid)
  file.exists(file.path("/proc", pid)) && !fields[1L] %in% c("Z", "X") && fields[20L] %in% c(start, NA)
}

proc_text <- function(file) {
  lines <- tryCatch(suppressWarnings(readLines(file, n = 1L)), error = function(e) character())
  if (length(lines)) lines else ""
}

# Only what a process of this host, since its start, has left is judged: of all others nobody here knows.
has_ended <- function(owner) {
  whole <- length(owner) == 5L && all(nzchar(owner)) && grepl("^[0-9]+$", owner[4L])
  whole && identical(owner[1:3], process_identity()[1:3]) && !is_process(owner[4L], owner[5L])
}

remove_dead_tickets <- function(folder) {
  if (!dir.exists(folder)) return(invisible())
  assert_private(folder)
  for (plan in owned_plans(folder)) if (has_ended(read_owner(owner_path(folder, plan)))) remove_tickets(folder, plan)
  remove_stray_outputs(folder)
}

owned_plans <- function(folder) sub("^session-", "", list.files(folder, "^session-[0-9a-f]+$"))

# Jobs that have begun to run after their session's tickets were removed say there that they have found none.
remove_stray_outputs <- function(folder) {
  files <- list.files(folder, "^ticket-[0-9a-f]+-.*[.]out$", full.names = TRUE)
  owned <- sub("^ticket-([0-9a-f]+)-.*$", "\\1", basename(files)) %in% owned_plans(folder)
  unlink(files[!owned], expand = FALSE)
}

# Nothing of what is no plain file of ours.
read_owner <- function(file) {
  facts <- file.info(file, extra_cols = TRUE)
  plain <- !nzchar(Sys.readlink(file)) && isFALSE(facts$isdir) && facts$size > 0 && facts$size < 1000
  if (!plain || facts$uid != cpp_user_id()) return(character())
  strsplit(proc_text(file), " ", fixed = TRUE)[[1L]]
}

# All that a plan has there. A link goes, and what it points at stays.
remove_tickets <- function(folder, plan) {
  files <- list.files(folder, sprintf("^ticket-%s-", plan), full.names = TRUE)
  unlink(c(files, owner_path(folder, plan)), expand = FALSE)
}
