caught <- function(expr, stdout = TRUE, conditions = "condition") {
  capture <- new_capture(stdout, conditions)
  on.exit(capture_close(capture))
  outcome <- with_capture(capture, expr)
  c(list(outcome = outcome), capture_take(capture))
}

messages_of <- function(conditions) vapply(conditions, function(r) conditionMessage(r$condition), "")

test_that("output and conditions are caught", {
  got <- caught({
    cat("a\n")
    message("b")
    warning("c")
    1
  })
  expect_identical(got$outcome, 1)
  expect_identical(got$stdout, "a\n")
  expect_identical(messages_of(got$conditions), c("b\n", "c"))
})

test_that("an error is the outcome and does not reach the handlers of the caller", {
  reached <- FALSE
  got <- tryCatch(caught(stop("e")), error = function(e) reached <<- TRUE)
  expect_false(reached)
  expect_identical(conditionMessage(got$outcome$error), "e")
})

test_that("conditions are left alone with `conditions = NULL`", {
  expect_message(got <- caught(message("through"), conditions = NULL), "through")
  expect_identical(got$conditions, list())
})

test_that("attributes of `conditions` choose what is muffled", {
  keep <- structure("condition", muffleInclude = "^nothing$")
  expect_message(got <- caught(message("both"), conditions = keep), "both")
  expect_length(got$conditions, 1L)
})

test_that("immediate conditions go on at once and are marked", {
  now <- structure(class = c("immediateCondition", "message", "condition"),
                   list(message = "now\n", call = NULL))
  expect_message(got <- caught(message(now)), "now")
  expect_identical(got$conditions[[1]]$signaled, 1L)
  mine <- structure("condition", immediateConditionClasses = "warning")
  expect_warning(got <- caught(warning("at once"), conditions = mine), "at once")
  expect_identical(got$conditions[[1]]$signaled, 1L)
})

test_that("sinks that the evaluation leaves open are closed, and ours survives one too many", {
  before <- sink.number()
  caught(sink(nullfile()))
  expect_identical(sink.number(), before)
  caught(sink())
  expect_identical(sink.number(), before)
})

test_that("no connection stays open", {
  before <- nrow(showConnections())
  caught(cat("a"))
  caught(cat("a"), stdout = FALSE)
  try(caught(stop("x")), silent = TRUE)
  expect_identical(nrow(showConnections()), before)
})

test_that("relaying signals what was not signaled yet", {
  recorded <- list(
    list(condition = simpleWarning("first"), signaled = 1L),
    list(condition = simpleMessage("second\n"), signaled = 0L)
  )
  expect_identical(transcript(relay_conditions(recorded)), "message: second")
})
