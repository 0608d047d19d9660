# gpu_array on the CPU: what one operation costs that is only noted, and fused expressions beside base R.

array_operations <- function(times, code) {
  make <- function(code) {
    eval(bquote(compiler::cmpfun(function(x, times) for (i in seq_len(times)) .(code))), globalenv())
  }
  x <- avenir::gpu_vector(stats::runif(10), device = "cpu")
  noted <- make(code)
  list(avenir = function() noted(x, times))
}

for (operation in c("x + 1", "exp(x)")) local({
  code <- str2lang(operation)
  bench_row(paste0("array-", if (operation == "exp(x)") "function" else "operator"),
            sprintf("gpu_array: %s, noted", operation), function(at) {
    array_operations(at$size(20000, 200), code)
  }, per = function(at) at$size(20000, 200),
  goals = list(goal("\u2264 10 \u00b5s", function(m) m[["avenir"]] <= 10e-6)))
})

array_sides <- function(at, code) {
  n <- bench_numbers(at)
  array <- avenir::gpu_vector(get("numbers", globalenv()), device = "cpu")
  compute <- function(threads) {
    force(threads)
    function() {
      avenir::cpu_threads(threads)
      avenir::gpu_eval(eval(code, list(numbers = array)))
      NULL
    }
  }
  list(avenir = compute(2L), `avenir, 1 thread` = compute(1L), `base R` = by_base(code),
       .copy = c_floor("copy", bytes_of(n), 2))
}

bench_row("array-fused", "gpu_array on the CPU: exp(x) + 3*sin(x), 5e7 doubles, 2 threads", function(at) {
  array_sides(at, quote(exp(numbers) + 3 * sin(numbers)))
}, runs = 5, floor = copied, floor_is = "a copy on 2 threads",
goals = list(times_faster("\u2265 5 \u00d7 base R", "avenir", 5)))

bench_row("array-sum", "gpu_array on the CPU: sum(exp(x) + 3*sin(x)), 5e7 doubles, 2 threads", function(at) {
  array_sides(at, quote(sum(exp(numbers) + 3 * sin(numbers))))
}, runs = 5, floor = copied, floor_is = "a copy on 2 threads",
goals = list(times_faster("\u2265 10 \u00d7 base R", "avenir", 10)))
