# What a task and an element cost.

itself <- plainly(function(i) i)

# Plain R's time, divided among the workers.
serial_share <- function(m) m[[".serial"]] / new_settings(FALSE)$workers
serial_share_is <- "serial lapply / workers"

bench_row("tasks-10k", "10,000 tasks one by one", function(at) {
  map_sides(seq_len(at$size(10000, 500)), itself, at, one_by_one = TRUE,
            share = c(mclapply = 50, future.apply = 200, furrr = 200, parLapplyLB = 5, foreach = 5))
}, floor = serial_share, floor_is = serial_share_is, goals = list(
  goal("\u2264 50 ms", function(m) m[["avenir"]] <= 0.05),
  goal("\u2265 50 \u00d7 faster than mirai", function(m) m[["mirai"]] >= 50 * m[["avenir"]])))

bench_row("map-10k", "10,000 elements, default chunks", function(at) {
  map_sides(seq_len(at$size(10000, 1000)), itself, at, share = c(foreach = 5, mirai = 5))
}, runs = 21, floor = serial_share, floor_is = serial_share_is,
goals = list(goal("\u2264 12 ms", function(m) m[["avenir"]] <= 0.012)))

bench_row("map-100k", "100,000 elements, default chunks", function(at) {
  map_sides(seq_len(at$size(1e5, 2000)), itself, at, share = c(foreach = 50, mirai = 50))
}, floor = serial_share, floor_is = serial_share_is,
goals = list(goal("\u2264 mclapply", function(m) m[["avenir"]] <= m[["mclapply"]])))

bench_row("map-1m", "1,000,000 elements, default chunks", function(at) {
  map_sides(seq_len(at$size(1e6, 5000)), itself, at, share = c(foreach = 500, mirai = 500))
}, runs = 5, floor = serial_share, floor_is = serial_share_is)

bench_row("tiny-200k", "200,000 tiny elements, adaptive against static", function(at) {
  x <- seq_len(at$size(2e5, 2000))
  map <- function(scheduling) {
    use_avenir(at$workers)
    before <- options(avenir.scheduling = scheduling)
    on.exit(options(before))
    avenir::future_lapply(x, itself)
  }
  list(avenir = function() map(NULL), `avenir static` = function() map("static"),
       .serial = function() lapply(x, itself),
       mclapply = function() parallel::mclapply(x, itself, mc.cores = at$workers))
}, floor = serial_share, floor_is = serial_share_is,
goals = list(goal("\u2264 1.1 \u00d7 static", function(m) m[["avenir"]] <= 1.1 * m[["avenir static"]])))

# ---- one future ----------------------------------------------------------------------------------------------------

times <- function(n, action) function() for (i in seq_len(n)) action()

x <- 3 # a global, to be found

bench_row("future-value", "value(future(x))", function(at) {
  n <- at$size(500, 20)
  own <- times(n, plainly(function() avenir::value(avenir::future(x))))
  list(
    avenir = function() { use_avenir(at$workers); own() },
    mcparallel = smaller(times(n / 10, plainly(function() parallel::mccollect(parallel::mcparallel(x)))), 10),
    future = if_has("future", smaller(function() {
      use_future(at$workers)
      times(n / 20, plainly(function() future::value(future::future(x))))()
    }, 20)),
    mirai = if_has("mirai", function() {
      use_mirai(at$workers)
      times(n, plainly(function() mirai::mirai(x, x = x)[]))()
    }),
    .pingpong = repeated(ping_pong(), n))
}, per = function(at) at$size(500, 20), floor = function(m) m[".pingpong"], floor_is = "a socket round trip",
goals = list(goal("\u2264 100 \u00b5s", function(m) m[["avenir"]] <= 1e-4)))

# A figure for one operation as the row's others are: for n of them.
repeated <- function(side, n) if (!is.null(side)) reports(function() n * side())

bench_row("futures-1k", "1,000 futures, then their values", function(at) {
  n <- at$size(1000, 50)
  list(
    .serial = function() lapply(seq_len(n), itself),
    avenir = function() {
      use_avenir(at$workers)
      avenir::value(lapply(seq_len(n), plainly(function(i) avenir::future(i))))
    },
    mirai = if_has("mirai", function() {
      use_mirai(at$workers)
      lapply(lapply(seq_len(n), plainly(function(i) mirai::mirai(i, i = i))), function(m) m[])
    }),
    future = if_has("future", smaller(function() {
      use_future(at$workers)
      future::value(lapply(seq_len(max(1, n / 50)), plainly(function(i) future::future(i))))
    }, 50)))
})

# ---- globals -------------------------------------------------------------------------------------------------------

# A closure as users write them: two helpers, data, a nested function and an assignment or two.
typical_data <- 1:10
typical_inner <- function(z) z + x
typical_helper <- function(a, b = 2) {
  u <- a * b
  v <- typical_inner(u)
  if (v > 3) mean(c(u, v, typical_data)) else sqrt(v)
}
typical_closure <- function(i) {
  r <- typical_helper(i)
  s <- vapply(1:3, function(j) j + r, 0)
  paste0("a", sum(s), x)
}

bench_row("globals", "the globals of a typical closure", function(at) {
  n <- at$size(2000, 50)
  own <- asNamespace("avenir")$find_function_globals
  list(
    avenir = times(n, function() own(typical_closure, list(), globalenv())),
    globals = if_has("globals", smaller(times(n / 50, function() {
      globals::globalsOf(typical_closure, envir = globalenv(), mustExist = FALSE)
    }), 50)),
    codetools = smaller(times(n / 10, function() codetools::findGlobals(typical_closure)), 10))
}, per = function(at) at$size(2000, 50),
goals = list(goal("\u2264 30 \u00b5s", function(m) m[["avenir"]] <= 3e-5)))
