#' avenir: Futures, Plans and Parallel Maps on a C++ Engine
#'
#' The same script runs in this R session or on several: [plan()] says where. [future()] starts one
#' expression, [value()] gets its value; [future_lapply()] and its relatives are parallel versions of base R's
#' functions. Scripts written for the packages future and future.apply run unchanged.
#'
#' @section Options:
#' Options of future that avenir heeds: `future.plan`, `future.globals.maxSize`, `future.globals.onReference`,
#' `future.globals.onMissing`, `future.globals.method`, `future.globals.resolve`, `future.rng.onMisuse`,
#' `future.connections.onMisuse`, `future.devices.onMisuse`, `future.defaultDevice.onMisuse`,
#' `future.globalenv.onMisuse`, `future.resolve.recursive`, `future.wait.interval`, `future.plan.disallow`,
#' `future.onFutureCondition.keepFuture`, `future.relay.immediate`, `future.startup.script` (`.future.R` here or in
#' your home folder is run when the package is attached, unless it is `FALSE`); when the package is loaded, environment
#' variables set those that are not set (`R_FUTURE_RNG_ONMISUSE` for `future.rng.onMisuse`). `mc.cores` is the number
#' of cores; `-p N` or `--parallel=N` on the command line sets it. `parallelly.maxWorkers.localhost` limits the
#' workers. Our own: `avenir.scheduling` (`"static"` cuts maps as future.apply does, one chunk a worker),
#' `avenir.output.limit` (bytes of output that are kept of one future or element, 64 MiB), `avenir.results.onReference`
#' (what happens when a value means nothing outside the worker that made it: `"warning"`, `"error"` or `"ignore"`),
#' `avenir.share` and `avenir.share.threshold` (see [share()]).
#'
#' @useDynLib avenir, .registration = TRUE
#' @importFrom Rcpp evalCpp
#' @importFrom parallelly availableCores availableWorkers makeClusterPSOCK supportsMulticore
#' @keywords internal
"_PACKAGE"

#' @export
parallelly::availableCores

#' @export
parallelly::availableWorkers

#' @export
parallelly::makeClusterPSOCK

#' @export
parallelly::supportsMulticore

# Where the package future is loaded too, its functions know our futures: those of promises and Shiny call these. (Not
# by NAMESPACE: a package of that name may be loading this one, as the stand-in for tests does, and have no functions
# yet.)
tell_future <- function(...) {
  future <- asNamespace("future")
  for (generic in c("value", "result", "resolved", "run", "reset")) {
    if (!exists(generic, future, inherits = FALSE)) next
    registerS3method(generic, "AvenirFuture", get(paste0(generic, ".AvenirFuture")), envir = future)
    pass_ours_on(generic, future)
  }
}

# Our futures have its classes before ours: its methods for these hand ours on to the next method, which is ours.
pass_ours_on <- function(generic, future) {
  for (class in c("ClusterFuture", "MulticoreFuture", "UniprocessFuture", "ConstantFuture")) {
    method <- utils::getS3method(generic, class, optional = TRUE, envir = future)
    if (is.null(method)) next
    first <- as.name(names(formals(method))[1L])
    hand_on <- bquote(if (inherits(.(first), "AvenirFuture")) return(NextMethod()))
    if (identical(body(method)[[2L]], hand_on)) next
    body(method) <- call("{", hand_on, body(method))
    registerS3method(generic, class, method, envir = future)
  }
}

.onLoad <- function(libname, pkgname) {
  set_environment_options()
  set_command_line_options()
  note_environment_variables()
  if (isNamespaceLoaded("future")) tell_future()
  setHook(packageEvent("future", "onLoad"), tell_future)
  reg.finalizer(plan_state, function(state) forget_plan(), onexit = TRUE)
}

.onAttach <- function(libname, pkgname) run_startup_script()

.onUnload <- function(libpath) forget_plan()
