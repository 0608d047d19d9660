# The R border while R's collector runs at every allocation, or at every few of them: what is not protected is gone or
# something else by then. Each expression has to give what it gives without, in the session, in a fork and in a worker.
#
#   Rscript torture.R [PART...]    border, sequential, multisession, multicore, worker

suppressPackageStartupMessages(library(avenir))
options(avenir.threads = 2L, avenir.start.timeout = 600, avenir.share.threshold = 8192)
invisible(avenir:::cpp_threaded_minimum(2))
asked <- commandArgs(TRUE)
is_asked <- function(part) !length(asked) || part %in% asked

numbers <- c(NA, NaN, -0, Inf, sin(1:2000))
integers <- c(NA, rep(1:20, 60L))
strings <- c(NA, "", "\u20ac", as.character(1:1500))
named <- structure(numbers, names = as.character(seq_along(numbers)), note = list(1, "a"))
frame <- data.frame(a = numbers, b = as.character(numbers), c = factor(rep_len(letters, length(numbers))))
nested <- list(numbers, strings, list(a = strings, frame), quote(f(x, y = 2)), as.name("s"), 1i, raw(2))
matrix_ <- matrix(sin(1:24), 4, dimnames = list(letters[1:4], NULL))
square <- crossprod(matrix_) + diag(6)
f <- function(x, ...) helper(x) + integers[2]
helper <- function(x) x + length(strings)
state <- rng_streams(1, 7L)[[1L]]
on_cpu <- function(x) gpu_array(x, device = "cpu")
back <- function(x) if (is.null(dim(x))) as.vector(x) else as.array(x)
message_of <- function(expr) tryCatch(expr, error = conditionMessage)

# One allocation after the other.
border <- expression(
  avenir:::cpp_unserialize(avenir:::cpp_serialize(nested)),
  avenir:::cpp_share_trip(nested),
  avenir:::cpp_share_trip(list(frame, named)),
  avenir:::cpp_serialized_size(nested),
  share(list(numbers, strings))[[2L]][5:9],
  unserialize(serialize(share(named), NULL)),
  avenir:::cpp_free_names(quote(f(numbers) + local(q)), TRUE),
  rng_streams(3, 1L), rng_jump(state, 1), rng_advance(state, 1000),
  thread_runif(3000, state), thread_rnorm(3000, state),
  threaded(sqrt(numbers^2) + 1), threaded(sum(numbers > 0, na.rm = TRUE)), threaded(ifelse(named > 0, named, -1)),
  message_of(threaded(numbers + "a")), message_of(threaded(foo(numbers))),
  thread_sort(numbers), thread_order(numbers, rev(numbers)), thread_table(integers), thread_cumsum(numbers),
  back(on_cpu(matrix_) * 2 + 1), back(on_cpu(matrix_)[2:3, c(TRUE, FALSE)]), sum(on_cpu(numbers[5:99])),
  back(on_cpu(matrix_) %*% t(on_cpu(matrix_))), back(solve(on_cpu(square))), back(cbind(on_cpu(matrix_), 1)),
  back(svd(on_cpu(square))$d), back(rowSums(on_cpu(matrix_))), message_of(on_cpu(matrix_) %*% on_cpu(matrix_)),
  back(sort(on_cpu(numbers)))
)

# With much R code around it.
tasks <- expression(
  value(future(f(3))),
  value(future(nested)),
  value(future(list(frame, named))),
  message_of(value(future(stop("no")))),
  capture.output(value(future({
    print(numbers[5:7])
    7
  }))),
  withCallingHandlers(value(future({
    message("of the task")
    warning("also")
    8
  })), message = function(m) invokeRestart("muffleMessage"), warning = function(w) invokeRestart("muffleWarning")),
  future_sapply(1:6, function(i) f(i)),
  future_lapply(1:3, function(i) stats::rnorm(2), future.seed = 3L),
  sort(names(getGlobalsAndPackages(quote(f(numbers)), envir = globalenv())$globals))
)

set_plan <- list(
  sequential = function() plan(sequential),
  multisession = function() plan(multisession, workers = I(1)),
  multicore = function() plan(multicore, workers = I(1))
)

tortured <- function(code, step, wait, where = globalenv()) {
  gctorture2(step, wait, inhibit_release = TRUE)
  on.exit(gctorture2(0L))
  eval(code, where)
}

# With the only worker's collector so, from after this task to the end of the last, and not the session's.
tortured_worker <- function(code, step, wait) {
  value(future(gctorture2(step, wait, inhibit_release = TRUE)))
  on.exit(value(future(gctorture2(0L))))
  eval(code, globalenv())
}

wrong <- 0L
note_wrong <- function(where, code, got) {
  cat("WRONG in ", where, ": ", deparse1(code), "\n", sep = "")
  utils::str(got)
  wrong <<- wrong + 1L
}

compare <- function(where, code, step, waits, torture = tortured) {
  expected <- eval(code, globalenv())
  for (wait in waits) {
    got <- tryCatch(torture(code, step, wait), error = identity)
    if (!identical(got, expected)) note_wrong(where, code, got)
  }
}

# What is not protected is lost: else that all is right would mean nothing.
check_torture <- function() {
  folder <- tempfile("planted-")
  dir.create(folder)
  writeLines(c("#include <Rinternals.h>", "SEXP planted(void) {", "  SEXP x = Rf_allocVector(INTSXP, 1);",
               "  INTEGER(x)[0] = 7;", "  for (int i = 0; i < 100; ++i) INTEGER(Rf_allocVector(INTSXP, 1))[0] = 8;",
               "  return x;", "}"), file.path(folder, "planted.c"))
  shlib <- c("CMD", "SHLIB", file.path(folder, "planted.c"))
  system2(file.path(R.home("bin"), "R"), shlib, stdout = FALSE, stderr = FALSE)
  dyn.load(file.path(folder, paste0("planted", .Platform$dynlib.ext)))
  planted <- getNativeSymbolInfo("planted")
  if (!identical(.Call(planted), 7L) || identical(tortured(quote(.Call(planted)), 1L, 0L, environment()), 7L)) {
    stop("R's collector does not run when it is told to", call. = FALSE)
  }
}

timed <- function(what, expr) {
  started <- proc.time()[["elapsed"]]
  expr
  cat(sprintf("%s: %.0f s\n", what, proc.time()[["elapsed"]] - started))
}

check_torture()
if (is_asked("border")) timed("border", for (code in border) compare("border", code, 1L, 0L))

# Every few allocations, and others each time.
often <- 7L
seldom <- 101L  # a fork goes on with its parent's torture, through all that it does before and after the task
for (name in Filter(is_asked, names(set_plan))) {
  set_plan[[name]]()
  step <- if (name == "multicore") seldom else often
  timed(name, for (code in tasks) compare(name, code, step, 1:3))
}
if (is_asked("worker")) {
  set_plan$multisession()
  timed("worker", for (code in tasks) compare("a worker", code, often, 1:3, tortured_worker))
}

plan(sequential)
cat(sprintf("%d results that are not those without torture\n", wrong))
quit(status = as.integer(wrong > 0L))
