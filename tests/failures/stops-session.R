# A session whose processes are stopped (SIGSTOP), by itself or from outside. Run by stops.R; arguments: the case's
# folder, the plan, one of `scenes` below, "work" or "idle".

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "session.R"))
suppressPackageStartupMessages(library(avenir))
options(avenir.start.timeout = 10)

arguments <- commandArgs(TRUE)

stop_process <- function(pid) tools::pskill(pid, tools::SIGSTOP)
seconds_of <- function(expr) system.time(expr)[["elapsed"]]
busy <- function(name) {
  place <- folder
  future({
    file.create(file.path(place, name))
    repeat Sys.sleep(0.05)
  })
}
pid_of <- function(name) {
  place <- folder
  force(name)
  future({
    saveRDS(Sys.getpid(), file.path(place, paste0(name, "-part")))
    file.rename(file.path(place, paste0(name, "-part")), file.path(place, name))
    repeat Sys.sleep(0.05)
  })
}
known <- function(name) {
  wait_for_word(name)
  readRDS(file.path(folder, name))
}
is_right <- function() identical(future_lapply(1:20, draw, future.seed = 7), expected)
class_of <- function(expr) tryCatch({
  expr
  "no error"
}, error = class)

scenes <- list(
  # One is stopped: the others work on, and the session can wait for them and give it up.
  cancel = function() {
    stuck <- pid_of("stuck")
    stop_process(known("stuck"))
    asking <- seconds_of(waits <- !resolved(stuck))
    other <- value(future(6 * 7))
    cancel(stuck)
    ending <- seconds_of(class <- class_of(value(stuck)))
    c(`resolved() does not wait` = asking < 1 && waits, `the other worker works` = other == 42,
      `cancel() ends it` = "FutureInterruptError" %in% class && ending < 15, `the next map is right` = is_right())
  },
  # All are, while they have nothing to do: a time limit ends what they are given.
  limit = function() {
    if (arguments[2L] == "multisession") stop_process(plan_workers()$pid)
    stops <- function(i) {
      tools::pskill(Sys.getpid(), tools::SIGSTOP)
      i
    }
    class <- class_of(future_lapply(1:2, stops, future.timeout = 1))
    c(`the limit ends it` = any(c("FutureTimeoutError", "FutureInterruptError") %in% class),
      `the next map is right` = is_right())
  },
  # What is stopped in a map of others, and goes on.
  continue = function() {
    slow <- function(i) {
      if (i == 3L) system(sprintf("(sleep 1; kill -CONT %d) &", Sys.getpid()))
      if (i == 3L) tools::pskill(Sys.getpid(), tools::SIGSTOP)
      draw(i)
    }
    c(`the map is right` = identical(future_lapply(1:20, slow, future.seed = 7), expected))
  },
  # The template is, and a worker is lost meanwhile: another one comes, or the others do the work.
  template = function() {
    if (arguments[2L] != "multisession") return(TRUE)
    pids <- plan_workers()$pid
    stop_process(template_of(pids[1L]))
    tools::pskill(pids[1L], tools::SIGKILL)
    one <- is_right()
    tools::pskill(pids[2L], tools::SIGKILL)
    seconds <- seconds_of(none <- is_right())
    cat("without workers:", seconds, "s\n")
    c(`the other worker does the work` = one, `without workers others come` = none && seconds < 30)
  },
  # The plan ends.
  plan = function() {
    stuck <- lapply(c("one", "two"), pid_of)
    pids <- vapply(c("one", "two"), known, 0L)
    stop_process(pids)
    if (arguments[2L] == "multisession") stop_process(template_of(pids[1L]))
    seconds <- seconds_of(plan(sequential))
    c(`it ends in time` = seconds < 5, `they are gone` = !any(vapply(pids, is_alive, NA)))
  },
  # What is done from outside befalls this.
  work = function() {
    maps <- 0L
    right <- TRUE
    leave("working")
    while (!file.exists(file.path(folder, "enough"))) {
      right <- right && is_right()
      maps <- maps + 1L
    }
    c(`all maps are right` = right, `there were some` = maps > 0L)
  },
  idle = function() {
    stuck <- lapply(c("one", "two"), pid_of)
    leave("pids", unname(vapply(c("one", "two"), known, 0L)))
    leave("working")
    wait_for_word("enough")
    cancel(stuck[[1L]])
    cancel(stuck[[2L]])
    TRUE
  }
)

state_of <- function(pid) {
  stat <- tryCatch(suppressWarnings(readLines(sprintf("/proc/%d/stat", pid))), error = function(e) "x) Z ")
  sub("^.*[)] ([A-Z]) .*$", "\\1", stat)
}
is_alive <- function(pid) state_of(pid) != "Z"

template_of <- function(worker) {
  stat <- readLines(sprintf("/proc/%d/stat", worker))
  as.integer(sub("^.*[)] [A-Z] ([0-9]+) .*$", "\\1", stat))
}

plan_starts$sequential()
expected <- future_lapply(1:20, draw, future.seed = 7)
leave("ready", Sys.getpid())
plan_starts[[arguments[2L]]]()
invisible(future_lapply(1:2, identity))
leave("seen", tryCatch(scenes[[arguments[3L]]](), error = identity))
plan(sequential)
leave("done")
