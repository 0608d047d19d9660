# Signals: processes of a session that are stopped (SIGSTOP) and go on or never do, and sessions that are stopped, hung
# up, terminated or killed at any moment. The session stays of use, its results right, and no process outlives it.
#
#   Rscript stops.R [--only=REGEX] [--seed=N] [--times=20]
#
# --times: how often a session is ended at a random moment, by each signal. Prints Markdown; status 1 when anything is
# not as it must be.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "support.R"))
only <- argument("only")
seed <- as.integer(argument("seed", sample.int(1e6, 1L)))
times <- as.integer(argument("times", "20"))
script <- file.path(here, "stops-session.R")

signal <- function(pids, number) tools::pskill(pids, number)

# ---- In the session ----

# What is broken of what the session has seen, "" when nothing is.
broken_in <- function(case) {
  seen <- if (has_word(case, "seen")) get_word(case, "seen") else "nothing"
  if (is.logical(seen)) return(paste(c("", names(seen)[!seen])[-1L], collapse = "; "))
  words <- if (inherits(seen, "error")) conditionMessage(seen) else utils::tail(said(case), 2L)
  paste("the session:", words, collapse = " ")
}

in_session <- function(plan, scene) {
  case <- start_case(script, c(plan, scene))
  on.exit(end_case(case))
  if (!await_ready(case)) return(paste("did not start:", utils::tail(said(case), 1L)))
  if (!wait_for(function() !is_alive(case$pid), 120)) return("hangs")
  c(broken_in(case), if (!none_left(case$mark, 10)) "processes are left")
}

# ---- From outside ----

# What befalls a session at work, and whether it is to survive that.
working <- function(plan, scene, action) {
  case <- start_case(script, c(plan, scene))
  on.exit(end_case(case))
  if (!await_ready(case) || !wait_for(function() has_word(case, "working"), 60)) return("did not start")
  survives <- action(case)
  if (survives) say(case, "enough")
  if (!wait_for(function() !is_alive(case$pid), 60)) return("hangs")
  c(if (survives) broken_in(case), if (!none_left(case$mark, 10)) {
    paste("processes are left, in states", toString(vapply(processes_of(case$mark), state_of, "")))
  })
}

# Nodes apart: on other machines nobody sees to one that is stopped.
is_node <- function(pid) grepl("--ticket-file", read_proc(pid, "cmdline"), fixed = TRUE)
others_of <- function(case) Filter(Negate(is_node), setdiff(processes_of(case$mark), case$pid))

killed_while <- function(pick) function(case) {
  signal(pick(case), tools::SIGSTOP)
  signal(case$pid, tools::SIGKILL)
  FALSE
}
workers_of <- function(case) get_word(case, "pids")
first_of <- function(case) workers_of(case)[1L]
templates_of <- function(case) unique(vapply(workers_of(case), parent_of, 0L))

# A terminal's Ctrl-Z, `fg` after a while.
in_background <- function(number) function(case) {
  for (time in 1:3) {
    system(sprintf("kill -%d -%d", number, case$pid))
    Sys.sleep(0.7)
    system(sprintf("kill -CONT -%d", case$pid))
    Sys.sleep(0.3)
  }
  TRUE
}

all_stopped <- function(case) {
  pids <- processes_of(case$mark)
  for (time in 1:3) {
    signal(pids, tools::SIGSTOP)
    Sys.sleep(0.7)
    signal(pids, tools::SIGCONT)
    Sys.sleep(0.3)
  }
  TRUE
}

ended_by <- function(number, group = FALSE) function(case) {
  Sys.sleep(0.3)
  system(sprintf("kill -%d %s%d", number, if (group) "-" else "", case$pid))
  FALSE
}

actions <- list(
  `killed, a worker stopped` = list("idle", killed_while(first_of)),
  `killed, all workers stopped` = list("idle", killed_while(workers_of)),
  `killed, the template stopped` = list("idle", killed_while(templates_of)),
  `killed, all others stopped` = list("idle", killed_while(others_of)),
  `killed, all stopped` = list("idle", killed_while(function(case) c(case$pid, others_of(case)))),
  `Ctrl-Z and fg` = list("work", in_background(20L)),
  `stopped and continued` = list("work", in_background(19L)),
  `all processes stopped and continued` = list("work", all_stopped),
  `SIGHUP` = list("work", ended_by(1L)),
  `SIGHUP to the group` = list("work", ended_by(1L, group = TRUE)),
  `SIGTERM` = list("work", ended_by(15L)),
  `SIGTERM to the group` = list("work", ended_by(15L, group = TRUE)),
  `SIGQUIT` = list("work", ended_by(3L))
)

# ---- At any moment ----

# After the script has begun: R itself starts, then the plan, then work.
at_random <- function(plan, number, group) {
  case <- start_case(script, c(plan, "work"))
  on.exit(end_case(case))
  Sys.sleep(stats::runif(1L, 0, 2))
  pids <- processes_of(case$mark)
  leader <- if (length(pids)) min(pids) else 0L
  if (leader > 0L) system(sprintf("kill -%d %s%d 2>/dev/null", number, if (group) "-" else "", leader))
  if (number == 2L) say(case, "enough")  # an interrupt of no script is not waited for
  gone <- wait_for(function() !is_alive(leader), 60)
  c(if (!gone) "hangs", if (!none_left(case$mark, 10)) "processes are left")
}

# ---- All ----

bad <- FALSE
row <- function(name, plan, expr) {
  if (!grepl(only, paste(name, plan))) return(invisible())
  begin <- seconds_now()
  words <- expr
  words <- words[nzchar(words)]
  bad <<- bad || length(words) > 0L
  table_row(c(name, plan, if (length(words)) paste0("**", unique(words), "**", collapse = "; ") else "as it must be",
              sprintf("%.1f", seconds_now() - begin)))
}

cat("seed", seed, "\n\n")
set.seed(seed)
table_head(c("what", "plan", "outcome", "seconds"))
plans <- strsplit(argument("plans", "multisession,multicore,cluster"), ",", fixed = TRUE)[[1L]]
for (scene in c("cancel", "limit", "continue", "template", "plan")) {
  for (plan in setdiff(plans, "cluster")) row(scene, plan, in_session(plan, scene))
}
for (name in names(actions)) for (plan in plans) {
  row(name, plan, working(plan, actions[[name]][[1L]], actions[[name]][[2L]]))
}
for (number in c(2L, 1L, 15L, 9L)) for (plan in plans) {
  row(sprintf("signal %d at %d random moments", number, times), plan,
      unlist(lapply(seq_len(times), function(i) at_random(plan, number, i %% 2L == 0L))))
}
if (bad) quit(status = 1L)
