for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  local_test("maps in the style of purrr give what purrr gives", {
    expect_identical(future_map(c(a = 1, b = 2), ~ .x + 1), list(a = 2, b = 3))
    expect_identical(future_map_dbl(1:3, function(i, by) i * by, by = 2), c(2, 4, 6))
    expect_identical(future_map2_chr(c(u = "a", v = "b"), "z", paste0), c(u = "az", v = "bz"))
    expect_identical(future_pmap_int(list(x = 1:2, y = 3:4), function(y, x) y - x), c(2L, 2L))
    expect_identical(future_imap(list(a = 1, b = 2), ~ .y), list(a = "a", b = "b"))
  })

  local_test("a wrong value is an error that names the element", {
    half <- function(x) if (x == 2) "two" else x
    e <- tryCatch(future_map_dbl(c(a = 1, b = 2, c = 3), half), error = identity)
    expect_s3_class(e, "avenir_invalid_argument")
    expected <- "Can't coerce from a string to a double.\ni In index: 2.\ni With name: b."
    expect_identical(conditionMessage(e), expected)
    expect_identical(list(e$location, e$name), list(2L, "b"))
  })

  local_test("an error of `.f` is raised as it was, without a warning", {
    broken <- structure(class = c("broken", "error", "condition"), list(message = "m", call = NULL))
    expect_no_warning(e <- tryCatch(future_map(1:2, function(i) stop(broken)), broken = identity))
    expect_identical(class(e), class(broken))
  })

  local_test("an error leaves the results that there are", {
    e <- tryCatch(future_map(c(a = 1, b = 2), ~ if (.x == 2) stop("two") else .x), error = identity)
    expect_identical(partial_results(e)[["a"]], 1)
  })

  plan(sequential)
}

test_that("what `.f` sees of its call is what purrr shows", {
  calls <- function(...) sys.call()
  expect_identical(future_map(1, calls), list(quote(.f(.x[[i]], ...))))
  expect_identical(future_map2(1, 2, calls), list(quote(.f(.x[[i]], .y[[i]], ...))))
  expect_identical(future_pmap(list(1, b = 2), calls), list(quote(.f(.l[[1L]][[i]], b = .l[[2L]][[i]], ...))))
  expect_identical(future_pmap(list(list(1), b = 2), calls), list(quote(.f(.l[[1L]], b = .l[[2L]], ...))))
  expect_identical(future_map_chr(1, function(x) deparse(substitute(x))), ".x[[i]]")
})

test_that("functions that `.f` makes keep each its own element", {
  adders <- future_map(1:2, function(x) function(y) x + y)
  expect_identical(adders[[1L]](10), 11)
  expect_identical(adders[[2L]](10), 12)
})

test_that("further arguments may be functions, calls and NULL", {
  got <- future_map(1, function(x, f, q, n) list(f(x), q, n), f = function(x) -x, q = quote(a + b), n = NULL)
  expect_identical(got, list(list(-1, quote(a + b), NULL)))
})

test_that("maps of nothing give something empty of the type, and its names", {
  expect_identical(future_map(list(), identity), list())
  expect_identical(future_map_chr(character(), identity), character())
  expect_identical(future_map_dbl(c(a = 1)[0L], identity), stats::setNames(numeric(), character()))
  expect_identical(future_map(NULL, identity), list())
  expect_identical(future_pmap_lgl(list(), identity), logical())
  expect_identical(future_map2_int(1:3, integer(), `+`)[0L], integer()) |> expect_error("Can't recycle length 3")
})

test_that("a map of nothing moves the generator as furrr's does", {
  moved <- function(seed) {
    set.seed(1)
    future_map(list(), identity, .options = furrr_options(seed = seed))
    runif(1)
  }
  set.seed(1)
  draws <- runif(3)
  expect_identical(moved(FALSE), draws[1L])
  expect_identical(moved(TRUE), draws[3L])
  expect_identical(moved(42), draws[3L])
  expect_error(moved(list(c(10407L, 1:6))), "one state for each of the 0 elements", class = "avenir_invalid_argument")
})

test_that("maps of matrices, calls, pairlists and S4 objects go through their elements", {
  expect_identical(future_map_int(matrix(1:4, 2), identity), 1:4)
  expect_identical(future_map_chr(quote(f(x)), deparse), c("f", "x"))
  expect_identical(future_map(pairlist(a = 1), identity), list(a = 1))
  expect_identical(future_map(methods::new("numeric", 1:2 + 0), identity), list(1, 2))
})

test_that("values that are kept errors are conditions in place, except where a type is asked for", {
  keep <- furrr_options(on_error = "keep")
  got <- future_map(list(1, "a"), ~ .x + 1, .options = keep)
  expect_identical(got[[1L]], 2)
  expect_s3_class(got[[2L]], "error")
  expect_error(future_map_dbl(1, identity, .options = keep), "future_map_dbl", class = "avenir_invalid_argument")
  expect_error(future_walk2(1, 1, list, .options = keep), "future_walk2", class = "avenir_invalid_argument")
  expect_error(future_map_vec(1, identity, .options = keep), "future_map_vec", class = "avenir_invalid_argument")
})

test_that("numbers drawn without a seed are reported under the name of furrr's argument", {
  expect_warning(future_map_dbl(1:2, ~ runif(1)), "seed=TRUE", class = "RngFutureWarning")
  expect_no_warning(future_map_dbl(1:2, ~ runif(1), .options = furrr_options(seed = NULL)))
})

test_that("`prefix` labels a map", {
  options <- furrr_options(prefix = "fit")
  expect_warning(future_map_dbl(1, ~ runif(1), .options = options), "fit-1", class = "RngFutureWarning")
})

test_that("`.env_globals` is where variables of the arguments in `...` are looked up", {
  local_plan("multisession", workers = I(1))
  env <- list2env(list(only_there = 5), parent = globalenv())
  evaluate <- function(x, q) eval(q, globalenv())
  expect_identical(future_map(1, evaluate, q = quote(only_there), .env_globals = env), list(5))
  expect_error(future_map(1, evaluate, q = quote(only_there)), "only_there")
})

test_that("`globals` says what travels", {
  local_plan("multisession", workers = I(1))
  f <- function(x) x + here
  environment(f) <- globalenv()
  assign("here", 1, globalenv())
  on.exit(rm("here", envir = globalenv()))
  map_with <- function(globals) future_map_dbl(1, f, .options = furrr_options(globals = globals))
  expect_identical(map_with(TRUE), 2)
  expect_identical(map_with("here"), 2)
  expect_identical(map_with(c("here", "nowhere_at_all")), 2)
  expect_identical(map_with(list(here = 10)), 11)
  expect_error(map_with(FALSE), "here")
})

test_that("`packages` are attached where `.f` is evaluated", {
  local_plan("multisession", workers = I(1))
  attached <- future_map_lgl(1, ~ "package:tools" %in% search(), .options = furrr_options(packages = "tools"))
  expect_true(attached)
})

test_that("chunks do not change results, and elements are processed in the order that is asked for", {
  draw <- function(options) future_map_dbl(1:7, ~ runif(1), .options = options)
  backwards <- structure(2, ordering = function(n) rev(seq_len(n)))
  expect_identical(draw(furrr_options(seed = 1, chunk_size = 2)), draw(furrr_options(seed = 1)))
  expect_identical(draw(furrr_options(seed = 1, scheduling = backwards)), draw(furrr_options(seed = 1)))
  expect_output(future_walk(1:3, cat, .options = furrr_options(chunk_size = backwards)), "321")
})

test_that("an element of a map over several vectors can be replayed", {
  e <- tryCatch(future_map2(1:3, 4:6, function(x, y) if (x == 2) stop("two") else y), error = identity)
  expect_error(replay(e), "two")
  expect_identical(partial_results(e)[[1L]], 4L)
})
