# Each map of future.apply and furrr beside the original: many small elements, where the cost of a map shows.

# `call`: a function of the map and the data that makes the call; `base`: what it gives without workers. `package` has
# the original under the same name.
bench_family <- function(package, map, call, base) {
  bench_row(paste0("family-", sub("^future_", "", map)), sprintf("%s(), 5,000 small elements", map), function(at) {
    data <- family_data(at$size(5000, 200))
    force(base)
    at_avenir <- function() {
      use_avenir(at$workers)
      call(getExportedValue("avenir", map), data)
    }
    at_original <- function() {
      use_future(at$workers)
      call(getExportedValue(package, map), data)
    }
    sides <- list(function() base(data), at_avenir, if_has(package, at_original))
    stats::setNames(sides, c(".serial", "avenir", package))
  }, runs = 5, goals = list(goal("\u2264 the original", function(m) m[["avenir"]] <= m[[package]])))
}

family_data <- function(n) {
  x <- as.numeric(seq_len(n))
  list(n = n, x = x, named = stats::setNames(x, paste0("e", x)), matrix = matrix(seq_len(4 * n), 4),
       group = rep(seq_len(n), each = 2), env = list2env(stats::setNames(as.list(x), paste0("e", x))),
       frame = data.frame(v = rep(x, each = 2)), series = matrix(seq_len(40 * 50) / 7, 40))
}

half <- plainly(function(x, ...) x / 2)
sum_of <- plainly(function(x, y, ...) x + y)
in_order <- function(x) x[order(names(x))]

bench_family("future.apply", "future_sapply", function(f, d) f(d$x, half), function(d) sapply(d$x, half))
bench_family("future.apply", "future_vapply", function(f, d) f(d$x, half, 0), function(d) vapply(d$x, half, 0))
bench_family("future.apply", "future_mapply", function(f, d) f(sum_of, d$x, d$x),
             function(d) mapply(sum_of, d$x, d$x))
bench_family("future.apply", "future_Map", function(f, d) f(sum_of, d$x, d$x), function(d) Map(sum_of, d$x, d$x))
bench_family("future.apply", "future_.mapply", function(f, d) f(sum_of, list(d$x, d$x), NULL),
             function(d) .mapply(sum_of, list(d$x, d$x), NULL))
bench_family("future.apply", "future_replicate", function(f, d) f(d$n, 1), function(d) replicate(d$n, 1))
bench_family("future.apply", "future_apply", function(f, d) f(d$matrix, 2, sum),
             function(d) apply(d$matrix, 2, sum))
bench_family("future.apply", "future_tapply", function(f, d) f(d$frame$v, d$group, sum),
             function(d) tapply(d$frame$v, d$group, sum))
bench_family("future.apply", "future_by", function(f, d) c(f(d$frame[1:1000, , drop = FALSE], d$group[1:1000], nrow)),
             function(d) c(by(d$frame[1:1000, , drop = FALSE], d$group[1:1000], nrow)))
bench_family("future.apply", "future_eapply", function(f, d) in_order(f(d$env, half)),
             function(d) in_order(eapply(d$env, half)))
bench_family("future.apply", "future_Filter", function(f, d) f(function(x) x > 9, d$x),
             function(d) Filter(function(x) x > 9, d$x))
bench_family("future.apply", "future_kernapply", function(f, d) f(d$series, stats::kernel("daniell", 2)),
             function(d) stats::kernapply(d$series, stats::kernel("daniell", 2)))

bench_family("furrr", "future_map", function(f, d) f(d$named, half), function(d) lapply(d$named, half))
bench_family("furrr", "future_map_dbl", function(f, d) f(d$x, ~ .x / 2), function(d) vapply(d$x, half, 0))
bench_family("furrr", "future_map_chr", function(f, d) f(d$x, as.character), function(d) as.character(d$x))
bench_family("furrr", "future_map2_dbl", function(f, d) f(d$x, d$x, sum_of), function(d) d$x + d$x)
bench_family("furrr", "future_pmap_dbl", function(f, d) f(list(x = d$x, y = 1), sum_of), function(d) d$x + 1)
bench_family("furrr", "future_imap_chr", function(f, d) f(d$named, ~ .y),
             function(d) stats::setNames(names(d$named), names(d$named)))
bench_family("furrr", "future_walk", function(f, d) f(d$x, half), function(d) d$x)
bench_family("furrr", "future_modify", function(f, d) f(d$named, half), function(d) d$named / 2)
bench_family("furrr", "future_map_if", function(f, d) f(d$x, ~ .x > 9, half),
             function(d) lapply(d$x, function(x) if (x > 9) x / 2 else x))
bench_family("furrr", "future_map_at", function(f, d) f(d$named, "e9", half),
             function(d) replace(as.list(d$named), "e9", list(4.5)))
