# thread_sort() and its relatives beside base R, on 2 threads.

vector_sides <- function(own, base) {
  force(base)
  list(avenir = function() {
    avenir::cpu_threads(2L)
    own()
  }, `base R` = base)
}

twice <- function(times) {
  goal(sprintf("\u2265 %g \u00d7 base R", times), function(m) m[["base R"]] >= times * m[["avenir"]])
}

bench_row("vector-sort", "sort of 1e7 doubles", function(at) {
  x <- stats::runif(at$size(1e7, 2e4))
  vector_sides(function() avenir::thread_sort(x), function() sort(x))
}, runs = 5, goals = list(twice(6)))

bench_row("vector-sort-integers", "sort of 1e7 integers", function(at) {
  x <- sample.int(1e6L, at$size(1e7, 2e4), TRUE)
  vector_sides(function() avenir::thread_sort(x), function() sort(x))
}, runs = 5)

bench_row("vector-order", "order of 1e7 doubles", function(at) {
  x <- stats::runif(at$size(1e7, 2e4))
  vector_sides(function() avenir::thread_order(x), function() order(x))
}, runs = 5, goals = list(twice(3)))

bench_row("vector-order-2", "order of 1e7 rows by a group and a double", function(at) {
  x <- stats::runif(at$size(1e7, 2e4))
  group <- sample.int(100L, length(x), TRUE)
  vector_sides(function() avenir::thread_order(group, x), function() order(group, x))
}, runs = 5)

bench_row("vector-table", "table of 1e7 integers with 100 values", function(at) {
  x <- sample.int(100L, at$size(1e7, 2e4), TRUE)
  vector_sides(function() avenir::thread_table(x), function() table(x))
}, runs = 5, goals = list(twice(3)))

bench_row("vector-table-factor", "table of a factor of 1e7", function(at) {
  x <- factor(sample.int(100L, at$size(1e7, 2e4), TRUE))
  vector_sides(function() avenir::thread_table(x), function() table(x))
}, runs = 5, goals = list(twice(3)))

bench_row("vector-sum", "sum of 5e7 doubles", function(at) {
  n <- bench_numbers(at)
  sides <- vector_sides(function() plainly_rounded(avenir::thread_sum(globalenv()$numbers)),
                        function() plainly_rounded(sum(globalenv()$numbers)))
  c(sides, .read = c_floor("read", bytes_of(n), 2))
}, runs = 9, floor = function(m) m[[".read"]], floor_is = "reading the bytes on 2 threads",
goals = list(goal("\u2264 1.2 \u00d7 the floor", function(m) m[["avenir"]] <= 1.2 * m[[".read"]])))

# Sums of two kinds differ in the last digits.
plainly_rounded <- function(x) signif(x, 12)

bench_row("vector-cumsum", "cumulative sum of 5e7 doubles", function(at) {
  bench_numbers(at)
  vector_sides(function() NROW(avenir::thread_cumsum(globalenv()$numbers)),
               function() NROW(cumsum(globalenv()$numbers)))
}, runs = 5)
