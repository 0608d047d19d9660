# Random calls of maps, and what another package gives for them.

# ---- Calls of future.apply's maps

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

random_apply_call <- function() {
  draws <- random_draws()
  map <- sample(names(random_arguments), 1L)
  new_call(map, c(random_arguments[[map]](draws), random_tail(draws)))
}

# ---- Calls of furrr's maps. Left out is what older versions of purrr do otherwise than the newest: numbers as strings,
# NULL as one of several vectors, NA from predicates; and `.x = NULL`, of which furrr makes an error.

random_mapper <- function() {
  pick(random_function_of_any(), ~ list(.x, ..1), ~ length(.), "a", 1, 2L, -1, list(1, 1), list(1, length), c("a", "b"))
}

random_function_of_any <- function() {
  pick(function(...) list(...), function(...) length(..1), function(...) class(..1), function(...) names(list(...)),
       function(...) NULL, function(x, ...) x, function(...) nargs(), function(...) if (length(..1) > 1L) stop("long"))
}

random_type_mapper <- list(
  chr = function() {
    pick(~ paste(class(.x), collapse = "/"), function(...) "s", function(...) NA,
         function(x, ...) if (is.character(x) || is.list(x)) x else "n")
  },
  dbl = function() pick(~ length(.x) / 2, function(...) 1L, function(x, ...) x, "a", 1, function(...) numeric(2)),
  int = function() pick(~ length(.x), function(...) 2, function(x, ...) x, function(...) 2.5, function(...) NA_real_),
  lgl = function() pick(~ is.character(.x), function(...) 1L, function(x, ...) x, function(...) 0, function(...) "a")
)

random_furrr_options <- function(seed) {
  backwards <- function(x) structure(x, ordering = function(n) rev(seq_len(n)))
  chunks <- pick(list(), list(chunk_size = sample.int(5L, 1L)), list(scheduling = pick(0, 2, Inf, FALSE)),
                 list(chunk_size = backwards(2)), list(scheduling = backwards(TRUE)))
  c(list(seed = seed), chunks)
}

# list(suffix, .f, seed): draws with a seed have their own types.
random_mapping <- function() {
  if (runif(1) < 0.3) {
    seed <- pick(TRUE, sample.int(1e6L, 1L), c(10407L, sample.int(1e6L, 6L)))
    return(pick(list("_dbl", ~ stats::runif(1), seed), list("", function(...) stats::rnorm(2), seed),
                list("_int", ~ sample.int(10L, 1L), seed)))
  }
  type <- pick("", "", names(random_type_mapper))
  type <- sample(type, 1L)
  list(if (nzchar(type)) paste0("_", type) else "", if (nzchar(type)) random_type_mapper[[type]]() else random_mapper(),
       FALSE)
}

random_lengths <- function(k) {
  n <- sample(0:6, 1L)
  lapply(seq_len(k), function(i) random_vector(pick(n, n, n, 1L, sample(0:6, 1L))))
}

# family -> function that gives the list of a call's inputs
random_furrr_inputs <- list(
  map = function() list(pick(random_vector(sample(0:6, 1L)), random_frame(), matrix(1:4, 2))),
  map2 = function() random_lengths(2L),
  pmap = function() {
    l <- random_lengths(sample(0:3, 1L))
    list(if (length(l)) stats::setNames(l, sample(c("", "p", "x", "q"), length(l))) else l)
  },
  imap = function() list(pick(random_vector(sample(0:6, 1L)), random_frame()))
)

random_frame <- function() data.frame(u = 1:2, v = c("a", "b"), w = factor(c("x", "y")))[sample(3L, sample(0:3, 1L))]

random_furrr_map <- function() {
  family <- sample(names(random_furrr_inputs), 1L)
  mapping <- random_mapping()
  map <- paste0("future_", family, mapping[[1L]])
  if (runif(1) < 0.1) map <- paste0("future_", sub("map", "walk", family))
  arguments <- c(random_furrr_inputs[[family]](), list(mapping[[2L]]), maybe(list(more = 1)))
  if (family == "map" && length(arguments[[1L]]) > 0L && runif(1) < 0.1) arguments[[1L]] <- as.list(arguments[[1L]])
  new_call(map, arguments, random_furrr_options(mapping[[3L]]))
}

random_modify <- function() {
  x <- pick(random_vector(sample(1:6, 1L)), random_frame(), sample.int(9L, 4L), runif(3), c(a = "s", b = "t"),
            c(TRUE, FALSE))
  f <- pick(function(x, ...) x, function(x, ...) rev(x), ~ .x[1L], function(x, ...) if (is.numeric(x)) x * 2 else x)
  which <- pick(list("future_modify"), list("future_modify_if", random_predicate(x)),
                list("future_modify_at", random_places(x)), list("future_map_if", random_predicate(x)),
                list("future_map_at", random_places(x)))
  others <- if (grepl("_if", which[[1L]])) maybe(list(.else = function(x, ...) x[0L]))
  new_call(which[[1L]], c(list(x), which[-1L], list(f), others), random_furrr_options(FALSE))
}

random_predicate <- function(x) pick(is.numeric, ~ is.character(.x), runif(length(x)) < 0.5, function(x) length(x) > 1L)

random_places <- function(x) {
  pick(sample(length(x), sample(0:length(x), 1L)), -1, names(x)[seq_len(min(2L, length(x)))], c(1, 99))
}

random_furrr_call <- function() if (runif(1) < 0.75) random_furrr_map() else random_modify()

# ---- Evaluating them

# `options`: arguments of furrr_options(), for its maps.
new_call <- function(map, arguments, options = NULL) {
  list(map = map, arguments = arguments, options = options, kind = pick("Mersenne-Twister", "L'Ecuyer-CMRG"),
       seed = sample.int(1e6L, 1L))
}

# The value (without its call, "error" for an error of furrr's maps) and a draw afterwards. From the tests' environment
# furrr's generic functions would find avenir's methods.
evaluate_call <- function(call, package) {
  RNGkind(call$kind)
  set.seed(call$seed)
  map <- getExportedValue(package, call$map)
  if (is.null(call$options)) {
    value <- do.call(map, call$arguments, quote = TRUE)
    attr(value, "call") <- NULL
  } else {
    options <- do.call(getExportedValue(package, "furrr_options"), call$options)
    arguments <- c(call$arguments, list(.options = options))
    value <- tryCatch(do.call(map, arguments, quote = TRUE, envir = globalenv()), error = function(e) "error")
  }
  list(value = value, after = runif(1))
}

# Expects that `calls` give under every plan what they give in the other package.
expect_same_calls <- function(calls, package, seed) {
  expected <- suppressWarnings(lapply(calls, evaluate_call, package))
  for (name in names(conformance_plans())) {
    set_plan_of(conformance_plans()[[name]])
    for (i in seq_along(calls)) {
      info <- sprintf("AVENIR_TEST_SEED=%d, call %d, plan %s: %s", seed, i, name, deparse1(calls[[i]]))
      expect_identical(evaluate_call(calls[[i]], "avenir"), expected[[i]], info = info)
    }
    plan(sequential)
  }
}

# n calls that `make` makes from the seed.
calls_from <- function(seed, n, make) {
  kinds <- RNGkind()
  on.exit(RNGkind(kinds[1L], kinds[2L], kinds[3L]))
  RNGkind("Mersenne-Twister")
  set.seed(seed)
  replicate(n, make(), simplify = FALSE)
}

# Sets the generator's kinds back when the calling test ends.
local_kinds <- function(frame = parent.frame()) {
  kinds <- RNGkind()
  undo <- function() RNGkind(kinds[1L], kinds[2L], kinds[3L])
  do.call(base::on.exit, list(as.call(list(undo)), add = TRUE, after = FALSE), envir = frame)
}

