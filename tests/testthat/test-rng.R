# Known answers: base R (parallel, set.seed) where it has them; for the seeds of futures and maps the golden
# values of future 1.70 and future.apply 1.20.

generators <- list(
  mersenne = c("Mersenne-Twister", "Inversion", "Rejection"),
  lecuyer = c("L'Ecuyer-CMRG", "Inversion", "Rejection"),
  wichmann = c("Wichmann-Hill", "Inversion", "Rounding")
)
box_muller <- c("L'Ecuyer-CMRG", "Box-Muller", "Rejection")

# Evaluates `code` with a generator (named above, or its kinds) just seeded, or not used yet (seed = NULL);
# then restores the session's own.
with_generator <- function(generator, seed, code) {
  old <- globalenv()$.Random.seed
  kinds <- RNGkind()
  on.exit({
    set_kinds(kinds)
    forget_seed()
    if (!is.null(old)) assign(".Random.seed", old, envir = globalenv())
  })
  set_kinds(if (length(generator) == 1) generators[[generator]] else generator)
  if (is.null(seed)) forget_seed() else set.seed(seed)
  code
}

set_kinds <- function(kinds) suppressWarnings(RNGkind(kinds[1], kinds[2], kinds[3]))

forget_seed <- function() if (has_seed()) rm(".Random.seed", envir = globalenv())

has_seed <- function() exists(".Random.seed", envir = globalenv(), inherits = FALSE)

current_seed <- function() globalenv()$.Random.seed

# n states by base R alone.
iterated <- function(state, n, step) Reduce(function(s, i) step(s), seq_len(n - 1), state, accumulate = TRUE)

# What a map over n elements draws, one element after the other, and what the caller draws afterwards.
draw_map <- function(n, seed, draw) {
  seeds <- map_seeds(seed, n)
  values <- lapply(seq_len(n), function(i) with_element_seed(element_seed(seeds, i), draw(i)))
  list(values = unlist(values), after = runif(2))
}

draw_future <- function(seed, draw) {
  values <- with_element_seed(future_seed(seed), draw)
  list(values = values, after = runif(2))
}

with_element_seed <- function(seed, code) {
  force(seed)
  old <- current_seed()
  on.exit(assign(".Random.seed", old, envir = globalenv()))
  assign(".Random.seed", seed, envir = globalenv())
  code
}

expect_invalid <- function(object, message, ...) {
  expect_error(object, message, class = "avenir_invalid_argument", ...)
}

start <- c(10407L, 407L, -1500000000L, 3L, 4L, 5L, 6L)

# ---- Streams ----

test_that("streams are those of parallel::nextRNGStream() from set.seed()", {
  expected <- with_generator("lecuyer", 42, iterated(current_seed(), 1000, parallel::nextRNGStream))
  expect_identical(rng_streams(1000, seed = 42), expected)
})

test_that("substreams are those of parallel::nextRNGSubStream()", {
  expected <- with_generator("lecuyer", 42, iterated(current_seed(), 100, parallel::nextRNGSubStream))
  expect_identical(rng_streams(100, seed = 42, substreams = TRUE), expected)
})

test_that("streams of a state begin with the state itself", {
  expect_identical(rng_streams(5, seed = start), iterated(start, 5, parallel::nextRNGStream))
})

test_that("a state written in doubles is taken as its integers", {
  expect_identical(rng_streams(2, seed = as.numeric(start)), rng_streams(2, seed = start))
})

test_that("streams keep the session's sampling kind", {
  kind_word <- with_generator("wichmann", 1, rng_streams(1, seed = 1)[[1]][1])
  expect_identical(kind_word, 407L)
})

test_that("no streams are an empty list", {
  expect_identical(rng_streams(0, seed = 1), list())
})

test_that("streams of a seed leave the session's generator alone", {
  for (kind in names(generators)) {
    after <- with_generator(kind, 7, { rng_streams(3, seed = 1); current_seed() })
    expect_identical(after, with_generator(kind, 7, current_seed()))
  }
})

test_that("streams of a seed leave an unused generator unused and its kind alone", {
  state <- with_generator("wichmann", NULL, {
    rng_streams(3, seed = 1)
    list(used = has_seed(), kind = RNGkind())
  })
  expect_identical(state, list(used = FALSE, kind = generators$wichmann))
})

test_that("streams without a seed begin at the session's own L'Ecuyer-CMRG state", {
  expected <- with_generator("lecuyer", 3, iterated(current_seed(), 3, parallel::nextRNGStream))
  expect_identical(with_generator("lecuyer", 3, rng_streams(3)), expected)
})

test_that("streams without a seed can be repeated by set.seed() under any kind", {
  for (kind in names(generators)) {
    expect_identical(with_generator(kind, 3, rng_streams(3)), with_generator(kind, 3, rng_streams(3)))
  }
})

test_that("two calls without a seed give no stream twice", {
  for (kind in names(generators)) {
    states <- with_generator(kind, 3, c(rng_streams(3), rng_streams(3)))
    expect_false(anyDuplicated(states) > 0)
  }
})

test_that("after streams without a seed the L'Ecuyer-CMRG session goes on in the stream after them", {
  states <- with_generator("lecuyer", 3, c(rng_streams(3), list(current_seed())))
  expect_identical(states[[4]], parallel::nextRNGStream(states[[3]]))
})

test_that("after substreams without a seed the L'Ecuyer-CMRG session goes on in the next stream", {
  states <- with_generator("lecuyer", 3, c(rng_streams(3, substreams = TRUE), list(current_seed())))
  expect_identical(states[[4]], parallel::nextRNGStream(states[[1]]))
})

test_that("an unused session gives streams and keeps its kind", {
  kind <- with_generator("wichmann", NULL, { rng_streams(2); RNGkind() })
  expect_identical(kind, generators$wichmann)
})

# ---- Jumps ----

test_that("a jump of n streams is n calls of parallel::nextRNGStream()", {
  expect_identical(rng_jump(start, 777), iterated(start, 778, parallel::nextRNGStream)[[778]])
})

test_that("a jump of n substreams is n calls of parallel::nextRNGSubStream()", {
  expect_identical(rng_jump_sub(start, 777), iterated(start, 778, parallel::nextRNGSubStream)[[778]])
})

test_that("advancing k draws is the state after runif(k)", {
  for (k in c(0, 1, 2, 1000)) {
    expect_identical(rng_advance(start, k), with_rng_stream(start, { runif(k); current_seed() }))
  }
})

test_that("jumps beyond 2^53 add up, and end where the wider steps do", {
  expect_identical(rng_advance(start, 2^127), parallel::nextRNGStream(start))
  expect_identical(rng_advance(start, 2^76 * 3), iterated(start, 4, parallel::nextRNGSubStream)[[4L]])
  expect_identical(rng_jump_sub(start, 2^51), parallel::nextRNGStream(start))
  expect_identical(rng_advance(start, 2^190 + 2^140), rng_jump(start, 2^63 + 2^13))
  expect_identical(rng_jump_sub(start, 2^114), rng_jump(start, 2^63))
  halves <- 2^53 + 2^54
  expect_identical(rng_jump(rng_jump(start, halves - 4), 4), rng_jump(start, halves))
})

test_that("jumps of 2^53 add up", {
  for (jump in list(rng_jump, rng_jump_sub, rng_advance)) {
    expect_identical(jump(jump(start, 2^53 - 1), 1), jump(start, 2^53))
  }
})

test_that("a word with R's NA bits is a word like any other", {
  state <- c(10407L, NA, 2L, 3L, 4L, 5L, 6L)
  expect_identical(rng_jump(state, 1), parallel::nextRNGStream(state))
})

test_that("a state keeps its kind word", {
  expect_identical(rng_jump(c(107L, 1:6), 1), parallel::nextRNGStream(c(107L, 1:6)))
})

# ---- with_rng_stream ----

test_that("an expression draws from the stream", {
  expected <- with_generator("lecuyer", 42, runif(3))
  expect_identical(with_rng_stream(rng_streams(1, seed = 42)[[1]], runif(3)), expected)
})

test_that("a stream leaves the session's generator as it was", {
  for (kind in names(generators)) {
    after <- with_generator(kind, 7, { with_rng_stream(start, rnorm(3)); current_seed() })
    expect_identical(after, with_generator(kind, 7, current_seed()))
  }
})

test_that("a stream leaves the session's generator as it was after an error", {
  after <- with_generator("mersenne", 7, {
    try(with_rng_stream(start, { runif(1); stop("x") }), silent = TRUE)
    current_seed()
  })
  expect_identical(after, with_generator("mersenne", 7, current_seed()))
})

test_that("a stream leaves an unused generator unused and its kinds alone", {
  state <- with_generator("wichmann", NULL, {
    with_rng_stream(start, runif(1))
    list(used = has_seed(), kind = RNGkind())
  })
  expect_identical(state, list(used = FALSE, kind = generators$wichmann))
})

test_that("a stream leaves no kind behind that R would seed a removed state with", {
  kind <- with_generator("wichmann", 7, { with_rng_stream(start, runif(1)); forget_seed(); RNGkind() })
  expect_identical(kind, generators$wichmann)
})

test_that("an expression in a stream sees the variables around it and keeps its visibility", {
  x <- 5
  expect_identical(withVisible(with_rng_stream(start, invisible(x))), list(value = 5, visible = FALSE))
})

# ---- The session's generator ----

test_that("removing the state brings R's default kinds back unless others are given", {
  kinds <- with_generator("wichmann", 1, { set_random_seed(NULL); list(RNGkind(), has_seed()) })
  expect_identical(kinds, list(generators$mersenne, FALSE))
})

test_that("removing the state brings the given kinds back, without a warning", {
  kinds <- with_generator("mersenne", 1, {
    expect_silent(set_random_seed(NULL, generators$wichmann))
    list(RNGkind(), has_seed())
  })
  expect_identical(kinds, list(generators$wichmann, FALSE))
})

test_that("a state set is the state got", {
  expect_identical(with_generator("mersenne", 1, { set_random_seed(start); get_random_seed() }), start)
})

test_that("a generator not used yet has no state", {
  expect_null(with_generator("mersenne", NULL, get_random_seed()))
})

test_that("one step forward is one uniform draw in every kind", {
  for (kind in names(generators)) {
    draws <- with_generator(kind, 5, runif(4))
    expect_identical(with_generator(kind, 5, { forward_rng(3); runif(1) }), draws[4])
  }
})

# ---- Seeds ----

test_that("seed TRUE under another kind is the state that RNGkind() derives, and the session stays", {
  expected <- with_generator("mersenne", 9, { RNGkind("L'Ecuyer-CMRG"); current_seed() })
  seen <- with_generator("mersenne", 9, list(as_lecuyer_seed(TRUE), current_seed()))
  expect_identical(seen, list(expected, with_generator("mersenne", 9, current_seed())))
})

test_that("seed TRUE in an L'Ecuyer-CMRG session of another normal kind is derived anew, as future does", {
  expected <- with_generator(box_muller, 9, { RNGkind("L'Ecuyer-CMRG"); current_seed() })
  expect_identical(with_generator(box_muller, 9, as_lecuyer_seed(TRUE)), expected)
})

test_that("a fractional seed is truncated as set.seed() does", {
  expect_identical(as_lecuyer_seed(42.9), as_lecuyer_seed(42L))
})

test_that("a state loses its attributes", {
  expect_identical(as_lecuyer_seed(structure(start, names = letters[1:7])), start)
})

test_that("no seed is no seed", {
  for (seed in list(NULL, FALSE)) {
    expect_null(map_seeds(seed, 3))
    expect_null(future_seed(seed))
  }
  expect_null(element_seed(NULL, 1))
})

test_that("no seed leaves the session's generator alone", {
  after <- with_generator("mersenne", 7, {
    for (seed in list(NULL, FALSE)) list(map_seeds(seed, 3), future_seed(seed))
    current_seed()
  })
  expect_identical(after, with_generator("mersenne", 7, current_seed()))
})

test_that("a map over nothing has no seeds and leaves the session's generator alone", {
  seen <- with_generator("mersenne", 7, list(map_seeds(TRUE, 0), current_seed()))
  expect_identical(seen, list(NULL, with_generator("mersenne", 7, current_seed())))
})

test_that("element i starts in the first substream of stream i", {
  seeds <- map_seeds(start, 50)
  expected <- lapply(iterated(start, 50, parallel::nextRNGStream), parallel::nextRNGSubStream)
  expect_identical(lapply(1:50, function(i) element_seed(seeds, i)), expected)
})

test_that("element seeds can be asked for in any order, far ahead", {
  seeds <- map_seeds(start, 1e9)
  expect_identical(element_seed(seeds, 1e9), parallel::nextRNGSubStream(rng_jump(start, 1e9 - 1)))
})

test_that("listed seeds are used as they are", {
  listed <- list(c(10407L, 1:6), c(10407L, 2:7))
  expect_identical(element_seed(map_seeds(listed, 2), 2), listed[[2]])
})

test_that("listed seeds may be of any kind", {
  listed <- lapply(1:2, function(i) with_generator("mersenne", i, current_seed()))
  expect_identical(element_seed(map_seeds(listed, 2), 1), listed[[1]])
})

test_that("checking listed seeds leaves an unused generator's kind alone", {
  kind <- with_generator("wichmann", NULL, { map_seeds(list(start), 1); RNGkind() })
  expect_identical(kind, generators$wichmann)
})

test_that("a future with one number is the next stream, where a map's first element is the substream", {
  base <- as_lecuyer_seed(42)
  expect_identical(future_seed(42), parallel::nextRNGStream(base))
  expect_identical(element_seed(map_seeds(42, 1), 1), parallel::nextRNGSubStream(base))
})

test_that("a future with a state has that state and moves nothing", {
  seen <- with_generator("mersenne", 7, list(future_seed(as.numeric(start)), current_seed()))
  expect_identical(seen, list(start, with_generator("mersenne", 7, current_seed())))
})

test_that("an unused session keeps its kind and no state after a future with a number", {
  state <- with_generator("wichmann", NULL, { future_seed(1); list(has_seed(), RNGkind()) })
  expect_identical(state, list(FALSE, generators$wichmann))
})

test_that("an unused session keeps its kind after a map or a future with TRUE", {
  kinds <- with_generator("wichmann", NULL, {
    map_seeds(TRUE, 3)
    after_map <- RNGkind()
    forget_seed()
    future_seed(TRUE)
    list(after_map, RNGkind())
  })
  expect_identical(kinds, list(generators$wichmann, generators$wichmann))
})

test_that("a map with a number draws the same in a session not used yet", {
  values <- with_generator("mersenne", NULL, draw_map(4, 4321L, function(i) runif(2))$values)
  expect_identical(values, with_generator("mersenne", 12, draw_map(4, 4321L, function(i) runif(2))$values))
})

test_that("the caller's generator moves by two draws, by one for listed seeds, in its own kind", {
  for (kind in names(generators)) {
    draws <- with_generator(kind, 5, runif(3))
    expect_identical(with_generator(kind, 5, { map_seeds(TRUE, 3); runif(1) }), draws[3])
    expect_identical(with_generator(kind, 5, { map_seeds(1L, 3); runif(1) }), draws[3])
    expect_identical(with_generator(kind, 5, { map_seeds(list(start), 1); runif(1) }), draws[2])
  }
})

test_that("invalid seeds leave the caller's generator alone", {
  bad <- list("a", NA, 1:2, list(1L, 2L), list(c(10408L, 1:6), start))
  after <- with_generator("mersenne", 7, {
    for (seed in bad) try(map_seeds(seed, 2), silent = TRUE)
    current_seed()
  })
  expect_identical(after, with_generator("mersenne", 7, current_seed()))
})

# ---- Golden values ----

golden_true <- list(
  mersenne = list(
    values = c(0.9025287764, -0.5842333284, 1.087080617, 1.14770615, 1.208027747, 0.1776911403, -0.5790243963,
               -0.3722941707),
    after = c(0.510608373, 0.01404790836)
  ),
  lecuyer = list(
    values = c(-1.470595536, -0.6529664289, 1.339610988, 0.6297739887, 0.3033320978, -0.09648820685,
               -0.5444101358, -0.4963737731),
    after = c(0.8915520467, 0.8656704209)
  ),
  wichmann = list(
    values = c(1.480697946, 1.759444847, -1.664981342, -0.04842370893, 0.5765672101, -0.8540733963,
               -0.1527662895, 2.202485568),
    after = c(0.5250066025, 0.517189942)
  )
)

test_that("future_lapply(future.seed = TRUE) draws as in future.apply 1.20", {
  for (kind in names(generators)) {
    expect_equal(with_generator(kind, 11, draw_map(4, TRUE, function(i) rnorm(2))), golden_true[[kind]])
  }
})

golden_number <- list(
  values = c(0.6879103861, 0.4420744877, 0.9270386714, 0.833997591, 0.2220955187, 0.3379697665, 0.1305784483,
             0.2722259382),
  after = list(mersenne = c(0.9426217324, 0.2693818763), lecuyer = c(0.4776554062, 0.5948533681),
               wichmann = c(0.5174432108, 0.03389042168))
)

test_that("future_lapply(future.seed = <number>) draws as in future.apply 1.20", {
  for (kind in names(generators)) {
    expected <- list(values = golden_number$values, after = golden_number$after[[kind]])
    expect_equal(with_generator(kind, 12, draw_map(4, 4321L, function(i) runif(2))), expected)
  }
})

golden_state_after <- list(mersenne = c(0.3896344446, 0.09138367255), lecuyer = c(0.7661797445, 0.2675373055),
                           wichmann = c(0.7669508413, 0.7654522099))

test_that("future_lapply(future.seed = <state>) draws as in future.apply 1.20", {
  for (kind in names(generators)) {
    expected <- list(values = c(0.4490871517, 0.6856860147, 0.8610970187), after = golden_state_after[[kind]])
    expect_equal(with_generator(kind, 13, draw_map(3, c(10407L, 1:6), function(i) runif(1))), expected)
  }
})

golden_sapply_after <- list(mersenne = c(0.4682630859, 0.7768196517), lecuyer = c(0.3253424504, 0.9732610154),
                            wichmann = c(0.663064644, 0.8288490272))

test_that("future_sapply() draws as in future.apply 1.20", {
  values <- c(0.5932777043, 1.475928547, 0.6588166619, 1.085672327, 0.1677851841, 0.4508847803, 1.132846331)
  for (kind in names(generators)) {
    expected <- list(values = values, after = golden_sapply_after[[kind]])
    expect_equal(with_generator(kind, 17, draw_map(7, 9L, function(i) rexp(1))), expected)
  }
})

golden_replicate <- list(
  mersenne = list(values = c(4, 8, 6, 2, 6, 5), after = c(0.6512070268, 0.06839667633)),
  lecuyer = list(values = c(9, 10, 4, 10, 10, 2), after = c(0.6578681715, 0.359121337)),
  wichmann = list(values = c(4, 3, 7, 10, 5, 8), after = c(0.9050088828, 0.07711129521))
)

test_that("future_replicate() draws as in future.apply 1.20, by the session's sampling kind", {
  for (kind in names(generators)) {
    drawn <- with_generator(kind, 19, draw_map(3, TRUE, function(i) sample(10, 2)))
    expect_equal(drawn, golden_replicate[[kind]])
  }
})

golden_future_true <- list(
  mersenne = list(values = c(0.5061609457, -1.566987054), after = c(0.7685332086, 0.2789631383)),
  lecuyer = list(values = c(-1.750766958, -0.1121378089), after = c(0.6255007207, 0.243971531)),
  wichmann = list(values = c(-0.2772765758, 0.3292641335), after = c(0.5587176772, 0.8974454911))
)

test_that("future(seed = TRUE) draws as in future 1.70", {
  for (kind in names(generators)) {
    expect_equal(with_generator(kind, 20, draw_future(TRUE, rnorm(2))), golden_future_true[[kind]])
  }
})

golden_future_after <- list(mersenne = c(0.7861149271, 0.2524455956), lecuyer = c(0.5304150028, 0.2019398806),
                            wichmann = c(0.0361554465, 0.7038774875))

test_that("future(seed = <number>) draws as in future 1.70", {
  for (kind in names(generators)) {
    expected <- list(values = c(0.09214262294, 0.945373509), after = golden_future_after[[kind]])
    expect_equal(with_generator(kind, 21, draw_future(77L, rnorm(2))), expected)
  }
})

golden_list_after <- list(mersenne = c(0.2230728557, 0.3318965894), lecuyer = c(0.8986818031, 0.1657926849),
                          wichmann = c(0.1853263935, 0.1331808592))

test_that("future_lapply(future.seed = <list>) draws as in future.apply 1.20", {
  listed <- lapply(1:3, function(i) c(10407L, i + 0:5))
  values <- c(0.00100949784, 0.001343802847, 0.001678107853)
  for (kind in names(generators)) {
    expected <- list(values = values, after = golden_list_after[[kind]])
    expect_equal(with_generator(kind, 23, draw_map(3, listed, function(i) runif(1))), expected)
  }
})

# ---- Bad input ----

test_that("a count that is not a whole number from 0 is refused by name and value", {
  for (n in list(-1, 1.5, NA, NaN, Inf, "3", 1:2, NULL, 2^191)) {
    expect_invalid(rng_jump(start, n), "`n` must be one whole number from 0, below 2^64; it is ", fixed = TRUE)
    expect_invalid(rng_jump_sub(start, n), "`n` must be one whole number")
    expect_invalid(rng_advance(start, n), "`k` must be one whole number")
    expect_invalid(rng_streams(n, 1), "`n` must be one whole number from 0, below 2\\^31")
  }
})

test_that("a state that is not seven integers is refused by name and value", {
  for (state in list(1:6, 1:8, "a", NULL, list(), start + 0.5, c(10407, 5e9, 1:5), c(10407, NA, 1:5), TRUE)) {
    expect_invalid(rng_jump(state, 1), "`state` must be an L'Ecuyer-CMRG state of seven integers; it is ")
  }
})

test_that("a state of another kind is refused", {
  for (kind in c(10403L, 8L, 20407L, 607L, -93L, NA)) {
    expect_invalid(rng_jump(c(kind, 1:6), 1), "`state` must begin with the kind word of an L'Ecuyer")
  }
})

test_that("a state with only zeros in a half is refused", {
  expect_invalid(rng_jump(c(10407L, 0L, 0L, 0L, 1:3), 1), "it has only zeros in words 1 to 3")
  expect_invalid(with_rng_stream(c(10407L, 1:3, 0L, 0L, 0L), runif(1)), "it has only zeros in words 4 to 6")
})

test_that("a state with a word at or over its modulus is refused", {
  expect_invalid(rng_advance(c(10407L, -1L, 2:6), 1), "word 1 = 4294967295, which must be below 4294967087")
  expect_invalid(rng_jump_sub(c(10407L, 1:5, -22853L), 1), "word 6 = 4294944443, which must be below 42949")
})

test_that("a refused state leaves the expression unevaluated", {
  evaluated <- FALSE
  try(with_rng_stream(1:3, evaluated <- TRUE), silent = TRUE)
  expect_false(evaluated)
})

test_that("a start of streams that is no seed is refused", {
  for (seed in list("a", NA, NA_real_, Inf, 1:2, TRUE, 2^31)) {
    expect_invalid(rng_streams(2, seed), "`seed` must be NULL, one number as for set.seed\\(\\)")
  }
})

test_that("substreams other than TRUE or FALSE are refused", {
  expect_invalid(rng_streams(2, 1, NA), "`substreams` must be TRUE or FALSE; it is NA")
})

test_that("an error names the function that was called", {
  error <- tryCatch(rng_jump(start, -1), error = identity)
  expect_identical(conditionCall(error), quote(rng_jump(start, -1)))
})

test_that("a seed of a map that is no seed is refused by the argument's name, with a remedy", {
  for (seed in list("a", NA, NA_integer_, 1:2, c(107L, 1:6), Inf, 2^31)) {
    expect_invalid(map_seeds(seed, 3), "`future.seed` must be TRUE, FALSE, NULL, .*\ni `future.seed = TRUE`")
    expect_invalid(future_seed(seed), "`seed` must be TRUE, FALSE, NULL")
  }
})

test_that("a state given as a seed is refused when R would replace it", {
  expect_invalid(map_seeds(c(10407L, 0L, 0L, 0L, 1:3), 3), "`future.seed` cannot be used as a state")
  expect_invalid(future_seed(c(10407L, 0L, 0L, 0L, 1:3)), "`seed` cannot be used as a state")
})

test_that("a list of seeds of another length than the map is refused", {
  expect_invalid(map_seeds(list(start), 3), "must hold one state for each of the 3 elements, not 1")
})

test_that("a list of numbers, of unequal or of non-integer states is refused by element", {
  expect_invalid(map_seeds(as.list(1:3), 3), "element 1 is not an integer state")
  expect_invalid(map_seeds(list(start, 1:3), 2), "element 2 is not an integer state as long as the first")
  expect_invalid(map_seeds(list(start, as.numeric(start)), 2), "element 2 is not an integer state")
})

test_that("a list whose first state R would not accept is refused", {
  expect_invalid(map_seeds(list(c(10408L, 1:6), start), 2), "element 1 is not a state that R accepts")
  expect_invalid(map_seeds(list(c(10403L, 1:6), start), 2), "element 1 is not a state that R accepts")
})

test_that("a listed L'Ecuyer-CMRG state that R would replace is refused by element", {
  bad <- c(10407L, 0L, 0L, 0L, 1:3)
  expect_invalid(map_seeds(list(start, bad), 2), "element 2 has only zeros in words 1 to 3")
})
