# Each room of C++ code once, with results that base R knows: what the memory checkers of the long gates run.
#
#   Rscript rooms.R [NAME...]     these only
#
# Prints a line a room; stops at the first result that is wrong.

suppressPackageStartupMessages(library(avenir))
options(avenir.threads = 2L, avenir.start.timeout = 300, avenir.cluster.address = "127.0.0.1",
        avenir.cluster.folder = file.path(tempdir(), "tickets"))
invisible(avenir:::cpp_threaded_minimum(2))

is_same <- function(got, expected) {
  if (!identical(got, expected)) stop("wrong: ", deparse1(substitute(got)), " is ", deparse1(got), call. = FALSE)
}
is_near <- function(got, expected) {
  if (!isTRUE(all.equal(got, expected))) stop("wrong: ", deparse1(substitute(got)), call. = FALSE)
}
has_class <- function(expr, class) {
  got <- tryCatch(expr, error = identity, interrupt = identity)
  if (!inherits(got, class)) stop("wrong: not ", class, " but ", toString(base::class(got)), call. = FALSE)
}

# Until it holds: what is waited for is a matter of other processes.
await <- function(condition) {
  deadline <- proc.time()[["elapsed"]] + 300
  while (!condition()) {
    if (proc.time()[["elapsed"]] > deadline) stop("in vain: ", deparse1(substitute(condition)), call. = FALSE)
    Sys.sleep(0.05)
  }
}

numbers <- c(NA, NaN, -0, 0, Inf, -Inf, sin(1:4000))
integers <- c(NA, -5L, .Machine$integer.max, rep(1:40, 100L))
strings <- c(NA, "", "\u20ac", as.character(1:3000))

# For valgrind.R: a worker is killed in the end, and would say nothing of its memory.
look_for_leaks <- function() {
  checker <- Sys.getenv("AVENIR_LEAK_CHECK")
  if (!nzchar(checker)) return(invisible())
  looked <- future({
    invisible(gc())
    dyn.load(checker)
    .C("look_for_leaks", 0L)[[1L]]
  })
  is_same(value(looked), 1L)
}

# ---- What goes to a worker and comes back ----

noisy <- function(i) {
  cat("line", i, "\n")
  if (i == 2) message("of ", i)
  if (i == 3) warning("at ", i)
  i^2
}

set_plan <- list(
  sequential = function() plan(sequential),
  multisession = function() plan(multisession, workers = I(2)),
  multicore = function() plan(multicore, workers = I(2)),
  cluster = function() plan(cluster, workers = 2)
)

travel <- function(name) {
  set_plan[[name]]()
  object <- list(numbers, integers, strings, factor(letters), as.name("x"), quote(a + b), 1i, raw(3), globalenv(),
                 data.frame(a = numbers[1:50], b = strings[1:50]))
  is_same(value(future(object)), object)
  is_same(value(future(large * 2, globals = list(large = numbers))), numbers * 2)
  output <- capture.output(got <- suppressWarnings(suppressMessages(future_lapply(1:5, noisy))))
  is_same(got, as.list((1:5)^2))
  is_same(output, paste("line", 1:5, ""))
  is_same(future_sapply(1:30, function(i) integers[i] %in% strings), integers[1:30] %in% strings)
  set.seed(1, "L'Ecuyer-CMRG")
  drawn <- future_lapply(1:6, function(i) stats::rnorm(3), future.seed = 42L)
  is_same(drawn, travelled$drawn <<- if (is.null(travelled$drawn)) drawn else travelled$drawn)
  has_class(value(future(stop("of the task"))), "simpleError")
  failing <- function() future_lapply(1:4, function(i) if (i == 3) stop("third") else i, future.chunk.size = 1)
  failure <- tryCatch(suppressWarnings(failing()), error = identity)
  is_same(partial_results(failure)[1:2], list(1L, 2L))
  look_for_leaks()
}
travelled <- list()

cancels <- function(name) {
  set_plan[[name]]()
  f <- future({
    repeat Sys.sleep(0.01)
  })
  cancel(f)
  has_class(value(f), "FutureError")
  is_same(value(future(7)), 7)
}

kills <- function(name) {
  set_plan[[name]]()
  has_class(value(future(tools::pskill(Sys.getpid(), tools::SIGKILL))), "FutureError")
  is_same(unlist(future_lapply(1:6, identity)), 1:6)
}

# What R code may do with a view: write, take apart, compare, serialize once more.
shares <- function() {
  x <- share(numbers)
  is_same(x[1:10], numbers[1:10])
  y <- x
  y[7] <- 1
  is_same(x, numbers)
  is_same(unserialize(serialize(x, NULL)), numbers)
  is_same(share(list(strings, integers)), list(strings, integers))
  is_same(rev(share(strings)), rev(strings))
  options(avenir.share.threshold = 8192)
  plan(multisession, workers = I(2))
  large <- list(rep(numbers, 20), strings, rep(integers, 20), a = list(rep(numbers, 3)))
  is_same(value(future(large)), large)
  back <- future_lapply(1:3, function(i) large[[1L]] + i)
  is_same(back[[2L]], large[[1L]] + 2)
  is_same(value(future(sum(back[[3L]], na.rm = TRUE))), sum(large[[1L]] + 3, na.rm = TRUE))
  for (i in 1:5) is_same(value(future(x)), numbers)
  look_for_leaks()
}

# Closures with their source, what has attributes and slots, what refers to itself; and streams that end too early or
# have a byte changed, which are errors of R's or another value.
streams <- function() {
  file <- tempfile(fileext = ".R")
  writeLines(c("f <- function(x) {", rep("  x <- x + 1", 300), "  x", "}"), file)
  with_source <- new.env()
  source(file, with_source, keep.source = TRUE)
  itself <- new.env()
  itself$itself <- itself
  setClass("Slots", representation(a = "numeric", b = "list"), where = globalenv())
  objects <- list(with_source$f, itself, new("Slots", a = numbers[1:9], b = list(1, "a")), 1:1e6, seq(2, 3e5, 2),
                  structure(list(), class = "x", more = strings), expression(a, b + 1), NULL,
                  strsplit(strings, ""), array(numbers[1:24], 2:4), as.POSIXct("2020-01-01", tz = "UTC"))
  trip <- avenir:::cpp_share_trip(objects)
  is_same(trip[-(1:2)], objects[-(1:2)])
  is_same(trip[[2L]]$itself, trip[[2L]])
  is_same(as.character(attr(trip[[1L]], "srcref")), as.character(attr(with_source$f, "srcref")))
  plan(multisession, workers = I(1))
  is_same(value(future(objects))[-(1:2)], objects[-(1:2)])
  is_same(value(future(with_source$f(1))), 301)
  bytes <- avenir:::cpp_serialize(list(numbers[1:20], strings[1:9], quote(a + b), list(x = 1L)))
  for (end in seq(0, length(bytes) - 1, by = 13)) try(avenir:::cpp_unserialize(bytes[seq_len(end)]), silent = TRUE)
  look_for_leaks()
}

# What is refused, in each door that has something to refuse: errors go through all frames, and nothing is left.
refusals <- function() {
  refused <- expression(
    threaded(numbers + "a"), threaded(unknown(numbers)), threaded(numbers[1:3] + numbers), thread_sort(strings),
    thread_order(list()), thread_sum("a"), thread_runif(-1, rng_streams(1, 1L)[[1L]]), rng_streams(-1),
    rng_jump("a", 1),
    gpu_array("a", device = "cpu"), gpu_array(numbers, device = "none"), gpu_matrix(1:6, 4, device = "cpu"),
    solve(gpu_array(matrix(0, 2, 2), device = "cpu")), gpu_array(1:3, device = "cpu")[1, 2, 3],
    gpu_array(matrix(1, 2, 3), device = "cpu") %*% gpu_array(matrix(1, 2, 3), device = "cpu"),
    avenir:::cpp_unserialize(as.raw(1:3)), avenir:::cpp_engine_start(list()), avenir:::cpp_engine_collect(NULL, 1),
    plan(multisession, workers = -1), plan(cluster, workers = "no such host!"), future_lapply(1:3, "no function"),
    value(future(unknown_function_here())), with_cpu_threads(0, 1)
  )
  for (round in 1:3) for (code in refused) has_class(suppressWarnings(eval(code)), "error")
  look_for_leaks()
}

globals <- function() {
  helper <- function(x) outside(x) + constant
  outside <- function(x) x * 2
  constant <- 3
  wanted <- quote(helper(4) + outside(2) + local({
    y <- constant
    y
  }))
  found <- getGlobalsAndPackages(wanted, envir = environment())
  is_same(sort(setdiff(names(found$globals), "...")), c("constant", "helper", "outside"))
  is_same(avenir:::cpp_serialized_size(numbers), avenir:::cpp_serialized_size(numbers + 0))
  is_same(avenir:::cpp_unserialize(avenir:::cpp_serialize(list(helper, numbers)))[[2L]], numbers)
}

# ---- What runs on several threads, or on a device ----

threads <- function() {
  x <- rep(abs(numbers), 30L)
  names(x) <- seq_along(x)
  y <- rev(unname(x))
  for (code in expression(sqrt(x) + 1, x * y - 2, ifelse(x > 0.5, y, -x), exp(-x / 3), pmin(x, y), is.na(x),
                          x > y & y > 0, sum(x, na.rm = TRUE), mean(y, na.rm = TRUE), x %% 2, atan2(x, y), round(x))) {
    is_near(avenir:::cpp_threaded(code, environment()), eval(code))
  }
  has_class(threaded(x + "a"), "error")
  for (n in 1:3) is_same(with_cpu_threads(n, thread_sum(1:100000)), sum(1:100000))
  is_near(thread_cumsum(y), cumsum(y))
}

sorts <- function() {
  many <- rep(numbers, 6L)
  keys <- list(rep(integers, 6L)[seq_along(many)], rev(many))
  for (last in list(TRUE, FALSE, NA)) {
    is_same(thread_sort(many, na.last = last), sort(many, na.last = last))
    is_same(thread_sort(keys[[1L]], TRUE, last), sort(keys[[1L]], TRUE, na.last = last))
    is_same(thread_order(many, keys[[1L]], na.last = last), order(many, keys[[1L]], na.last = last))
  }
  is_same(thread_table(keys[[1L]]), table(keys[[1L]]))
  is_same(c(thread_table(sign(many))), c(table(sign(many))))
}

random <- function() {
  streams <- rng_streams(8, 42L)
  is_same(streams[[2L]], parallel::nextRNGStream(streams[[1L]]))
  is_same(rng_jump(streams[[1L]], 1), parallel::nextRNGStream(streams[[1L]]))
  is_same(rng_jump_sub(streams[[1L]], 1), parallel::nextRNGSubStream(streams[[1L]]))
  is_same(length(rng_advance(streams[[1L]], 1e6)), 7L)
  for (draw in list(thread_runif, thread_rnorm)) {
    of_threads <- lapply(1:2, function(n) with_cpu_threads(n, draw(50001, streams[[3L]])))
    is_same(of_threads[[1L]], of_threads[[2L]])
  }
}

arrays <- function() {
  m <- matrix(sin(1:48), 6)
  square <- crossprod(m) + diag(8)
  values <- list(m = m, s = square, v = c(numbers, 2), i = matrix(1:12, 3), l = c(TRUE, NA, FALSE))
  on_device <- lapply(values, gpu_array, device = "cpu")
  plain <- function(x) if (isS4(x)) (if (is.null(dim(x))) as.vector(x) else as.array(x)) else x
  for (code in expression(m + 1, v * v, exp(m), m > 0, ifelse(m > 0, m, -1), sum(m), rowSums(m), colMeans(m), m[2:3, ],
                          m[m > 0], t(m), m %*% t(m), crossprod(m), solve(s), solve(s, t(m)), chol(s), det(s),
                          rbind(m, m), cbind(m, 1), sort(v), rev(v), cumsum(m), i %% 2L, i / 2L, !l, anyNA(v),
                          which(plain(m) > 0),
                          max(m), range(i), m^2 + 3 * m, outer(1:3, 1:2), round(m, 1), as.integer(i), svd(s)$d,
                          eigen(s, TRUE)$values, qr.R(qr(s)), gpu_order(v))) {
    got <- plain(eval(code, on_device))
    expected <- if (identical(code, quote(gpu_order(v)))) order(values$v) else eval(code, values)
    is_near(if (identical(code[[1L]], quote(qr.R))) abs(got) else got,
            if (identical(code[[1L]], quote(qr.R))) abs(expected) else expected)
  }
  a <- on_device$m
  a[2, ] <- 0
  is_same(as.array(a)[2, ], numeric(8))
  has_class(a %*% a, "error")
  is_same(length(as.vector(gpu_runif(1000, state = rng_streams(1, 1L)[[1L]], device = "cpu"))), 1000L)
  rm(a, on_device)
  invisible(gc())
}

# Nodes of a cluster that are started by a command: TLS, records, node agents.
nodes <- function() {
  start <- "for i in 1 2; do PBS_ARRAY_INDEX=$i setsid {command} >/dev/null 2>&1 </dev/null & done"
  plan(cluster, workers = workers_command(start = start, n = 2))
  large <- rep(numbers, 50)
  is_same(future_lapply(1:6, function(i) large[i] * i), lapply(1:6, function(i) large[i] * i))
  is_same(value(future(large)), large)
}

rooms <- list(globals = globals, shares = shares, streams = streams, refusals = refusals, threads = threads,
              sorts = sorts, random = random, arrays = arrays, nodes = nodes)
of_plans <- function(what, names) {
  stats::setNames(lapply(names, function(name) function() get(what)(name)), paste0(what, "-", names))
}
rooms <- c(rooms, of_plans("travel", names(set_plan)), of_plans("cancels", c("multisession", "multicore")),
           of_plans("kills", c("multisession", "multicore")))

asked <- commandArgs(TRUE)
for (name in if (length(asked)) asked else names(rooms)) {
  started <- proc.time()[["elapsed"]]
  rooms[[name]]()
  plan(sequential)
  cat(sprintf("%s: right, %.0f s\n", name, proc.time()[["elapsed"]] - started))
}
# What R's collector has not come to is no leak.
rm(list = ls())
for (i in 1:3) invisible(gc())
