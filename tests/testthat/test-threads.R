# cpu_threads(), threaded() and compiled_function(); random expressions are in test-threaded-random.R.

test_that("cpu_threads() is the cores' number, and gives the old one when it is set", {
  local_options(avenir.threads = NULL)
  expect_identical(cpu_threads(), as.integer(availableCores()))
  expect_identical(cpu_threads(3), as.integer(availableCores()))
  expect_identical(cpu_threads(), 3L)
  expect_identical(with_cpu_threads(1, cpu_threads()), 1L)
  expect_identical(cpu_threads(NULL), 3L)
  expect_identical(cpu_threads(), as.integer(availableCores()))
})

test_that("a number of threads that is none is refused", {
  for (bad in list(0, -1, 1.5, NA, "2", c(1, 2), Inf, 5000)) {
    expect_error(cpu_threads(bad), "whole number from 1 to 4096", class = "avenir_invalid_argument")
    expect_error(with_cpu_threads(bad, 1), class = "avenir_invalid_argument")
  }
  local_options(avenir.threads = "many")
  expect_error(cpu_threads(), "avenir.threads", class = "avenir_invalid_argument")
  x <- numeric(2000)
  options(avenir.threads = 0L)
  expect_error(threaded(exp(x)), "avenir.threads", class = "avenir_invalid_argument")
})

test_that("with_cpu_threads() undoes its change after an error", {
  local_options(avenir.threads = 2L)
  try(with_cpu_threads(5, stop("x")), silent = TRUE)
  expect_identical(cpu_threads(), 2L)
})

test_that("workers and forks have their share of the threads", {
  local_plan(multisession, workers = I(1))
  expect_identical(value(future(cpu_threads())), as.integer(availableCores()))
  value(future(cpu_threads(7)))
  expect_identical(value(future(cpu_threads())), as.integer(availableCores()))
  plan(multicore, workers = I(2))
  expect_identical(value(future(cpu_threads())), max(1L, as.integer(availableCores()) %/% 2L))
  plan(multicore, workers = I(1))
  expect_identical(value(future(cpu_threads())), as.integer(availableCores()))
})

test_that("a fork of a session that has used threads computes the same on one", {
  x <- runif(1e5)
  expected <- with_cpu_threads(2, threaded(sum(exp(x))))
  local_plan(multicore, workers = I(2))
  expect_identical(value(future(with_cpu_threads(2, threaded(sum(exp(x)))))), expected)
  expect_identical(parallel::mclapply(1:2, function(i) threaded(sum(exp(x))))[[2]], expected)
})

test_that("an interrupt ends a loop of threaded(), and the next one is right", {
  same <- in_child("
    x <- runif(1e6)
    y <- threaded(exp(x))
    started <- FALSE
    tryCatch(repeat {
      threaded(sum(exp(x)))
      if (!started) tools::pskill(Sys.getpid(), tools::SIGINT)
      started <- TRUE
    }, interrupt = function(e) NULL)
    mark('result', identical(threaded(exp(x)), y))")
  expect_true(same)
})

test_that("names, dim, dimnames and other attributes are R's", {
  n <- 2000L
  x <- stats::setNames(runif(n), seq_len(n))
  y <- structure(runif(n), note = "y")
  m <- matrix(runif(n), 20, dimnames = list(letters[1:20], NULL))
  for (code in expression(x + y, y + x, -x, exp(x), x > y, !x, is.na(x), m * x[1:20], m + y, pmin(x, y), pmax(y, x),
                          ifelse(x > 0.5, y, 0), m > 0.5, abs(m), as.numeric(x), (x), atan2(x, y), m^2)) {
    expect_equal(avenir:::cpp_threaded(code, environment()), eval(code), info = deparse(code), tolerance = 1e-15)
  }
})

test_that("a reduction inside an expression, and a shorter vector, are computed first", {
  x <- runif(5000)
  v <- runif(50)
  m <- matrix(x, 50)
  expect_equal(threaded((x - mean(x)) / sqrt(sum((x - mean(x))^2) / (length(x) - 1))), (x - mean(x)) / sd(x))
  expect_equal(threaded(m * exp(v) + sum(v)), m * exp(v) + sum(v))
  expect_equal(threaded(sum(x) / length(x)), mean(x))
  expect_equal(threaded(sum(x[x > 0.5])), sum(x[x > 0.5]))
  expect_equal(threaded(x + c(1, 2)), x + c(1, 2))
  data <- list(a = x)
  expect_equal(threaded(data$a + data[["a"]]), 2 * x)
})

test_that("a constant base of log() and the digits of round() are heeded", {
  x <- runif(2000, 0, 100)
  for (base in c(2, 10, 3)) expect_equal(threaded(log(x, base)), log(x, base))
  expect_equal(threaded(log(x, base = 7)), log(x, 7))
  expect_equal(threaded(round(x, 0)), round(x))
  expect_error(threaded(round(x, 2)), "whole numbers only", class = "avenir_invalid_argument")
})

# ---- In place ----

# Written out each time: a function that is given the vector would be one more that has it.
test_that("an assignment writes into a vector that nobody else has", {
  x <- runif(5000)
  expected <- tan(x) + 3 * sin(x)
  before <- utils::capture.output(.Internal(address(x)))
  expect_invisible(threaded(x <- tan(x) + 3 * sin(x)))
  expect_identical(utils::capture.output(.Internal(address(x))), before)
  expect_equal(x, expected)
  m <- matrix(runif(5000), 50, dimnames = list(NULL, 1:100))
  expected <- 2 * m - 1
  before <- utils::capture.output(.Internal(address(m)))
  threaded(m <- 2 * m - 1)
  expect_identical(utils::capture.output(.Internal(address(m))), before)
  expect_identical(m, expected)
})

test_that("a result is nobody else's: the next assignment writes into it", {
  x <- runif(5000)
  y <- threaded(exp(x))
  before <- utils::capture.output(.Internal(address(y)))
  threaded(y <- y + 1)
  y[1] <- 0
  expect_identical(utils::capture.output(.Internal(address(y))), before)
})

test_that("another variable keeps its vector, whoever has it", {
  x <- runif(5000)
  kept <- x + 0
  y <- x
  threaded(y <- y * 2)
  expect_identical(x, kept)
  expect_identical(y, kept * 2)
  in_list <- list(x)
  threaded(x <- x * 2)
  expect_identical(in_list[[1]], kept)
  x <- kept + 0
  closure <- function(v) {
    threaded(v <- -v)
    v
  }
  expect_identical(closure(x), -kept)
  expect_identical(x, kept)
})

test_that("an assignment to a new name, of another type or length makes a new vector", {
  x <- runif(5000)
  threaded(made <- x + 1)
  expect_identical(made, x + 1)
  kept <- x + 0
  threaded(x <- x > 0.5)
  expect_identical(x, kept > 0.5)
  i <- rep(1:5, 1000)
  threaded(i <- i / 2L)
  expect_identical(i, rep(1:5, 1000) / 2)
  total <- kept + 0
  threaded(total <- sum(total))
  expect_equal(total, sum(kept))
  few <- c(1, 2)
  threaded(few <- few + 1)
  expect_identical(few, c(2, 3))
})

test_that("a shared view is never written to, and a locked variable not at all", {
  x <- share(runif(1e5))
  kept <- x + 0
  again <- x
  threaded(x <- x * 2)
  expect_identical(again, kept)
  expect_identical(x, kept * 2)
  local({
    z <- runif(2000)
    before <- z + 0
    lockBinding("z", environment())
    expect_error(threaded(z <- z + 1), "locked")
    expect_identical(z, before)
  })
})

test_that("only names are assigned to", {
  x <- runif(2000)
  expect_error(threaded(x[1] <- 2), "assigns to names only", class = "avenir_invalid_argument")
})

# ---- What is refused ----

test_that("a function that is not known is named, also of short vectors", {
  for (x in list(runif(2000), 1)) {
    expect_error(threaded(x + gamma(x)), "cannot compute `gamma\\(\\)`", class = "avenir_invalid_argument")
    expect_error(threaded(stats::sd(x)), "given by its name", class = "avenir_invalid_argument")
    exp <- function(x) x
    expect_error(threaded(exp(x)), "`exp`, and here that name means something else", class = "avenir_invalid_argument")
    rm(exp)
  }
})

test_that("pmin() and pmax() begin with any number of single numbers", {
  x <- runif(3000)
  expect_identical(threaded(pmin(0.5, 0.2, x)), pmin(0.5, 0.2, x))
  expect_identical(threaded(pmax(1L, 7L, 3L, seq_along(x))), pmax(1L, 7L, 3L, seq_along(x)))
})

test_that("pmin() and pmax() of one vector are that vector, with its type", {
  flags <- rep(c(TRUE, NA, FALSE), 1000)
  expect_identical(threaded(pmax(flags)), pmax(flags))
  expect_identical(threaded(pmin(flags, na.rm = TRUE)), pmin(flags, na.rm = TRUE))
  expect_identical(threaded(pmin(flags, flags)), pmin(flags, flags))
  expect_identical(threaded(pmin(1:3000)), 1:3000)
  expect_identical(threaded(pmin(pmax(flags), 0.5)), pmin(pmax(flags), 0.5))
})

test_that("arguments are matched as R matches them, each of them once", {
  x <- runif(2000)
  y <- runif(2000)
  expect_identical(threaded(`-`(e2 = x, e1 = y)), x - y)
  expect_identical(threaded(`<`(e2 = x, e1 = y)), x < y)
  expect_equal(threaded(atan2(x = x, y = y)), atan2(y, x))
  for (code in expression(x - `-`(), sqrt(x) + sign(), x + xor(x > 0.5), atan2(x), ifelse(x > 0.5, 1), log(base = x),
                          x * `&`(), x + `(`(), x + `(`(x, x))) {
    expect_error(eval(bquote(threaded(.(code)))), "argument", class = "avenir_invalid_argument")
  }
  expect_error(threaded(abs(x = x, x = y)), "`x` twice", class = "avenir_invalid_argument")
})

test_that("what both answers of an ifelse() have warns when either is chosen", {
  x <- runif(2000) - 2
  for (code in expression(ifelse(x > 0, sqrt(x), sqrt(x) + 1), ifelse(x < 0, sqrt(x) + 1, sqrt(x)),
                          ifelse(x > 0, ifelse(x > 0, sqrt(x), 1), ifelse(x < 0, sqrt(x), 2)))) {
    expect_warning(eval(bquote(threaded(.(code)))), "NaNs produced")
  }
  expect_silent(threaded(ifelse(x > 0, sqrt(x), 1)))
  expect_silent(threaded(ifelse(x > 0, sqrt(x) + log(x), ifelse(x < 0, 1, sqrt(x)))))
})

test_that("na.rm is what its code gives, and one flag", {
  x <- c(NA, runif(2000))
  keep <- TRUE
  expect_identical(threaded(sum(x, na.rm = !keep)), NA_real_)
  expect_identical(threaded(max(x, na.rm = !keep) + x), NA * x)
  expect_identical(threaded(max(na.rm = !!keep, x) + x), max(x, na.rm = TRUE) + x)
  expect_identical(threaded(pmin(x, 0.5, na.rm = !!keep)), pmin(x, 0.5, na.rm = TRUE))
  for (code in expression(pmin(x + 1, na.rm = is.na(x)), sum(x, na.rm = is.na(x)), sum(x, na.rm = NA),
                          pmax(x, x, na.rm = NA))) {
    expect_error(eval(bquote(threaded(.(code)))), "na.rm must be TRUE or FALSE", class = "avenir_invalid_argument")
  }
  for (code in expression(pmin(na.rm = TRUE, x, na.rm = FALSE), mean(x, na.rm = TRUE, na.rm = TRUE))) {
    expect_error(eval(bquote(threaded(.(code)))), "`na.rm` twice", class = "avenir_invalid_argument")
  }
})

test_that("lengths that do not fit are named", {
  x <- runif(2000)
  y <- runif(1500)
  expect_error(threaded(x + y), "`x \\+ y` have 2000 and 1500 elements", class = "avenir_invalid_argument")
  expect_error(threaded(ifelse(x > 0.5, y, 0)), "as many as the test", class = "avenir_invalid_argument")
  m <- matrix(x, 20)
  expect_error(threaded(m + t), class = "avenir_invalid_argument")
  k <- matrix(x, 40)
  expect_error(threaded(m + k), "non-conformable", class = "avenir_invalid_argument")
  for (code in expression(c(m, m) + m, as.numeric(m < c(m, m)), pmax(0, m & c(m, m)))) {
    expect_error(eval(bquote(threaded(.(code)))), "non-conformable", class = "avenir_invalid_argument")
  }
})

test_that("vectors of other kinds are named", {
  x <- runif(2000)
  for (bad in list("a", 1i, raw(2), list(1), NULL, quote(a), mean)) {
    expect_error(threaded(x + bad), "`bad` in threaded\\(\\) is of type", class = "avenir_invalid_argument")
  }
  expect_error(threaded(x + missing_variable), "missing_variable")
  f <- function(...) threaded(x + ...)
  expect_error(f(1), "\\.\\.\\.", class = "avenir_invalid_argument")
})

test_that("a class with methods is refused, one without keeps what R keeps", {
  x <- runif(2000)
  dates <- list(as.Date(x, "2020-01-01"), as.POSIXct(x, origin = "2020-01-01"), as.difftime(x, units = "secs"))
  for (bad in c(list(factor(rep(1:2, 1000))), dates)) {
    expect_error(threaded(bad + 1), "has class .*whose method .* does not call", class = "avenir_invalid_argument")
  }
  plain <- structure(x, class = "without_methods", note = 1)
  expect_identical(threaded(plain + 1), plain + 1)
  Number <- methods::setClass("Number", contains = "numeric")
  number <- Number(x)
  expect_error(threaded(number + 1), "S4", class = "avenir_invalid_argument")
  methods::removeClass("Number")
})

test_that("each argument of pmin() and pmax() must fit the longest, and need not fit the others", {
  x <- as.numeric(1:6000)
  for (code in expression(pmin(x[1:3], x, x[1:4] + 5), pmax(x[1:40], x[1:75], x), pmin(1:3, 1:4, 1:6000))) {
    expect_identical(avenir:::cpp_threaded(code, environment()), eval(code))
  }
  expect_error(threaded(pmin(x, x[1:4001])), "4001 of the 6000", class = "avenir_invalid_argument")
  expect_error(threaded(pmax(1, x, x[1:4001])), "4001 of the 6000", class = "avenir_invalid_argument")
})

test_that("empty vectors are R's own", {
  x <- numeric()
  for (code in expression(x + 1, exp(x), sum(x), x > 1)) {
    expect_identical(avenir:::cpp_threaded(code, environment()), eval(code))
  }
  expect_warning(threaded(max(x)), "-Inf")
})

test_that("a conversion of nothing is R's own", {
  seen <- in_child('
    x <- 1:6000 / 2
    mark("result", list(threaded(x + as.integer() %/% TRUE), threaded(x + as.integer()), threaded(as.integer() < x)))
  ')
  expect_identical(seen, list(numeric(), numeric(), logical()))
})

test_that("a mathematical library that is not here is refused, and the next one chosen works", {
  x <- runif(2000)
  local_options(avenir.threads.math = "MKL")
  expect_error(threaded(exp(x)), "no such library", class = "avenir_invalid_argument")
  options(avenir.threads.math = "scalar")
  expect_identical(threaded(exp(x)), exp(x))
})

test_that("integer overflow, NaN and lost precision are warned of, with the part of the expression", {
  i <- rep(.Machine$integer.max, 2000)
  x <- rep(-1, 2000)
  warned <- tryCatch(threaded(2 * (i + 1L)), warning = identity)
  expect_identical(conditionMessage(warned), "NAs produced by integer overflow")
  expect_identical(conditionCall(warned), quote(i + 1L))
  warned <- tryCatch(threaded(1 + sqrt(x)), warning = identity)
  expect_identical(conditionCall(warned), quote(sqrt(x)))
  expect_warning(total <- threaded(sum(log(x))), "NaNs produced")
  expect_identical(total, NaN)
})

# ---- Compiled functions ----

test_that("a compiled function runs in threaded() and by itself, and draws R's random numbers", {
  compiled <- compile_examples()
  cube <- compiled_function(compiled$cube_pointer())
  x <- runif(50000)
  expect_equal(threaded(sum(cube(x) + 1)), sum(x^3 + 1))
  expect_equal(cube(x), x^3)
  expect_identical(cube(3), 27)
  expect_identical(cube(numeric()), numeric())
  expect_error(threaded(cube(x, x)), "2 arguments; the compiled function takes 1", class = "avenir_invalid_argument")
  expect_output(print(cube), "of 1 numeric vector>")
  of_two <- compiled_function(compiled$cube_pointer(), arguments = 2)
  expect_identical(threaded(of_two(x, x[1:5])), cube(x))
  expect_error(threaded(of_two(x, x[1:49999])), "49999 of the 50000", class = "avenir_invalid_argument")
  state <- c(10407L, 1:6)
  first <- compiled_function(compiled$first_pointer(state), arguments = 1)
  draws <- with_cpu_threads(2, threaded(first(1:100)))
  expect_identical(draws, first_draws(state, 100L))
})

test_that("a pointer of something else, and one that was saved, are refused", {
  expect_error(compiled_function(NULL), "block_pointer", class = "avenir_invalid_argument")
  expect_error(compiled_function(new.env()), "block_pointer", class = "avenir_invalid_argument")
  compiled <- compile_examples()
  expect_error(compiled_function(compiled$cube_pointer(), 9), "from 1 to 8", class = "avenir_invalid_argument")
  cube <- unserialize(serialize(compiled_function(compiled$cube_pointer()), NULL))
  expect_error(cube(1), "gone", class = "avenir_invalid_argument")
})
