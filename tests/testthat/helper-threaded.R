# Random expressions for threaded(), and the numbers that they are about.

special_numbers <- c(NA, NaN, Inf, -Inf, 0, -0, 1, -1, 2, 0.5, -0.5, 5e-324, -2.2e-308, 1.7e308, -1.7e308, 1e-300, 2^31,
                     2^53, 0.1, 1e8, pi)

random_doubles <- function(n) {
  x <- switch(sample(4L, 1L), rnorm(n), runif(n, -10, 10), round(rnorm(n, sd = 3)),
              10^runif(n, -320, 300) * sign(rnorm(n)))
  at <- which(runif(n) < 0.2)
  x[at] <- sample(special_numbers, length(at), TRUE)
  x
}

random_integers <- function(n) {
  x <- sample(c(-3:3, NA, .Machine$integer.max, -.Machine$integer.max, 46341L, 65536L), n, TRUE)
  as.integer(x)
}

random_logicals <- function(n) sample(c(TRUE, FALSE, NA), n, TRUE)

# Variables of n elements (a matrix of `rows` rows among them), of one, and of the rows.
random_variables <- function(n, rows) {
  list(x = random_doubles(n), y = stats::setNames(random_doubles(n), paste0("y", seq_len(n))), i = random_integers(n),
       j = structure(random_integers(n), note = "kept"), l = random_logicals(n), m = matrix(random_doubles(n), rows),
       k = matrix(random_integers(n), rows, dimnames = list(NULL, paste0("c", seq_len(n / rows)))),
       r = random_doubles(rows), s = random_doubles(1L), t = random_integers(1L), u = random_logicals(1L))
}

one_of <- function(...) sample(c(...), 1L)

# An expression over the variables. `depth` calls above each other at most.
random_expression <- function(depth) {
  if (depth == 0L || runif(1) < 0.15) return(random_leaf())
  inner <- function() random_expression(depth - 1L)
  switch(sample(9L, 1L, prob = c(4, 2, 1, 3, 1, 1, 1, 0.3, 1)),
         call(one_of("+", "-", "*", "/", "^", "%%", "%/%"), inner(), inner()),
         call(one_of("==", "!=", "<", "<=", ">", ">="), inner(), inner()),
         call(one_of("&", "|", "xor"), inner(), inner()),
         call(one_of(names_of_mathematics, "abs", "-", "+", "(", "round"), inner()),
         call("ifelse", inner(), inner(), inner()),
         as.call(c(as.name(one_of("pmin", "pmax")), inner(), inner(), if (runif(1) < 0.3) list(na.rm = TRUE))),
         call(one_of("is.na", "is.finite", "is.infinite", "!", "as.numeric", "as.integer", "as.logical"), inner()),
         call("is.nan", random_leaf()),  # of two NaNs that meet in an operation, which one wins is open
         call("+", random_reduction(inner), inner()))
}

# Sums of what is exact in any order.
random_reduction <- function(inner) {
  name <- one_of("sum", "mean", "prod", "min", "max")
  of <- if (name %in% c("min", "max")) inner() else call("+", quote(l), call(one_of("is.na", "is.finite"), inner()))
  as.call(c(as.name(name), of, if (runif(1) < 0.3) list(na.rm = TRUE)))
}

random_leaf <- function() {
  if (runif(1) < 0.2) return(sample(list(2, 2L, 0.5, -1, 3L, TRUE, NA, 1e300, 10), 1L)[[1L]])
  as.name(sample(c("x", "y", "i", "j", "l", "m", "k", "r", "s", "t", "u"), 1L))
}

names_of_mathematics <- c("exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan",
                          "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sinpi", "cospi", "tanpi", "sqrt", "floor",
                          "ceiling", "trunc", "sign")

# What an expression gives, its warnings and its error.
outcome_of <- function(code, env, threads = FALSE) {
  warnings <- character()
  evaluate <- function() if (threads) avenir:::cpp_threaded(code, env) else eval(code, env)
  value <- tryCatch(
    withCallingHandlers(evaluate(), warning = function(w) {
      warnings <<- unique(c(warnings, conditionMessage(w)))
      invokeRestart("muffleWarning")
    }), error = function(e) e)
  list(value = value, warnings = sort(warnings))
}

# Which of two NaNs wins is the processor's.
same_value <- function(a, b) {
  plain <- function(x) {
    if (is.double(x)) x[is.na(x)] <- NA
    x
  }
  identical(plain(a), plain(b))
}

# Base R warns of lengths that do not fit, where threaded() refuses; of what ^ does at -Inf; and it leaves alone what no
# element of an ifelse() chooses, be it a constant.
same_warnings <- function(base, ours, code) {
  unlike <- c(if ("^" %in% all.names(code)) "probable complete loss of accuracy in modulus")
  if ("ifelse" %in% all.names(code)) return(all(setdiff(base$warnings, unlike) %in% ours$warnings))
  setequal(setdiff(base$warnings, unlike), setdiff(ours$warnings, unlike))
}

# What is unlike base R in one expression; "" for nothing, NA when it has no value in either.
unlike_base <- function(code, env) {
  base <- outcome_of(code, env)
  ours <- outcome_of(code, env, threads = TRUE)
  refused <- inherits(ours$value, "avenir_invalid_argument")
  if (inherits(ours$value, "error") && "ifelse" %in% all.names(code)) return(NA_character_)  # in what is not chosen
  if (refused || inherits(base$value, "error")) {
    return(if (refused || inherits(ours$value, "error")) NA_character_ else paste("an error:", deparse1(code)))
  }
  if (!same_value(base$value, ours$value)) return(paste("the value:", deparse1(code)))
  if (!same_warnings(base, ours, code)) return(paste("the warnings:", deparse1(code)))
  ""
}

# Sets how few elements are computed by threads until the calling test ends.
local_minimum <- function(elements, frame = parent.frame()) {
  before <- avenir:::cpp_threaded_minimum(elements)
  undo <- function() avenir:::cpp_threaded_minimum(before)
  do.call(base::on.exit, list(as.call(list(undo)), add = TRUE, after = FALSE), envir = frame)
}

# How far apart two numbers are, in units of the last place of the second. NA and NaN count as equal to themselves, and
# to each other: which of two operands' NaN wins is the processor's.
units_apart <- function(a, b) {
  exponent <- pmax(floor(log2(abs(b))), -1022)
  distance <- abs(a - b) / 2^(exponent - 52)
  distance[(is.na(a) & is.na(b)) | (a == b) %in% TRUE] <- 0
  distance[is.na(distance)] <- Inf
  distance
}

with_options <- function(options, expr) {
  before <- do.call(base::options, options)
  on.exit(base::options(before))
  expr
}

# Whether this machine has the library (of a width, with ":AVX2" and so on).
has_mathematics <- function(kind) {
  x <- numeric(2000)
  !inherits(try(with_options(list(avenir.threads.math = kind), threaded(exp(x))), silent = TRUE), "try-error")
}

# Functions in C++ by avenir/threaded.h, compiled once.
compiled_examples <- new.env()
compile_examples <- function() {
  if (length(compiled_examples)) return(compiled_examples)
  Rcpp::sourceCpp(env = compiled_examples, code = '
    // [[Rcpp::depends(avenir)]]
    #include <avenir/threaded.h>
    double cube(double x) { return x * x * x; }
    void first(const double* const* in, double* out, size_t n, void* data) {
      for (size_t i = 0; i < n; ++i) out[i] = static_cast<avenir::stream*>(data)->jumped(in[0][i] - 1).next();
    }
    // [[Rcpp::export]]
    SEXP cube_pointer() { return avenir::block_pointer(avenir::each<cube>); }
    // [[Rcpp::export]]
    SEXP first_pointer(Rcpp::IntegerVector state) {
      return avenir::block_pointer(first, new avenir::stream(state.begin()));
    }')
  compiled_examples
}

# The first number of each of the streams.
first_draws <- function(state, count) {
  before <- get0(".Random.seed", globalenv(), inherits = FALSE)
  kinds <- RNGkind()
  on.exit({
    do.call(RNGkind, as.list(kinds))
    if (is.null(before)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", before, globalenv())
  })
  vapply(seq_len(count), function(i) {
    assign(".Random.seed", state, globalenv())
    state <<- parallel::nextRNGStream(state)
    stats::runif(1)
  }, 0)
}
