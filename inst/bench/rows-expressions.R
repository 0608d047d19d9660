# threaded() beside base R. The floor is what the memory allows: a copy of as many bytes on the same threads.

on_threads <- function(n, code) {
  force(n)
  force(code)
  function() {
    avenir::cpu_threads(n)
    eval(code, globalenv())
    NULL
  }
}

# Numbers that are the session's, as a user's are.
bench_numbers <- function(at) {
  n <- at$size(5e7, 1e5)
  if (length(globalenv()$numbers) != n) assign("numbers", stats::runif(n, 0, 10), globalenv())
  n
}

by_base <- function(code) function() {
  eval(code, globalenv())
  NULL
}

expression_sides <- function(at, code) {
  n <- bench_numbers(at)
  own <- call("::", quote(avenir), quote(threaded))
  list(avenir = on_threads(2L, as.call(list(own, code))), `avenir, 1 thread` = on_threads(1L, as.call(list(own, code))),
       `base R` = by_base(code), .copy = c_floor("copy", bytes_of(n), 2),
       .copyfresh = c_floor("copyfresh", bytes_of(n), 2))
}

bytes_of <- function(doubles) format(8 * doubles, scientific = FALSE)

times_faster <- function(text, side, times) {
  goal(text, function(m) m[["base R"]] >= times * m[[side]])
}

copied <- function(m) m[[".copy"]]

bench_row("threaded", "exp(x) + 3*sin(x), 5e7 doubles, 2 threads", function(at) {
  expression_sides(at, quote(exp(numbers) + 3 * sin(numbers)))
}, runs = 7, floor = copied, floor_is = "a copy on 2 threads", goals = list(
  times_faster("\u2265 10 \u00d7 base R", "avenir", 10),
  times_faster("\u2265 5 \u00d7 base R on 1 thread", "avenir, 1 thread", 5),
  goal("\u2264 4 \u00d7 a copy", function(m) m[["avenir"]] <= 4 * m[[".copy"]])))

bench_row("threaded-sum", "sum(exp(x) + 3*sin(x)), 5e7 doubles, 2 threads", function(at) {
  expression_sides(at, quote(sum(exp(numbers) + 3 * sin(numbers))))
}, runs = 7, floor = copied, floor_is = "a copy on 2 threads",
goals = list(times_faster("\u2265 15 \u00d7 base R", "avenir", 15)))

bench_row("threaded-in-place", "x <- tan(x) + 3*sin(x), 5e7 doubles, 2 threads", function(at) {
  expression_sides(at, quote(numbers <- tan(numbers) + 3 * sin(numbers)))
}, runs = 5, floor = copied, floor_is = "a copy on 2 threads")

bench_row("threaded-arithmetic", "2*x - 1, 5e7 doubles, 2 threads", function(at) {
  expression_sides(at, quote(2 * numbers - 1))
}, runs = 7, floor = copied, floor_is = "a copy on 2 threads")

# Microseconds matter here: 20,000 calls are a run.
small_sides <- function(n, times) {
  make <- function(code) {
    eval(bquote(compiler::cmpfun(function(x, times) for (i in seq_len(times)) .(code))), globalenv())
  }
  x <- (seq_len(n) %% 1000) / 100
  base <- make(quote(exp(x) + 3 * sin(x)))
  own <- make(quote(avenir::threaded(exp(x) + 3 * sin(x))))
  list(avenir = function() own(x, times), `base R` = function() base(x, times))
}

for (n in c(10, 499)) local({
  n <- n
  bench_row(sprintf("threaded-%d", n), sprintf("exp(x) + 3*sin(x), %d doubles", n), function(at) {
    small_sides(n, at$size(20000, 200))
  }, per = function(at) at$size(20000, 200), goals = list(goal("\u2264 3 \u00b5s slower than base R", function(m) {
    m[["avenir"]] - m[["base R"]] <= 3e-6
  })))
})
