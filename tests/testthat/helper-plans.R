# Plans that the contract file runs over. AVENIR_TEST_PLANS names some of them ("sequential,multisession").
conformance_plans <- function() {
  plans <- list(
    sequential = list("sequential"),
    multisession = list("multisession", workers = I(2)),
    multicore = list("multicore", workers = I(2)),
    cluster = list("cluster", workers = 2)
  )
  asked <- strsplit(Sys.getenv("AVENIR_TEST_PLANS", paste(names(plans), collapse = ",")), ",", fixed = TRUE)[[1L]]
  c(plans, rig_plans())[asked]
}

# Of the cluster gate, which has hosts (tools/rig.sh).
rig_plans <- function() {
  if (!nzchar(Sys.getenv("RIG_DIR"))) return(list())
  options(avenir.cluster.folder = file.path(Sys.getenv("RIG_DIR"), "tickets"))
  hosts <- strsplit(Sys.getenv("RIG_HOSTS"), ",", fixed = TRUE)[[1L]]
  list(
    ssh = list("cluster", workers = workers_ssh(hosts, options = c("-F", Sys.getenv("RIG_SSH_CONFIG")),
                                                rscript = file.path(R.home("bin"), "Rscript"))),
    slurm = list("cluster", workers = workers_slurm(2, mem = "500M"))
  )
}

set_plan_of <- function(arguments) do.call(plan, c(arguments, substitute = FALSE))

# test_that() in a loop over the plans: `name`, the loop's variable, comes before what is tested.
local_test <- function(what, code) {
  eval(substitute(test_that(paste0(name, ": ", what), code)), parent.frame())
}

# Sets a plan until the calling test ends.
local_plan <- function(..., frame = parent.frame()) {
  before <- plan(..., substitute = FALSE)
  undo <- function() plan(before, substitute = FALSE)
  do.call(base::on.exit, list(as.call(list(undo)), add = TRUE, after = FALSE), envir = frame)
}

local_options <- function(..., frame = parent.frame()) {
  before <- options(...)
  do.call(base::on.exit, list(as.call(list(options, before)), add = TRUE, after = FALSE), envir = frame)
}

# The state of the generator, to be compared before and after.
random_seed <- function() globalenv()[[".Random.seed"]]

# What `expr` prints and signals, in order: "out: ...", "message: ...", "warning: ...", "error: ...".
transcript <- function(expr) {
  seen <- character()
  note <- function(kind, text) seen <<- c(seen, paste0(kind, ": ", sub("\n$", "", text)))
  sink <- rawConnection(raw(), "w")
  printed <- 0L
  flush_output <- function() {
    bytes <- rawConnectionValue(sink)
    if (length(bytes) > printed) note("out", rawToChar(bytes[(printed + 1L):length(bytes)]))
    printed <<- length(bytes)
  }
  observe <- function(kind, restart) function(cond) {
    flush_output()
    note(kind, conditionMessage(cond))
    if (!is.null(restart)) invokeRestart(restart)
  }
  sink(sink)
  on.exit({
    sink()
    close(sink)
  })
  tryCatch(
    withCallingHandlers(expr, message = observe("message", "muffleMessage"),
                        warning = observe("warning", "muffleWarning"), custom = observe("custom", NULL)),
    error = observe("error", NULL)
  )
  flush_output()
  seen
}

# Another one each time, whatever generator state the files before have left; they print it. AVENIR_TEST_SEED gives it.
varied_seed <- function() {
  as.integer(Sys.getenv("AVENIR_TEST_SEED", (as.numeric(Sys.time()) * 1000 + Sys.getpid()) %% 1e6))
}
