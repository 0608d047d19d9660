# gpu_array on every device there is: what base R's functions make of it is what they make of ordinary arrays.

special <- c(NA, NaN, Inf, -Inf, 0, -0, 1, -1, 2.5, -2.5, 1e300, 5e-324, 2^31)
m <- matrix(c(special, 7, 8), 3, dimnames = list(letters[1:3], NULL))
named <- c(a = 1.5, b = NA, c = -2)
integers <- matrix(c(1:5, NA, -3L, 0L, .Machine$integer.max), 3)
logicals <- c(TRUE, NA, FALSE, TRUE)
cube <- array(as.double(1:24), c(2, 3, 4), list(c("u", "v"), NULL, LETTERS[1:4]))
values <- list(x = m, n = named, i = integers, l = logicals, k = cube, v = special)

test_that("arrays come back as they were", {
  for (device in test_devices()) {
    for (x in c(values, list(numeric(), matrix(0, 0, 3), matrix(0, 3, 0), 3L, TRUE))) {
      expect_identical(ordinary(gpu_array(x, device = device)), x)
    }
    expect_identical(as.matrix(gpu_matrix(1:6, 2, device = device)), matrix(1:6, 2))
    expect_identical(as.matrix(gpu_matrix(1:6, 2, byrow = TRUE, device = device)), matrix(1:6, 2, byrow = TRUE))
    expect_identical(as.vector(gpu_vector(m, device = device)), as.vector(m))
    expect_identical(as.vector(gpu_array(c(1.9, NA), type = "integer", device = device)), c(1L, NA))
    expect_equal(as.vector(gpu_array(c(0.1, NA), type = "float", device = device)), c(0.1, NaN), tolerance = 1e-7)
    expect_identical(gpu_type(gpu_vector(1, type = "float", device = device)), "float")
    expect_identical(gpu_device(gpu_vector(1, device = device)), device)
  }
})

test_that("elementwise functions are base R's", {
  exact <- expression(x + x, x - 1, 2 * x, x / 3, -x, +x, x %% 2.5, x %/% 2.5, x + v[1:3], x > 0, 1 >= x, x == x,
                      x != 2.5,
                      x < v[3], x & TRUE, !x, l | FALSE, !l, i + 1L, i * i, i / 2L, i + 0.5, i %% 3L, i %/% 3L, -i,
                      l + l,
                      abs(x), abs(i), sqrt(x), floor(x), ceiling(x), trunc(x), round(x), sign(x), is.na(x), is.nan(x),
                      is.finite(x), is.infinite(x), is.na(i), is.na(l), n + n, n * 2, x^2, xor(l, TRUE), floor(i),
                      round(x, 1), k + 1, k * k, k > 3, x * as.vector(1:3), anyNA(x), anyNA(k), l == NA, i > 2.5)
  math <- expression(exp(x), log(x), log(x, 3), log2(x), log10(x), log1p(x), expm1(x), sin(n), cos(n), tan(n), asin(n),
                     acos(n), atan(x), sinh(n), cosh(n), tanh(x), asinh(x), acosh(x), atanh(n), x^1.5, 2^n, gamma(n),
                     lgamma(n), exp(i), cumprod(n), exp(sin(k) + 3 * cos(k)) / (1 + k^2), sinpi(n), cospi(n), tanpi(n))
  for (device in test_devices()) {
    for (code in exact) compare_code(code, values, device, if (device == "cpu") "exact" else "math")
    for (code in math) compare_code(code, values, device, "math")
  }
})

test_that("choices and extremes are base R's", {
  for (device in test_devices()) {
    x <- gpu_array(m, device = device)
    expect_as_base(ifelse(x > 0, x, -1), ifelse(m > 0, m, -1))
    expect_as_base(gpu_ifelse(x > 0, 1L, 0L), ifelse(m > 0, 1L, 0L))
    expect_as_base(gpu_pmin(x, 1), pmin(m, 1))
    expect_as_base(gpu_pmax(0, x, na.rm = TRUE), pmax(as.vector(m), 0, na.rm = TRUE))
    expect_as_base(pmax(x, 0), pmax(m, 0))
    expect_as_base(gpu_atan2(x, 2), atan2(m, 2), "math")
    expect_as_base(pmin(gpu_vector(1:3, device = device), 2L), pmin(1:3, 2L))
  }
})

test_that("reductions are base R's, with and without what is missing", {
  for (device in test_devices()) {
    for (of in list(c(1.5, 2, -3), special, 1:10, c(NA, 3L), logicals, numeric(), integer(), c(NaN, 1), TRUE)) {
      x <- gpu_vector(of, device = device)
      for (f in c("sum", "mean", "prod", "min", "max", "range")) {
        for (na_rm in c(FALSE, TRUE)) {
          one <- function(x) suppressWarnings(do.call(f, list(x, na.rm = na_rm)))
          expect_as_base(one(x), one(of), "sums", paste(f, show_value(of), na_rm, device))
        }
      }
      expect_identical(any(x > 1), any(of > 1))
      expect_identical(all(x > 1, na.rm = TRUE), all(of > 1, na.rm = TRUE))
    }
    x <- gpu_vector(c(1, 5, 2), device = device)
    expect_identical(sum(x, 1:3, 10), 24)
    expect_identical(range(x, 0), c(0, 5))
    expect_identical(sum(exp(x) > 3), sum(exp(c(1, 5, 2)) > 3))
    expect_identical(gpu_which_max(x), 2L)
    expect_identical(gpu_which_min(gpu_vector(c(a = NA, b = 1), device = device)), c(b = 2L))
    expect_identical(sd(x), sd(c(1, 5, 2)))
  }
})

test_that("rows, columns and cumulative sums are base R's", {
  codes <- expression(rowSums(x), colSums(x), rowMeans(x), colMeans(x), rowSums(x, na.rm = TRUE),
                      colMeans(x, na.rm = TRUE),
                      rowSums(i), colSums(i, na.rm = TRUE), rowSums(k), colSums(k), rowSums(k, dims = 2),
                      colMeans(k, dims = 2),
                      rowSums(2 * k + 1), cumsum(n), cumsum(i), cumsum(l), cumsum(v))
  for (device in test_devices()) for (code in codes) compare_code(code, values, device, "sums")
  for (device in test_devices()) {
    expect_identical(as.vector(rowSums(gpu_matrix(numeric(), 3, 0, device = device))), numeric(3))
    expect_identical(as.vector(colMeans(gpu_matrix(numeric(), 0, 2, device = device))), c(NaN, NaN))
  }
})

test_that("parts of arrays are base R's", {
  codes <- expression(x[2], x[c(1, NA, 20)], x[-1], x[x > 0], x[2, ], x[, 2], x[2, , drop = FALSE], x[c("a", "c"), 2:1],
                      x[-2, c(TRUE, FALSE)], x[0, ], x[, 0], n["a"], n[c("c", "zz")], n[], x[], k[1, 2, 3], k[, , 2],
                      k["u", , c("A", "D")], k[, 2, , drop = FALSE], x[cbind(1:2, 2:3)], rep(n, 2), rep(v, each = 2),
                      rev(n),
                      head(v, 3), tail(v, 2), head(x, 2), x[[4]], x[2:3, 3:2], n[3:1], v[seq(1, 9, 2)], t(x), t(n),
                      x["a", ], x[3, 5], x[FALSE], c(n, 1, n), i[2, ], l[c(TRUE, FALSE)])
  for (device in test_devices()) for (code in codes) compare_code(code, values, device)
})

test_that("[[ takes one element or is the error of base R", {
  plain <- list(v = 1:3, n = c(a = 1, b = 2), m = matrix(1:6, 2), k = array(1:24, 2:4))
  taken <- expression(v[[2]], v[[4]], v[[-1]], v[[1:2]], v[[NA]], n[["b"]], n[["z"]], m[[6]], m[[7]], m[[2, 3]],
                      m[[3, 1]], m[[1:2, 1]], k[[2, 3, 4]], k[[24]])
  taken_from <- function(values, code) tryCatch(ordinary(eval(code, values)), error = function(e) "an error")
  for (device in test_devices()) {
    arrays <- lapply(plain, gpu_array, device = device)
    for (code in taken) {
      expect_equal(taken_from(arrays, code), taken_from(plain, code), info = deparse(code))
    }
    expect_error(arrays$v[[4]], "subscript out of bounds", class = "avenir_invalid_argument")
  }
})

test_that("assignments to parts are base R's, and leave other variables alone", {
  assignments <- expression(x[2] <- 0, x[x > 1] <- 7, x[2, ] <- 1:5, x[, 2] <- 9, x[1:2, 2:3] <- matrix(1:4, 2),
                            x[] <- 3,
                            x["a", ] <- NA, n["b"] <- 5, k[1, , ] <- 0, k[, 2, 3] <- c(5, 6), x[-1, 1] <- 4, i[2] <- 2L,
                            i[2] <- 2.5, l[3] <- NA, x[2:3] <- c(1, 2), diag(i) <- 0L, n[2:3] <- n[1:2])
  for (device in test_devices()) {
    for (code in assignments[-16]) {
      arrays <- lapply(values, gpu_array, device = device)
      before <- arrays
      expected <- values
      changed <- as.character(all.vars(code[[2]])[1L])
      eval(code, arrays <- list2env(arrays))
      eval(code, expected <- list2env(expected))
      expect_as_base(arrays[[changed]], expected[[changed]], info = deparse(code))
      expect_identical(ordinary(before[[changed]]), values[[changed]])
    }
  }
})

test_that("arrays side by side are base R's", {
  codes <- expression(cbind(x, 1), rbind(x, 9), cbind(n, n), rbind(a = n, b = n), cbind(x, x), rbind(x, x),
                      cbind(1:3, x),
                      cbind(i, 0L), cbind(i, 0.5), cbind(x, new = n))
  for (device in test_devices()) for (code in codes) compare_code(code, values, device)
})

test_that("sorting and orders are base R's", {
  codes <- expression(sort(v), sort(v, decreasing = TRUE), sort(v, na.last = TRUE), sort(n), sort(i), sort(l), order(v),
                      order(v, decreasing = TRUE), v[order(v)], sort(v, na.last = FALSE))
  for (device in test_devices()) {
    for (code in codes) compare_code(code, values, device)
    x <- gpu_vector(c(2, NA, 1, 2), device = device)
    y <- gpu_vector(c(4, 3, 2, 1), device = device)
    expect_identical(as.vector(gpu_order(x, y)), order(c(2, NA, 1, 2), 4:1))
    expect_identical(as.vector(gpu_order(x, na.last = NA)), order(c(2, NA, 1, 2), na.last = NA))
    expect_identical(as.vector(gpu_order(x, na.last = FALSE, decreasing = TRUE)),
                     order(c(2, NA, 1, 2), na.last = FALSE, decreasing = TRUE))
  }
})

test_that("names and extents can be set", {
  for (device in test_devices()) {
    x <- gpu_vector(1:6, device = device)
    dim(x) <- c(2, 3)
    dimnames(x) <- list(c("a", "b"), NULL)
    expect_identical(ordinary(x), matrix(1:6, 2, dimnames = list(c("a", "b"), NULL)))
    expect_identical(nrow(x), 2L)
    expect_true(is.matrix(x))
    y <- gpu_vector(1:2, device = device)
    names(y) <- c("u", "v")
    expect_identical(ordinary(y), c(u = 1L, v = 2L))
    expect_error(dim(x) <- c(4, 2), "do not match the length", class = "avenir_invalid_argument")
    expect_error(dimnames(x) <- list(c("a", "b", "c"), NULL), "must match", class = "avenir_invalid_argument")
    expect_output(print(x), "<gpu_array: 2 x 3, integer, on ")
    expect_output(str(y), "vector of 2")
  }
})

test_that("floats stay floats beside R's numbers, and become doubles beside doubles", {
  for (device in test_devices()) {
    x <- gpu_vector(c(0.1, 0.2, 0.3), type = "float", device = device)
    for (y in list(x + 1, exp(x), x * c(1, 2, 3), x + x, x / 2L, ifelse(x > 0.15, x, 0), sqrt(x), cumsum(x), sort(x),
                   x[2:3])) {
      expect_identical(gpu_type(y), "float")
    }
    expect_identical(gpu_type(x + gpu_vector(1:3 / 2, device = device)), "double")
    expect_as_base(exp(x) * 2, exp(c(0.1, 0.2, 0.3)) * 2, "float")
    expect_equal(sum(x), 0.6, tolerance = 1e-6)
    expect_as_base(x %*% x, matrix(0.14), "float")
  }
})

test_that("random expressions are base R's", {
  seed <- sample.int(1e6, 1)
  set.seed(seed)
  for (device in test_devices()) {
    for (extents in list(7, c(3, 5), c(1, 1), c(2000, 2), 0, c(0, 4))) {
      x <- random_elements(extents)
      y <- random_elements(extents)
      arrays <- list(x = gpu_array(x, device = device), y = gpu_array(y, device = device))
      for (code in expression((x + 1) * y, ifelse(x > y, x, y), abs(x) - floor(y),
                              pmax(pmin(x, 1e9), -1e9) %% 3 + y, (x <= y) & (x > 0),
                              pmax(x, y,
                                   na.rm = TRUE), is.na(x) | y == 1, -x / (1 + y^2), x[x > 0 & !is.na(x)],
                                   sum(x > y, na.rm = TRUE))) {
        expected <- suppressWarnings(eval(code, list(x = x, y = y)))
        found <- suppressWarnings(ordinary(eval(code, arrays)))
        if (!length(x)) storage.mode(expected) <- typeof(found)  # R's ifelse() of nothing is logical
        expect_as_base(found, expected, "math", paste(deparse(code), "extents", deparse(extents), "seed", seed, device))
      }
    }
  }
})

test_that("an operation is noted, and computed when it is needed", {
  for (device in test_devices()) {
    x <- gpu_vector(runif(10), device = device)
    y <- exp(x) + 3 * sin(x)
    expect_false(avenir:::cpp_gpu_is_computed(y))
    expect_true(avenir:::cpp_gpu_is_computed(gpu_eval(y)))
    long <- x
    for (k in 1:200) long <- long * 0.99 + x
    expected <- as.vector(x)
    for (k in 1:200) expected <- expected * 0.99 + as.vector(x)
    expect_equal(as.vector(long), expected)
    both <- exp(x) * exp(-x) + x
    for (k in 1:30) both <- both + both
    expect_equal(as.vector(both), (1 + as.vector(x)) * 2^30)
  }
})

test_that("fused() and gpu_eval() take ordinary vectors and give them back", {
  z <- runif(5000)
  m <- matrix(z, 50, dimnames = list(NULL, 1:100))
  scale <- 3
  for (device in test_devices()) {
    expect_as_base(gpu_eval(exp(z) + scale * sin(z), device), exp(z) + 3 * sin(z), "math")
    expect_as_base(gpu_eval(sum(exp(m)), device), sum(exp(m)), "sums")
    f <- fused(function(x, y = 2) pmin(exp(x), y) * scale, device)
    expect_as_base(f(m), pmin(exp(m), 2) * 3, "math")
    expect_as_base(f(z[1:10], y = 1), pmin(exp(z[1:10]), 1) * 3, "math")
    x <- gpu_vector(z, device = device)
    expect_s4_class(f(x), "gpu_array")
    expect_true(avenir:::cpp_gpu_is_computed(f(x)))
  }
})

test_that("random numbers are those of the state", {
  state <- rng_streams(1, seed = 7)[[1]]
  for (device in test_devices()) {
    for (n in c(0, 1, 1000, 70000)) {
      expect_identical(as.vector(gpu_runif(n, state, 2, 5, device = device)), thread_runif(n, state, 2, 5))
      normal <- as.vector(gpu_rnorm(n, state, 10, 2, device = device))
      if (device == "cpu") expect_identical(normal, thread_rnorm(n, state, 10, 2))
      expect_equal(normal, thread_rnorm(n, state, 10, 2), tolerance = 1e-14)
    }
    expect_equal(as.vector(gpu_runif(5, state, type = "float", device = device)), thread_runif(5, state),
                 tolerance = 1e-7)
  }
  expect_error(gpu_runif(3, 1:7), class = "avenir_invalid_argument")
  expect_error(gpu_runif(3, state, 2, 1), "above", class = "avenir_invalid_argument")
  expect_error(gpu_rnorm(3, state, sd = -1), "negative", class = "avenir_invalid_argument")
  expect_error(gpu_rnorm(3, state, type = "integer"), "float", class = "avenir_invalid_argument")
})
