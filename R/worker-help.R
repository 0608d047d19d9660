#' What a worker sees
#'
#' What an expression finds when [future()] or a map evaluates it under `plan(multisession)` and `plan(cluster)`, in R
#' sessions of their own, and under `plan(multicore)`, in forks of this session. Under `plan(sequential)` it is this
#' session itself.
#'
#' "At `plan()`" is when the workers are started: what changes in this session later is not seen by them. "At the
#' future" is when the future is made, or the map called. Whatever a job changes is as before for the next one;
#' only packages stay attached.
#'
#' | | multisession, cluster | multicore |
#' |---|---|---|
#' | variables | the globals that are found or named | all of the session's, at the future; globals besides |
#' | `Renviron` | not read again: the session's variables, at `plan()` | the session's variables, at the future |
#' | `.Rprofile` | as R itself: the site's, then the user's, in each worker; see below | as the session has read it |
#' | renv | by its line in the project's `.Rprofile`; the library paths in any case | as in the session |
#' | `.libPaths()` | the session's at `plan()`, or argument `rscript_libs` | the session's |
#' | working directory | the session's at `plan()` | the session's |
#' | locale | the session's at `plan()` | the session's |
#' | encoding | the session's; text is marked and sent as it is | the session's |
#' | time zone | variable `TZ`, at `plan()` | variable `TZ`, at the future |
#' | options | R's own and those of `.Rprofile`; of the session's `width` and those of futures | the session's |
#' | attached packages | R's default packages, then those that the code needs, in the session's order | the session's |
#' | random numbers, with a seed | the future's or element's stream | the same |
#' | random numbers, without | R's default generator, started anew | the session's kinds |
#' | normal and sample kinds | the session's with a seed; R's defaults without | the session's |
#' | umask | the session's at `plan()` | the session's |
#' | `R_FUTURE_*` | as other variables; `R_FUTURE_PLAN` is taken away | the same |
#' | `tempdir()` | one of its own, removed with the worker | the session's |
#' | standard input | empty | empty |
#' | threads of BLAS, OpenMP and data.table, `cpu_threads()` | the session's cores divided by the workers | the same |
#' | threads of RcppParallel | the session's cores divided by the workers | one |
#' | GPUs ([gpu_array()]) | one of the session's, in turn, with a share of its memory | none, if the session used one |
#' | `availableCores()`, `mc.cores` | 1 | 1 |
#' | plan | the next level of the stack, else sequential | the same |
#'
#' @section Profiles:
#' Workers are forked from one R process that has read no profile; each reads the profiles after the fork, when the
#' default packages are attached already. What R would do is done: variables `R_PROFILE` and `R_PROFILE_USER` name other
#' files or none, and in a session that was started with `--vanilla` no profile is read. An error in a profile does not
#' keep a worker from starting. `.First()` is not called. `options(avenir.worker.profile = FALSE)` before `plan()`, or
#' `plan(multisession, profile = FALSE)`, switches the profiles off: workers then start faster.
#'
#' @section Forks and threads:
#' Of a session with several threads only one survives in a fork, and code that waits there for another waits for ever.
#' Before a fork of a plan the session's idle threads of OpenMP (GCC's) are therefore ended; those that come after it
#' are new ones, in the session and in the fork. `cpu_threads()` has no effect in the fork of a session that has used
#' [threaded()] or one of its relatives: they run on one thread there. Libraries that are known not to bear a fork have
#' one thread in it: OpenBLAS 0.3.30, and an OpenMP of GCC before 9. Other libraries with threads of their own, and
#' whatever holds a GPU, do not survive a fork: use `plan(multisession)` with these. New arrays
#' of avenir's own are on the CPU in such a fork.
#'
#' Forks that others make, such as those of [parallel::mclapply()], are not prepared like this: where [blas_info()] says
#' `OpenMP`, set `blas_threads(1)` first in the function that they run.
#'
#' The numbers are the variables `OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS`, `MKL_NUM_THREADS`, `BLIS_NUM_THREADS`,
#' `VECLIB_MAXIMUM_THREADS`, `R_DATATABLE_NUM_THREADS` and `RCPP_PARALLEL_NUM_THREADS`, for what is loaded later and for
#' processes that the code starts; libraries that are loaded are told. A package that counts the machine's cores itself
#' has to be told by its own argument: `ranger(num.threads = cpu_threads())`.
#'
#' @seealso [plan()]; [availableCores()]; [cpu_threads()], [blas_threads()]
#' @examples
#' plan(multisession, workers = I(1))
#' value(future(c(getwd(), Sys.getenv("TZ"), Sys.getpid())))
#' plan(sequential)
#' @name workers
NULL
