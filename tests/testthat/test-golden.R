# Values that future 1.70 and future.apply 1.20 give; golden-values.rds holds them. Each case sets the
# generator, does one thing, and notes what the caller's generator gives afterwards.

golden <- readRDS("golden-values.rds")

kinds <- list(
  mersenne = c("Mersenne-Twister", "Inversion", "Rejection"),
  lecuyer = c("L'Ecuyer-CMRG", "Inversion", "Rejection"),
  wichmann = c("Wichmann-Hill", "Inversion", "Rounding")
)

# name -> list(seed for set.seed(), function that gives the values)
random_cases <- list(
  "lapply seed=TRUE" = list(11, function() future_lapply(1:4, function(i) rnorm(2), future.seed = TRUE)),
  "lapply seed=int" = list(12, function() future_lapply(1:4, function(i) runif(2), future.seed = 4321L)),
  "lapply seed=7 numbers" = list(13, function() {
    future_lapply(1:3, function(i) runif(1), future.seed = c(10407L, 1:6))
  }),
  "lapply seed=FALSE" = list(14, function() future_lapply(1:3, function(i) i, future.seed = FALSE)),
  "lapply seed=NULL" = list(15, function() {
    length(future_lapply(1:3, function(i) rnorm(1), future.seed = NULL))
  }),
  "lapply empty" = list(16, function() future_lapply(NULL, function(i) i, future.seed = TRUE)),
  "sapply chunk 3" = list(17, function() {
    future_sapply(1:7, function(i) rexp(1), future.seed = 9L, future.chunk.size = 3)
  }),
  "mapply" = list(18, function() future_mapply(function(n, m) rnorm(n, m), 1:3, 5, future.seed = TRUE)),
  "replicate" = list(19, function() future_replicate(3, sample(10, 2))),
  "future seed=TRUE" = list(20, function() value(future(rnorm(2), seed = TRUE))),
  "future seed=int" = list(21, function() value(future(rnorm(2), seed = 77L))),
  "future no seed" = list(22, function() value(future(2 + 2))),
  "list of seeds" = list(23, function() {
    future_lapply(1:3, function(i) runif(1), future.seed = lapply(1:3, function(i) c(10407L, i + 0:5)))
  }),
  "ordering" = list(24, function() {
    backwards <- structure(TRUE, ordering = rev(1:6))
    future_sapply(1:6, function(i) runif(1), future.seed = 5L, future.scheduling = backwards)
  })
)

in_name_order <- function(x) x[order(names(x))]

gapped <- factor(c("a", "a", "b", "b"), levels = c("a", "b", "c"))

local_kind <- function(kind, frame = parent.frame()) {
  before <- RNGkind()
  undo <- function() suppressWarnings(RNGkind(before[1], before[2], before[3]))
  do.call(base::on.exit, list(as.call(list(undo)), add = TRUE), envir = frame)
  suppressWarnings(RNGkind(kind[1], kind[2], kind[3]))
}

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  for (kind in names(kinds)) {
    test_that(sprintf("%s, %s: numbers and the generator afterwards are those of future.apply", name, kind), {
      local_kind(kinds[[kind]])
      for (case in names(random_cases)) {
        set.seed(random_cases[[case]][[1]])
        got <- list(random_cases[[case]][[2]](), after = runif(2))
        expect_equal(got, golden[[paste0(kind, "/", case)]], info = case)
      }
    })

    test_that(sprintf("%s, %s: an error leaves the generator as future.apply does", name, kind), {
      local_kind(kinds[[kind]])
      set.seed(25)
      try(suppressWarnings(future_lapply(1:2, function(i) stop("x"), future.seed = TRUE)), silent = TRUE)
      expect_equal(runif(2), golden[[paste0(kind, "/error restores")]])
    })

    test_that(sprintf("%s, %s: a map keeps the kind of the generator", name, kind), {
      local_kind(kinds[[kind]])
      set.seed(26)
      future_lapply(1:2, function(i) rnorm(1), future.seed = TRUE)
      expect_equal(RNGkind(), golden[[paste0(kind, "/kind after")]])
    })
  }

  test_that(paste0(name, ": values, errors, warnings and output are those of future and future.apply"), {
    special <- structure(class = c("special", "error", "condition"),
                         list(message = "m", call = NULL, extra = 1))
    got <- list(
      "vapply names" = future_vapply(c("one", "two"), nchar, 1L),
      "Filter" = future_Filter(function(x) x > 1, c(u = 1, v = 2, w = 3)),
      "Filter list" = future_Filter(Negate(is.null), list(a = 1, b = NULL)),
      "eapply" = in_name_order(future_eapply(list2env(list(p = 1, q = 2)), function(v) v + 1)),
      "tapply default" = future_tapply(1:4, gapped, sum, default = 0),
      "Map names" = future_Map(function(x, y) paste(x, y), c(a = "1", b = "2"), c("x", "y")),
      "apply array" = dim(future_apply(array(1:24, 2:4), c(1, 3), range)),
      "value of list" = value(list(a = future(1), b = 2, c = future("z"))),
      "error class" = tryCatch(value(future(stop(special))), error = function(e) list(class(e), e$extra)),
      "stdout" = capture.output(future_lapply(1:2, function(i) {
        cat("line", i, "\n")
        print(i)
        invisible()
      }))
    )
    expect_equal(got, golden[names(got)])
  })

  test_that(paste0(name, ": warnings come in order and an error comes after its warning"), {
    seen <- character()
    withCallingHandlers(future_lapply(1:3, function(i) {
      warning("w", i)
      i
    }), warning = function(w) {
      seen <<- c(seen, conditionMessage(w))
      invokeRestart("muffleWarning")
    })
    expect_equal(seen, golden[["warnings in order"]])

    warned <- NULL
    got <- tryCatch(withCallingHandlers(future_lapply(1:2, function(i) stop("bad ", i)),
                                        warning = function(w) {
      warned <<- class(w)
      invokeRestart("muffleWarning")
    }), error = function(e) list(conditionMessage(e), class(e), !is.null(warned)))
    expect_equal(got, golden[["map error"]])
  })

  plan(sequential)
}

test_that("a fresh session without .Random.seed gets numbers and keeps no state of another kind", {
  kept <- random_seed()
  on.exit(assign(".Random.seed", kept, globalenv()))
  if (!is.null(kept)) rm(".Random.seed", envir = globalenv())
  values <- future_lapply(1:2, function(i) runif(1), future.seed = 42)
  expect_identical(RNGkind()[1], "Mersenne-Twister")
  expect_identical(values, future_lapply(1:2, function(i) runif(1), future.seed = 42))
})

test_that("every golden value is compared with", {
  single <- c("error restores", "kind after")
  per_kind <- outer(names(kinds), c(names(random_cases), single), paste, sep = "/")
  plain <- c("vapply names", "Filter", "Filter list", "eapply", "tapply default", "Map names", "apply array",
             "value of list", "error class", "stdout", "warnings in order", "map error")
  expect_setequal(names(golden), c(per_kind, plain))
})
