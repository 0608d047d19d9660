# Random calls give what the installed future.apply gives: values with names, dims and attributes, and the state of the
# generator afterwards. Left out is what older versions of it do otherwise than the newest (errors, Filter(),
# kernapply(), data frames in tapply(), sessions without .Random.seed), and vapply() of nothing, which fails in all.

pick <- function(...) {
  choices <- list(...)
  choices[[sample.int(length(choices), 1L)]]
}

maybe <- function(x, otherwise = NULL) if (runif(1) < 0.5) x else otherwise

with_names <- function(x) {
  if (length(x) && runif(1) < 0.4) names(x) <- sample(c("", letters), length(x), replace = TRUE)
  x
}

random_vector <- function(n) {
  with_names(pick(sample.int(100L, n, TRUE), round(rnorm(n), 3), sample(letters, n, TRUE), runif(n) < 0.5,
                  lapply(seq_len(n), function(i) pick(NULL, i, c(a = 1, b = i), "s", list(i, "t"))),
                  as.Date("2020-01-01") + seq_len(n), factor(sample(letters[1:3], n, TRUE)), complex(n, 1, 2)))
}

# Functions of anything.
random_function <- function() {
  pick(function(...) list(...), function(...) length(list(...)[[1L]]), function(...) class(..1), "paste",
       function(...) stats::setNames(seq_len(3), c("u", "v", "w")), function(...) matrix(nargs(), 2, 2),
       function(...) NULL, function(...) names(list(...)), function(...) format(..1))
}

# list(FUN, future.seed)
random_draws <- function() {
  draw <- pick(function(...) stats::runif(1), function(...) stats::rnorm(3), function(...) sample.int(10L, 2L))
  pick(list(random_function(), FALSE), list(draw, TRUE), list(draw, sample.int(1e6L, 1L)),
       list(draw, c(10407L, sample.int(1e6L, 6L))))
}

random_chunks <- function() {
  backwards <- function(x) structure(x, ordering = function(n) rev(seq_len(n)))
  pick(list(), list(future.chunk.size = sample.int(5L, 1L)), list(future.scheduling = pick(0, 0.5, 2, Inf, FALSE)),
       list(future.chunk.size = backwards(2)), list(future.scheduling = backwards(TRUE)))
}

random_tail <- function(draws) c(list(future.seed = draws[[2L]]), random_chunks())

random_array <- function() {
  dims <- sample.int(4L, pick(2L, 2L, 3L), TRUE)
  names <- lapply(dims, function(n) maybe(sample(letters, n)))
  names(names) <- maybe(c("one", "two", "three")[seq_along(dims)])
  size <- prod(dims)
  content <- pick(seq_len(size), rnorm(size), sample(letters, size, TRUE), as.list(seq_len(size)))
  array(content, dims, maybe(names))
}

random_margin <- function(x) {
  margin <- sample(seq_along(dim(x)), sample.int(length(dim(x)) - 1L, 1L))
  if (is.null(names(dimnames(x)))) margin else maybe(names(dimnames(x))[margin], margin)
}

random_factor <- function(n) {
  some <- factor(sample(c("a", "b", "d"), n, TRUE), levels = letters[1:4])
  pick(some, sample(2L, n, TRUE), sample(c("x", NA), n, TRUE))
}

random_index <- function(n) {
  pick(random_factor(n), list(random_factor(n)), list(f = random_factor(n), g = random_factor(n)))
}

# map -> function that gives the list of a call's arguments
random_arguments <- list(
  future_lapply = function(draws) list(random_vector(sample(0:6, 1L)), draws[[1L]]),
  future_sapply = function(draws) {
    list(random_vector(sample(0:6, 1L)), draws[[1L]], simplify = pick(TRUE, FALSE, "array"), USE.NAMES = runif(1) < 0.7)
  },
  future_vapply = function(draws) {
    cases <- pick(list(function(x) length(x), 1L), list(function(x, k) c(a = k, b = 2), numeric(2), k = 7),
                  list(function(x) matrix("s", 2, 2), matrix("", 2, 2)), list(function(x) 1:2, c(p = 0L, q = 0L)))
    c(list(random_vector(sample(1:4, 1L))), cases)
  },
  future_mapply = function(draws) {
    n <- sample(1:6, 1L)
    dots <- lapply(seq_len(sample.int(3L, 1L)), function(i) random_vector(pick(n, n, 1L, maybe(0L, n))))
    names(dots) <- maybe(c("p", "", "r")[seq_along(dots)])
    c(list(draws[[1L]]), dots, list(MoreArgs = maybe(list(more = 1:2)), SIMPLIFY = pick(TRUE, FALSE, "array"),
                                    USE.NAMES = runif(1) < 0.7))
  },
  future_Map = function(draws) list(draws[[1L]], random_vector(4L), random_vector(pick(2L, 4L))),
  future_.mapply = function(draws) list(draws[[1L]], list(random_vector(3L), b = random_vector(3L)), list(k = "k")),
  future_apply = function(draws) {
    x <- random_array()
    fun <- pick(draws[[1L]], identity, length, rev, function(x) x[1L], function(x) seq_len(length(x[[1L]]) + length(x)))
    list(x, random_margin(x), fun, simplify = runif(1) < 0.8)
  },
  future_tapply = function(draws) {
    n <- sample(1:9, 1L)
    fun <- pick(draws[[1L]], length, range, function(x) x[1L])
    list(sample.int(50L, n), random_index(n), fun, default = pick(NA, 0L), simplify = runif(1) < 0.8)
  },
  future_by = function(draws) {
    n <- sample(1:9, 1L)
    data <- data.frame(p = rnorm(n), q = sample(letters, n))
    list(pick(data, data["p"], data$p), random_index(n), match.fun(draws[[1L]]), simplify = runif(1) < 0.8)
  },
  future_eapply = function(draws) {
    variables <- stats::setNames(as.list(1:4), c("a", "b", ".c", "d"))
    list(list2env(variables), draws[[1L]], all.names = runif(1) < 0.5, USE.NAMES = runif(1) < 0.7)
  }
)

random_call <- function() {
  draws <- random_draws()
  map <- sample(names(random_arguments), 1L)
  arguments <- c(random_arguments[[map]](draws), random_tail(draws))
  list(map = map, arguments = arguments, kind = pick("Mersenne-Twister", "L'Ecuyer-CMRG"), seed = sample.int(1e6L, 1L))
}

# The value (without its call) and a draw afterwards.
evaluate_call <- function(call, package) {
  RNGkind(call$kind)
  set.seed(call$seed)
  value <- do.call(getExportedValue(package, call$map), call$arguments, quote = TRUE)
  attr(value, "call") <- NULL
  list(value = value, after = runif(1))
}

seed <- varied_seed()

test_that("200 random calls give what future.apply gives, under every plan", {
  skip_if_not_installed("future.apply")
  kinds <- RNGkind()
  on.exit(RNGkind(kinds[1L], kinds[2L], kinds[3L]))
  RNGkind("Mersenne-Twister")
  set.seed(seed)
  calls <- replicate(200L, random_call(), simplify = FALSE)
  expected <- lapply(calls, evaluate_call, "future.apply")
  for (name in names(conformance_plans())) {
    set_plan_of(conformance_plans()[[name]])
    for (i in seq_along(calls)) {
      info <- sprintf("AVENIR_TEST_SEED=%d, call %d, plan %s: %s", seed, i, name, deparse1(calls[[i]]))
      expect_identical(evaluate_call(calls[[i]], "avenir"), expected[[i]], info = info)
    }
    plan(sequential)
  }
})
