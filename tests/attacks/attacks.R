# Attacks on a whole session, and what befalls its network: plan(cluster) with two nodes, busy all the while with maps
# whose results are known. A row each: what the session made of it, and the seconds; then it must go on with right
# results, both nodes, nobody else's, and no descriptor more.
#
#   Rscript attacks.R ATTACKER [--only=REGEX] [--preload=LIBRARY]
#
# ATTACKER: the program that `make attacker` of tests/cpp builds. --preload: the runtime of the address sanitizer, for a
# package that is built with it; it is not loaded here. Prints Markdown; status 1 when anything is not as it must be.

arguments <- commandArgs(TRUE)
here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
attacker <- normalizePath(grep("^--", arguments, value = TRUE, invert = TRUE)[1L])
option <- function(name) sub("^[^=]*=", "", grep(sprintf("^--%s=", name), arguments, value = TRUE))
only <- c(option("only"), "")[1L]
preload <- option("preload")
patience <- if (length(preload)) 4 else 1

most_memory <- 10  # MB that the session may have gained
most_descriptors <- 1024L  # that the session may have: what systems give

folder <- tempfile("attacked-")
dir.create(folder, mode = "0700")
ticket_file <- file.path(folder, "ticket")

now <- function() proc.time()[["elapsed"]]

wait_until <- function(condition, seconds) {
  deadline <- now() + seconds * patience
  while (!isTRUE(condition())) {
    if (now() > deadline) return(FALSE)
    Sys.sleep(0.02)
  }
  TRUE
}

lines_of <- function(file) if (file.exists(file)) readLines(file, warn = FALSE)

quoted <- function(words) paste(shQuote(words), collapse = " ")

# ---- the session ----

rscript <- file.path(R.home("bin"), "Rscript")

shared <- file.path(dirname(here), "soak")
source(file.path(shared, "sanitizers.R"))
sanitizer_log <- file.path(folder, "sanitizer")
under_sanitizers <- function() if (length(preload)) sanitizer_variables(preload, sanitizer_log, shared)

session_output <- file.path(folder, "output")

start_session <- function() {
  words <- c("env", under_sanitizers(), "setsid", rscript, "--vanilla", file.path(here, "session.R"), folder)
  system(sprintf("ulimit -n %d; %s >%s 2>&1 </dev/null &", most_descriptors, quoted(words), session_output))
  works <- function() isTRUE(status()$maps >= 30L) && own_nodes() == 2L
  ended <- function() any(grepl("^Execution halted", lines_of(session_output)))
  if (wait_until(function() works() || ended(), 60) && !ended()) return(invisible())
  stop("the session does not work: ", paste(lines_of(session_output), collapse = "\n"))
}

# As the session has left it after its last map; NULL before.
status <- function() tryCatch(suppressWarnings(readRDS(file.path(folder, "status"))), error = function(e) NULL)

nodes_that <- function(state, foreign) {
  nodes <- status()$nodes
  nodes[nodes$state %in% state & (nodes$group == "attack") == foreign, ]
}

own_nodes <- function() nrow(nodes_that("ready", FALSE))

is_itself <- function() {
  own_nodes() == 2L && !nrow(nodes_that(c("joining", "ready", "leaving"), TRUE)) &&
    status()$descriptors <= first$descriptors
}

# Empty when the session has gone on as if nothing had been.
trouble_since <- function(before) {
  went_on <- wait_until(function() status()$maps >= before$maps + 2L && is_itself(), 30)
  after <- status()
  c(
    if (!went_on) sprintf("it did not go on: %d maps, %d nodes, %+d descriptors", after$maps - before$maps, own_nodes(),
                          after$descriptors - first$descriptors),
    if (after$wrong > before$wrong) paste("wrong maps:", after$wrong - before$wrong),
    if (length(after$errors) > length(before$errors)) utils::tail(after$errors, 1L),
    if (!process_lives(after$pid)) "the session is gone"
  )
}

process_lives <- function(pid) {
  stat <- suppressWarnings(tryCatch(readLines(file.path("/proc", pid, "stat")), error = function(e) ""))
  nzchar(stat) && !grepl(") Z", stat, fixed = TRUE)
}

# ---- rows ----

# Each attempt may use as many ranks of the group "attack", from next_rank on.
ranks_each <- 1000L
next_rank <- 0L

failed <- character()

# `action` returns list(right, words).
attempt <- function(name, action) {
  if (!grepl(only, name)) return(invisible())
  before <- status()
  begin <- now()
  outcome <- tryCatch(action(), error = function(e) list(right = FALSE, words = conditionMessage(e)))
  seconds <- now() - begin
  trouble <- c(trouble_since(before), foreign_trouble(name))
  if (!outcome$right || length(trouble)) failed <<- c(failed, name)
  row(name, c(outcome$words, session_said(), if (length(trouble)) paste0("**", trouble, "**")), seconds)
  next_rank <<- next_rank + ranks_each
}

row <- function(name, words, seconds) {
  after <- status()
  words <- gsub("|", "\\|", paste(words, collapse = "; "), fixed = TRUE)
  cat(sprintf("| %s | %s | %.2f s | %+.1f MB | %+d |\n", name, words, seconds, after$memory - first$memory,
              after$descriptors - first$descriptors))
}

# The attackers of this row that the session has taken for nodes at first.
foreign_ends <- function() {
  ends <- nodes_that(c("gone", "refused"), TRUE)
  ends[ends$rank >= next_rank & ends$rank < next_rank + ranks_each, ]
}

# Why it has given them up.
session_said <- function() {
  reasons <- unique(foreign_ends()$reason)
  more <- if (length(reasons) > 2L) sprintf(", and %d more", length(reasons) - 2L)
  if (length(reasons)) paste0("session: ", toString(shQuote(substr(utils::head(reasons, 2L), 1L, 90L))), more)
}

foreign_trouble <- function(name) {
  if (grepl("^(outsider|peer)", name) && nrow(foreign_ends())) "it was taken for a node"
}

hello <- function() paste(utils::packageVersion("avenir"), getRversion(), R.version$platform, sep = "|")

attack <- function(name) {
  words <- c(name, ticket_file, next_rank, hello())
  out <- suppressWarnings(system2(attacker, shQuote(words), stdout = TRUE, stderr = TRUE, timeout = 90 * patience))
  list(right = is.null(attr(out, "status")), words = paste(out, collapse = " "))
}

# ---- a node more, perhaps behind another ----

# `change` makes another ticket of the words of the right one.
start_node <- function(change = identity) {
  words <- change(strsplit(readLines(ticket_file), " ", fixed = TRUE)[[1L]])
  file <- tempfile("ticket-", folder)
  output <- tempfile("node-", folder)
  writeLines(paste(words, collapse = " "), file)
  command <- c("env", paste0("RANK=", next_rank), paste0("R_LIBS=", paste(.libPaths(), collapse = ":")),
               under_sanitizers(), "setsid", rscript, "--no-init-file", "-e",
               readLines(file.path(folder, "node-expression")), "--workers=1", "--rank-from=RANK")
  system(sprintf("{ %s <%s; echo ended; } >%s 2>&1 &", quoted(command), file, output))
  output
}

# Of the row's node.
state <- function() {
  nodes <- status()$nodes
  utils::tail(nodes[nodes$group == "attack" & nodes$rank == next_rank, ], 1L)
}

joined <- function() wait_until(function() identical(state()$state, "ready"), 30)

gone <- function() wait_until(function() identical(state()$state, "gone"), 30)

has_ended <- function(output) wait_until(function() "ended" %in% lines_of(output), 30)

lost <- function(is) list(right = is, words = if (is) "lost, its work done by others" else "**not noticed**")

not_joined <- list(right = FALSE, words = "**it did not join**")

# Without a session that has proved itself, a node runs nothing and says why.
turned_away <- function(output) {
  over <- has_ended(output)
  said <- utils::tail(setdiff(lines_of(output), "ended"), 1L)
  list(right = over && length(said) == 1L && !nrow(state()), words = paste0("node: ", shQuote(substr(said, 1L, 160L))))
}

start_between <- function(how) {
  output <- tempfile("between-", folder)
  words <- quoted(c(attacker, paste0("between:", how), ticket_file))
  system(sprintf("{ %s; echo ended with $?; } >%s &", words, output))
  wait_until(function() length(lines_of(output)) > 0L, 10)
  output
}

content <- function(between) wait_until(function() identical(utils::tail(lines_of(between), 1L), "ended with 0"), 30)

through <- function(between) function(words) replace(words, 4L, lines_of(between)[1L])

# A node whose records pass through another's hands.
relayed <- function(how, survives = FALSE) {
  between <- start_between(how)
  start_node(through(between))
  if (!joined()) return(not_joined)
  if (!survives) {
    outcome <- lost(gone())
    outcome$right <- outcome$right && content(between)
    return(outcome)
  }
  before <- state()$answers
  kept <- wait_until(function() isTRUE(state()$answers > before + 200), 30)
  dismiss()
  list(right = kept && content(between), words = if (kept) "nothing lost" else "**lost**")
}

misled <- function(how) {
  between <- start_between(how)
  outcome <- turned_away(start_node(through(between)))
  outcome$right <- outcome$right && content(between)
  outcome
}

dismiss <- function() {
  pid <- state()$pid
  if (isTRUE(pid > 1L)) tools::pskill(pid, tools::SIGTERM)
  gone()
}

signalled <- function(signal) {
  start_node()
  if (!joined()) return(not_joined)
  pid <- state()$pid
  tools::pskill(pid, signal)
  outcome <- lost(gone())
  tools::pskill(pid, tools::SIGKILL)
  outcome
}

# ---- what others on this machine see ----

listens <- function() {
  lines <- grep(sprintf("pid=%d,", status()$pid), system2("ss", "-ltnpH", stdout = TRUE), value = TRUE)
  addresses <- vapply(strsplit(trimws(lines), " +"), `[`, "", 4L)
  list(right = length(addresses) == 1L && startsWith(addresses, "127.0.0.1:"), words = toString(addresses))
}

named_sockets <- function() {
  links <- Sys.readlink(list.files(file.path("/proc", status()$pid, "fd"), full.names = TRUE))
  inodes <- gsub("[^0-9]", "", grep("^socket:", links, value = TRUE))
  table <- strsplit(trimws(readLines("/proc/net/unix")[-1L]), " +")
  named <- Filter(function(row) length(row) > 7L && row[7L] %in% inodes, table)
  list(right = !length(named), words = if (length(named)) toString(vapply(named, `[`, "", 8L)) else "none")
}

keys_seen <- function() {
  tickets <- c(ticket_file, list.files(file.path(folder, "tickets"), "^ticket-[^.]*$", full.names = TRUE))
  keys <- vapply(strsplit(vapply(tickets, readLines, ""), " ", fixed = TRUE), `[`, "", 7L)
  read <- function(path) {
    bytes <- suppressWarnings(tryCatch(readBin(path, "raw", 1e6), error = function(e) raw()))
    rawToChar(bytes[bytes != 0])
  }
  text <- vapply(Sys.glob(c("/proc/[0-9]*/cmdline", "/proc/[0-9]*/environ")), read, "")
  seen <- vapply(keys, function(key) any(grepl(key, text, fixed = TRUE)), NA)
  list(right = length(keys) >= 2L && !any(seen),
       words = sprintf("%d of %d keys in command lines and environments", sum(seen), length(keys)))
}

# Files and folders of the session, under umask 000.
opened <- function() {
  paths <- c(file.path(folder, "tickets"), list.files(file.path(folder, "tickets"), full.names = TRUE), status()$temp)
  modes <- file.mode(paths)
  list(right = length(paths) >= 3L && !any(bitwAnd(modes, as.octmode("077")) != 0),
       words = sprintf("%d files and folders, modes %s", length(paths), toString(unique(format(as.octmode(modes))))))
}

# Everything of the session that has a name, tried by another user.
read_by_another <- function() {
  if (!nzchar(Sys.which("runuser")) || system2("id", "-u", stdout = TRUE) != "0") {
    return(list(right = TRUE, words = "not tried: needs root"))
  }
  process <- file.path("/proc", status()$pid, c("environ", "maps", "mem"))
  paths <- c(list.files(file.path(folder, "tickets"), full.names = TRUE), status()$temp, process,
             list.files(file.path("/proc", status()$pid, "fd"), full.names = TRUE))
  try_command <- function(path) {
    c("-u", "nobody", "--", "sh", "-c", shQuote(sprintf("ls %s/ || head -c1 %s", shQuote(path), shQuote(path))))
  }
  read <- vapply(paths, function(path) system2("runuser", try_command(path), stdout = FALSE, stderr = FALSE) == 0L, NA)
  list(right = !any(read), words = sprintf("%d of %d could be read", sum(read), length(read)))
}

# ---- what is shown elsewhere ----

elsewhere <- c(
  "a handshake whose records are cut or changed" = "cpp/test_tls_attacks.cpp: a handshake with a bit flipped",
  "records changed on the way to a node" = "cpp/test_tls_attacks.cpp: records that are flipped, dropped, swapped",
  "a server with a certificate in the session's place" = "cpp/test_tls_attacks.cpp: a server with a certificate",
  "no byte of a stranger goes further than its first message" = "cpp/test_tls_attacks.cpp: plain bytes of any kind",
  "no descriptor left for a connection" = "cpp/test_tls_attacks.cpp: when descriptors run out",
  "the parsers under libFuzzer (tools/soak.sh fuzz)" = "cpp/fuzz/node_stream.cpp: LLVMFuzzerTestOneInput",
  "keys are not in core dumps, nor in a fork" = "cpp/test_keys.cpp: kept key",
  "set.seed() fixes no secret" = "testthat/test-nodes.R: set.seed() fixes no secret",
  "local plans have nothing to connect to or to open" = "testthat/test-faults.R: a plan opens no port",
  "folders and links that wait where a ticket is to be" =
    "testthat/test-cluster-launch.R: a folder that is a link elsewhere",
  "names and paths that a shell would misread" = "testthat/test-cluster-launch.R: what the login's shell reads",
  "hosts that a shell would misread" = "cluster/test-bad-input.R: names that are none never reach a shell",
  "keys in arguments or environments of hosts" = "cluster/test-launch.R: no process of a host knows the key",
  "a worker of another plan" = "cluster/test-bad-input.R: a worker of another plan is refused",
  "another R or avenir there" = "cluster/test-bad-input.R: another version of avenir there",
  "a firewall" = "cluster/test-bad-input.R: a firewall",
  "a node killed" = "cluster/test-faults.R: a node that is killed costs no result",
  "what was lost for good, named" = "cluster/test-faults.R: what was lost with its node for good",
  "the link cut for 1.5 s" = "cluster/test-faults.R: a short cut of the link",
  "the link cut" = "cluster/test-faults.R: a long cut loses the host",
  "the link cut in one direction" = "cluster/test-faults.R: a link that is cut in one direction",
  "a node that stands still, and comes back" = "cluster/test-faults.R: a node that stands still",
  "a host without power" = "cluster/test-faults.R: a host that loses its power",
  "the session killed (ssh)" = "cluster/test-faults.R: nothing is left on any host when the session is killed",
  "the session killed behind a cut link" =
    "cluster/test-faults.R: nothing is left on any host when the session is killed behind",
  "the session killed (Slurm)" = "cluster/test-faults.R: nothing is left of Slurm's jobs",
  "scancel" = "cluster/test-faults-slurm.R: scancel of the jobs ends the workers",
  "out of memory" = "cluster/test-faults-slurm.R: a worker that takes more memory",
  "a machine that fails, as Slurm tells" = "cluster/test-launch.R: a machine that fails is the reason",
  "a job requeued" = "cluster/test-launch.R: a job array has a node in each job, and one that is requeued",
  "a job preempted" = "cluster/test-launch.R: a job that others preempt waits again",
  "a job whose time is over" = "cluster/test-launch.R: a job whose time is over"
)

shown_elsewhere <- function() {
  cat("\n| shown elsewhere | by the test |\n|---|---|\n")
  for (name in names(elsewhere)) {
    at <- strsplit(elsewhere[[name]], ": ", fixed = TRUE)[[1L]]
    there <- any(grepl(at[2L], lines_of(file.path(here, "..", at[1L])), fixed = TRUE))
    if (!there) failed <<- c(failed, name)
    cat(sprintf("| %s | %s, \"%s\"%s |\n", name, at[1L], at[2L], if (there) "" else " **is not there**"))
  }
}

# ---- all ----

if (length(preload)) check_sanitizers(preload, shared)
start_session()
first <- status()
cat("| attack or fault | outcome | time | memory since the start | descriptors |\n|---|---|---|---|---|\n")

attempt("others: what it listens at", listens)
attempt("others: its sockets with a name", named_sockets)
attempt("others: its keys", keys_seen)
attempt("others: what stands open", opened)
attempt("others: what another user can read", read_by_another)
for (name in system2(attacker, stdout = TRUE)) attempt(name, function() attack(name))

garbled <- function(words) replace(words, 7L, paste(rep("0123456789abcdef", 4L), collapse = ""))
attempt("peer: a node with another key", function() turned_away(start_node(garbled)))
attempt("peer: a node with half a ticket", function() turned_away(start_node(function(words) words[1:5])))
attempt("peer: a node with half a key",
        function() turned_away(start_node(function(words) replace(words, 7L, substr(words[7L], 1L, 32L)))))
attempt("rogue: in the session's place, with another key", function() misled("rogue"))
attempt("rogue: in the session's place, without TLS", function() misled("garbage"))
for (how in c("flip", "drop", "swap", "repeat", "replay")) {
  attempt(paste0("between: a record on its way, ", how), function() relayed(how))
}
attempt("network: the connection is cut", function() relayed("cut"))
attempt("network: nothing arrives for 1 s", function() relayed("pause", survives = TRUE))
attempt("network: nothing arrives for 6 s", function() relayed("halt"))
attempt("network: a node is killed", function() signalled(tools::SIGKILL))
attempt("network: a node stands still", function() signalled(tools::SIGSTOP))
shown_elsewhere()

last <- status()
grown <- last$memory - first$memory
cat(sprintf("\nMaps: %d, wrong: %d. Memory of the session: %.1f MB, %+.1f MB. Descriptors: %d, %+d.\n", last$maps,
            last$wrong, last$memory, grown, last$descriptors, last$descriptors - first$descriptors))
# Sanitizers keep what is freed.
if (grown > most_memory && !length(preload)) failed <- c(failed, "memory")

begin <- now()
pids <- nodes_that("ready", FALSE)$pid
tools::pskill(last$pid, tools::SIGKILL)
alone <- wait_until(function() !any(vapply(c(last$pid, pids), process_lives, NA)), 10)
cat(sprintf("The session killed: its nodes are %s after %.2f s.\n", if (alone) "gone" else "**still there**",
            now() - begin))
if (!alone) failed <- c(failed, "nodes stay")

reports <- sanitizer_reports(sanitizer_log)
if (length(preload)) cat(sprintf("Reports of the sanitizers: %d.\n", length(reports)))
if (length(reports)) failed <- c(failed, "reports")
cat(sanitizer_lines(sanitizer_log), sep = "\n")

unlink(folder, recursive = TRUE)
if (length(failed)) cat("\nNot as it must be:", paste0(failed, collapse = "; "), "\n")
quit(status = if (length(failed)) 1L else 0L)
