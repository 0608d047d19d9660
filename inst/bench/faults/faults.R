# The faults: what happens, and what ours must make of it (the fault table of issue 3).
#
# A fault is a list:
#   what       its row's name
#   task       what element 2 of the map does after its work. It goes to workers that have nothing of these scripts:
#              base R only, and what it closes over
#   everybody  TRUE: all elements do so, and nothing else
#   keep       TRUE: also tried with future.on.error = "keep"
#   arguments  of the map, for avenir
#   seen       function(value): the value of element 2 in words
#   session    function(system, fault): instead of the map; gives an observation
#   start      FALSE: `session` starts the workers itself
#   following  FALSE: there is no next map
#   outside    function(case): what the rig does meanwhile; gives parts of the observation, all of it with over = TRUE
#   wrap       function(case): how the session is started: function(command) command, or the reason why it cannot be
#   patience   seconds for each of its steps, when they are more than the deadline of the run
#   systems    a pattern: the systems that it makes sense for
#   suite      FALSE: takes rights, time or memory that the test suite must not ask for
#   must       function(o): named logicals: what holds of an observation of avenir's if all is as promised

new_fault <- function(what, ..., must) c(list(what = what, must = must), list(...))

# A number by the size of the run; see new_case().
of_size <- function(full, small) if (identical(getOption("faults.sizes"), "small")) small else full

# ---- what must hold --------------------------------------------------------------------------------------------

has_class <- function(o, ...) all(c(...) %in% o$class)

says <- function(o, pattern) isTRUE(grepl(pattern, o$message))

is_field <- function(o, name, value) isTRUE(all.equal(o$fields[[name]], value))

must_go_on <- function(o) {
  c(`the next map is right` = isTRUE(o$following$right),
    `the next map has both workers` = isTRUE(o$following$wide),
    `the session's temporary folder is there` = isTRUE(o$folder))
}

must_keep <- function(o) {
  kept <- o$keep
  c(`partial_results() has the finished elements` = 1L %in% o$partial$done && isTRUE(o$partial$right),
    `with future.on.error = "keep" the five others are right` = identical(kept$ended, "value") &&
      identical(which(kept$right), c(1L, 3:6)),
    `with future.on.error = "keep" element 2 is a condition` = "condition" %in% kept$class)
}

must_lose_worker <- function(o) {
  c(`the map ends by an error` = identical(o$ended, "error"),
    `it is a WorkerLostError and a FutureInterruptError` = has_class(o, "WorkerLostError", "FutureInterruptError"),
    `it names the element` = is_field(o, "element", 2) && says(o, "element 2"),
    `it names the process` = length(o$fields$pid) == 1L && says(o, paste("pid", o$fields$pid)),
    must_keep(o), must_go_on(o))
}

must_end_by_signal <- function(signal, name) {
  function(o) {
    c(`it names the signal` = is_field(o, "signal", signal) && is_field(o, "signal_name", name) && says(o, name),
      must_lose_worker(o))
  }
}

# R's own words about a crash go to the standard error of the worker; that of a fork is the session's.
must_crash <- function(o) {
  log <- o$fields$log
  c(`it has the last lines of standard error` = o$system == "avenir multicore" || isTRUE(grepl("Traceback", log)),
    must_end_by_signal(11L, "SIGSEGV")(o))
}

must_be_error <- function(o) c(`the map ends by an error` = identical(o$ended, "error"), must_keep(o), must_go_on(o))

must_be_right <- function(o) {
  c(`all values are right` = identical(o$ended, "value") && all(o$right[-2L]) && identical(o$second, "right"),
    must_go_on(o))
}

must_be_over <- function(o) {
  c(`all processes are gone after two seconds` = identical(o$left$processes, 0L), must_leave_nothing(o))
}

must_leave_nothing <- function(o) {
  c(`nothing is left in the temporary folder` = length(o$left$files) == 0L,
    `nothing is left in /dev/shm` = length(o$left$segments) == 0L)
}

must_time_out <- function(o) {
  c(`the map ends by an error` = identical(o$ended, "error"),
    `it is a FutureTimeoutError of a killed worker` = has_class(o, "FutureTimeoutError", "WorkerLostError"),
    `it names the element` = says(o, "[Ee]lement 2 "), `it says that the worker was killed` = says(o, "kill"),
    must_keep(o), must_go_on(o))
}

# ---- workers that end ------------------------------------------------------------------------------------------

call_native <- function(routine) {
  force(routine)
  function() {
    dyn.load(Sys.getenv("AVENIR_FAULT_LIBRARY"))
    .C(routine)
  }
}

ending_faults <- function() {
  list(
    kill = new_fault("worker SIGKILL", keep = TRUE, must = must_end_by_signal(9L, "SIGKILL"),
                     task = function() tools::pskill(Sys.getpid(), tools::SIGKILL)),
    crash = new_fault("SIGSEGV in C code", keep = TRUE, must = must_crash,
                      task = call_native("fault_crash")),
    segv = new_fault("worker sent SIGSEGV", keep = TRUE, must = must_end_by_signal(11L, "SIGSEGV"), suite = FALSE,
                     task = function() { system(paste("kill -SEGV", Sys.getpid())); Sys.sleep(10) }),
    quit = new_fault("quit(status = 3)", keep = TRUE, task = function() quit(status = 3), must = function(o) {
      c(`it says that quit(status = 3) was called` = says(o, "quit\\(status = 3\\)") && is_field(o, "exit_code", 3L),
        must_lose_worker(o))
    }),
    memory = new_fault("OOM kill", keep = TRUE, suite = FALSE, must = function(o) {
      c(`it says that memory was short` = isTRUE(o$fields$out_of_memory) && says(o, "memory"), must_lose_worker(o))
    }, wrap = function(case) limited_memory(case, 500e6), task = function() {
      hoard <- list()
      repeat hoard[[length(hoard) + 1L]] <- rep(1, 2e6)
    }),
    deep = new_fault("stack overflow in R code", keep = TRUE, must = must_be_error, task = function() {
      options(expressions = 5e5)
      deeper <- function(n) deeper(n + 1) + 1
      deeper(1)
    }),
    deep_c = new_fault("stack overflow in C code", keep = TRUE, suite = FALSE, must = function(o) {
      c(`the error speaks of the stack` = says(o, "stack"), must_be_error(o))
    }, task = call_native("fault_deep"))
  )
}

limited_memory <- function(case, bytes) {
  limits <- c(memory.limit_in_bytes = bytes, memory.max = bytes, memory.swap.max = 0)
  cgroup <- new_cgroup(case, "memory", format(limits, scientific = FALSE, trim = TRUE))
  if (inherits(cgroup, "reason")) unclass(cgroup) else inside_cgroup(cgroup)
}

limited_processes <- function(case, count) {
  cgroup <- new_cgroup(case, "pids", c(pids.max = as.character(count)))
  if (inherits(cgroup, "reason")) unclass(cgroup) else inside_cgroup(cgroup)
}

# ---- the session and what lies between -------------------------------------------------------------------------

kill_session <- function(case) {
  await_elements(case, "begun-", 2L)
  tools::pskill(case$pid, tools::SIGKILL)
  begun <- seconds_now()
  within_time(function() length(processes_of(case)) == 0L, 2)
  left <- length(processes_of(case))
  list(over = TRUE, ended = "killed", seconds = seconds_now() - begun,
       left = list(processes = left, files = files_left(case), segments = setdiff(shared_segments(), case$before)))
}

kill_template <- function(case) {
  await_elements(case, "begun-", 2L)
  tools::pskill(template_of(case), tools::SIGKILL)
  list(killed = TRUE)
}

# The session's child that is the parent of the workers.
template_of <- function(case) {
  pids <- processes_of(case)
  Filter(function(pid) parent_of(pid) == case$pid && grepl("--file=", command_of(pid)), pids)
}

interrupt_session <- function(group) {
  force(group)
  function(case) {
    # Some of the peers give their workers a share each: with them not all others are finished.
    await_elements(case, "ended-", 2L)
    await_elements(case, "ended-", 5L, if (all_systems()[[case$system]]$ours) case$deadline else 1.5)
    Sys.sleep(0.3)  # until the session has got the last one, too
    sent <- Sys.time()
    system(sprintf("kill -2 %s%d", if (group) "-" else "", case$pid))
    list(sent = sent)
  }
}

must_interrupt <- function(o) {
  c(`the map ends by a FutureInterruptError` = has_class(o, "FutureInterruptError"),
    `partial_results() has the five others` = identical(o$partial$done, c(1L, 3:6)) && isTRUE(o$partial$right),
    must_go_on(o))
}

session_faults <- function() {
  list(
    session_killed = new_fault("session SIGKILL", everybody = TRUE, must = must_be_over, outside = kill_session,
                               task = function() repeat Sys.sleep(1)),
    session_killed_in_c = new_fault("session SIGKILL, tasks in C code", everybody = TRUE, must = must_be_over,
                                    outside = kill_session, task = call_native("fault_stuck")),
    both_killed = new_fault("template SIGKILL, then session SIGKILL", everybody = TRUE, must = must_be_over,
                            systems = "avenir multisession", task = function() repeat Sys.sleep(1),
                            outside = function(case) {
      kill_template(case)
      kill_session(case)
    }),
    template_killed = new_fault("template SIGKILL", systems = "avenir multisession", outside = kill_template,
                                task = function() "right", must = function(o) {
      c(`the map is right, or a classed error` = identical(o$second, "right") || has_class(o, "FutureError"),
        must_go_on(o))
    }, seen = as.character),
    ctrl_c_group = new_fault("Ctrl-C (SIGINT to the group)", must = must_interrupt,
                             outside = interrupt_session(TRUE), task = function() Sys.sleep(3)),
    ctrl_c_session = new_fault("Ctrl-C (SIGINT to the session alone)", must = must_interrupt,
                               outside = interrupt_session(FALSE), task = function() Sys.sleep(3)),
    ctrl_c_in_c = new_fault("Ctrl-C (to the session alone), task in C code", must = must_interrupt,
                            outside = interrupt_session(FALSE), task = call_native("fault_stuck")),
    cancelled_in_c = new_fault("future in C code, cancelled", systems = "avenir", session = observe_cancel,
                               must = function(o) {
      c(`its value is an error of an interrupt` = has_class(o, "FutureInterruptError"), must_go_on(o))
    }, task = call_native("fault_stuck"))
  )
}

# It does not react to the interrupt and is killed after the grace.
observe_cancel <- function(system, fault) {
  element <- make_element(fault, 0)
  stuck <- future(element(2L))
  within_time(function() file.exists(file.path(folder, "begun-2")), 10)
  cancel(stuck)
  observe_expression(value(stuck))
}

# ---- conditions and values -------------------------------------------------------------------------------------

value_faults <- function() {
  bytes <- of_size(full = 600e6, small = 20e6)
  many <- 2^31 + 10
  list(
    interrupt_signalled = new_fault("`interrupt` condition signalled", must = function(o) {
      c(`an error, or the value that lapply() gives` = identical(o$ended, "error") || identical(o$second, "right"),
        must_go_on(o))
    }, seen = as.character, task = function() {
      signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
      "right"
    }),
    interrupt_raised = new_fault("stop(<interrupt condition>)", keep = TRUE, must = must_be_error, task = function() {
      stop(structure(class = c("interrupt", "condition"), list(message = "raised", call = NULL)))
    }),
    own_class = new_fault("error with own class, environment payload", keep = TRUE, must = function(o) {
      c(`class, message and fields are kept` = identical(o$class[1:2], c("ownError", "error")) &&
          identical(o$message, "mine") && identical(o$fields$payload, list(a = 1)),
        `the call is kept` = identical(o$call, "f(x)"), must_be_error(o))
    }, task = function() {
      payload <- new.env(parent = emptyenv())
      payload$a <- 1
      stop(structure(class = c("ownError", "error", "condition"),
                     list(message = "mine", call = quote(f(x)), payload = payload)))
    }),
    no_message = new_fault("error without a message", keep = TRUE, must = function(o) {
      c(`the class is kept` = identical(o$class[1L], "bareError"), must_be_error(o))
    }, task = function() stop(structure(class = c("bareError", "error", "condition"), list()))),
    pointer = new_fault("external pointer as result", must = must_not_be_silent,
                        task = function() methods::new("externalptr")),
    connection = new_fault("connection as result", must = must_not_be_silent, task = function() file(nullfile())),
    big_result = new_fault(sprintf("%.0f MB raw result", bytes / 1e6), must = must_be_right,
                           task = filled(bytes), seen = function(v) raw_in_words(v, bytes)),
    long_result = new_fault("result of 2^31 elements", must = must_be_right, suite = FALSE, patience = 120,
                            task = function() raw(2^31 + 10), seen = function(v) {
      if (is.raw(v) && length(v) == many) "right" else "wrong"
    }),
    flood = new_fault(sprintf("%.0f MB printed", flood_bytes() / 1e6), must = function(o) {
      c(`what is printed is bounded` = isTRUE(o$printed < flood_bytes() / 2),
        `it is said that some is missing` = isTRUE(o$noted), must_be_right(o))
    }, session = observe_flood, seen = as.character, task = flood_task(flood_bytes()))
  )
}

must_not_be_silent <- function(o) {
  c(`a warning or an error says so` = length(o$warnings) > 0L || identical(o$ended, "error"), must_go_on(o))
}

filled <- function(bytes) {
  force(bytes)
  function() {
    value <- raw(bytes)
    value[c(1, bytes)] <- as.raw(7)
    value
  }
}

raw_in_words <- function(value, bytes) {
  same <- is.raw(value) && length(value) == bytes && value[1L] == 7L && value[bytes] == 7L
  if (same) "right" else "wrong"
}

flood_bytes <- function() of_size(full = 200e6, small = 10e6)

flood_task <- function(bytes) {
  force(bytes)
  function() {
    line <- paste(c(rep("x", 999), "\n"), collapse = "")
    for (k in seq_len(bytes / 1000)) cat(line)
    "right"
  }
}

# What comes out of the map goes to a file, whose size and end are looked at.
observe_flood <- function(system, fault) {
  file <- file.path(folder, "flood")
  before <- options(avenir.output.limit = of_size(full = NULL, small = 1e6))
  on.exit(options(before))
  sink(file)
  observed <- tryCatch(observe_map(system, fault, list(), 0.01), finally = sink())
  size <- file.size(file)
  text <- readChar(file, min(size, 1e8), useBytes = TRUE)
  c(observed, printed = size, noted = grepl("[^x\n]{10}", text) || length(observed$warnings) > 0L)
}

# ---- limits of the machine -------------------------------------------------------------------------------------

few_descriptors <- function(case) function(command) sprintf("sh -c %s", shQuote(paste("ulimit -n 256; exec", command)))

take_descriptors <- function(leave) {
  dyn.load(Sys.getenv("AVENIR_FAULT_LIBRARY"))
  .C("fault_take_descriptors", as.integer(leave))
}

give_descriptors_back <- function() .C("fault_give_descriptors_back")

# An observation of `expr`, which gives TRUE when all is right.
observe_expression <- function(expr) {
  warned <- character()
  note <- function(w) {
    warned <<- c(warned, conditionMessage(w))
    invokeRestart("muffleWarning")
  }
  begun <- now()
  end <- function(e) describe_end(e)
  seen <- tryCatch(list(ended = "value", second = if (isTRUE(withCallingHandlers(expr, warning = note))) "right"
                        else "wrong"), error = end, interrupt = end)
  c(seen, list(single = TRUE, seconds = now() - begun, warnings = warned, folder = dir.exists(tempdir())))
}

tens <- function(system, n = 6L) {
  values <- system$map(seq_len(n), function(i) i * 10)
  identical(as.numeric(unlist(values)), 10 * seq_len(n))
}

without_descriptors <- function(expr) {
  take_descriptors(1L)
  on.exit(give_descriptors_back())
  observe_expression(expr)
}

must_say_descriptors <- function(o) {
  c(`right, or a classed error` = identical(o$second, "right") || has_class(o, "avenir_error"),
    `it names what has run out` = identical(o$second, "right") || says(o, "[Tt]oo many open files|descriptor"),
    must_go_on(o))
}

observe_start <- function(system, fault) {
  if (system$ours) loadNamespace("avenir")
  parallelly::availableCores()  # it does not get over having failed to read a file
  observed <- without_descriptors({
    system$start(2L)
    tens(system)
  })
  if (observed$ended == "error") system$start(2L)
  observed
}

observe_many <- function(system, fault) {
  n <- of_size(full = 100000L, small = 20000L)
  before <- most_memory()
  observed <- observe_expression(tens(system, n))
  c(observed, grown = most_memory() - before)
}

# In MB.
most_memory <- function() {
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

observe_few_processes <- function(system, fault) {
  observe_expression({
    system$start(8L)
    tens(system, 16L)
  })
}

must_do_with_less <- function(o) {
  c(`the map is right` = identical(o$second, "right"), `there is a warning` = length(o$warnings) > 0L, must_go_on(o))
}

bomb <- function() {
  for (k in 1:1000) parallel::mcparallel(Sys.sleep(60), detached = TRUE)
}

wall_clock <- function(case) {
  function(command) {
    sprintf("env LD_PRELOAD=%s AVENIR_FAULT_CLOCK=%s %s", case$tools$clock, file.path(case$folder, "tomorrow"), command)
  }
}

limit_faults <- function() {
  bytes <- of_size(full = 100e6, small = 20e6)
  seen <- function(v) raw_in_words(v, bytes)
  limit <- list(future.timeout = of_size(full = 0.5, small = 0.3))
  list(
    shm_full = new_fault("/dev/shm of 4 MB", suite = FALSE, task = filled(bytes), seen = seen, must = must_be_right,
                         wrap = function(case) with_mounts("mount -t tmpfs -o size=4m tmpfs /dev/shm")),
    disk_full = new_fault("temporary folder of 1 MB", suite = FALSE, task = filled(bytes), seen = seen,
                          must = must_be_right, wrap = function(case) {
      with_mounts(sprintf("mount -t tmpfs -o size=1m tmpfs %s/tmp", case$folder))
    }),
    descriptors_at_start = new_fault("no descriptors left when the plan starts", wrap = few_descriptors, start = FALSE,
                                     session = observe_start, must = must_say_descriptors),
    descriptors_in_map = new_fault("no descriptors left when the map starts", wrap = few_descriptors,
                                   session = function(system, fault) without_descriptors(tens(system)),
                                   must = must_say_descriptors),
    few_processes = new_fault("8 workers where 8 threads are allowed", suite = FALSE, start = FALSE,
                              wrap = function(case) limited_processes(case, 8L), session = observe_few_processes,
                              must = must_do_with_less),
    fork_bomb = new_fault("task forks until it cannot (60 processes allowed)", suite = FALSE, keep = TRUE, task = bomb,
                          wrap = function(case) limited_processes(case, 60L), must = function(o) {
      c(must_be_error(o), must_be_over(o))
    }),
    clock = new_fault("the clock jumps by a day", wrap = wall_clock, must = must_be_right, seen = as.character,
                      arguments = list(future.timeout = 30), task = function() {
      file.create(Sys.getenv("AVENIR_FAULT_CLOCK"))
      "right"
    }),
    stopped = new_fault("SIGSTOPped worker, time limit", keep = TRUE, arguments = limit,
                        must = must_time_out, task = function() tools::pskill(Sys.getpid(), tools::SIGSTOP)),
    stuck = new_fault("worker stuck in C code, time limit", keep = TRUE, arguments = limit,
                      must = must_time_out, task = call_native("fault_stuck")),
    many_tasks = new_fault(sprintf("%.0f tasks", of_size(full = 1e5, small = 2e4)), session = observe_many,
                           must = must_be_right)
  )
}

all_faults <- function() c(ending_faults(), session_faults(), value_faults(), limit_faults())

# Faults that need a session of their own.
needs_session <- function(fault) !is.null(fault$wrap) || !is.null(fault$outside) || isFALSE(fault$start)

fits <- function(fault, system) is.null(fault$systems) || grepl(fault$systems, system)

# The names of those of ours' promises that an observation breaks.
broken_promises <- function(fault, o) {
  if (startsWith(o$ended, "not run")) return(character())
  if (o$ended %in% c("hangs", "died")) return(paste("the session", o$ended))
  held <- fault$must(o)
  names(held)[!vapply(held, isTRUE, NA)]
}
