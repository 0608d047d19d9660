# Elements that take different times.

# Sleeping, not computing: the ideal does not depend on the machine's other load.
nap <- plainly(function(seconds) Sys.sleep(seconds))

bench_row("uneven-sleeps", "4 \u00d7 0.5 s, then 12 \u00d7 0.05 s of sleep, default arguments", function(at) {
  naps <- rep(c(0.5, 0.05), c(4, 12)) / at$size(1, 10)
  named <- function(sides, how) {
    sides <- sides[!vapply(sides, is.null, NA)]
    stats::setNames(sides, paste(names(sides), how))
  }
  batches <- map_sides(naps, nap, at)
  singly <- map_sides(naps, nap, at, one_by_one = TRUE)
  kept <- setdiff(names(singly), c(".serial", "avenir", "foreach", "mirai"))
  c(list(.ideal = reports(function() sum(naps) / at$workers)), batches[setdiff(names(batches), ".serial")],
    named(singly[kept], "(one by one)"))
}, runs = 7, floor = function(m) m[[".ideal"]], floor_is = "the sum of the sleeps / workers",
goals = list(goal("\u2264 1.03 \u00d7 ideal", function(m) m[["avenir"]] <= 1.03 * m[[".ideal"]])))
