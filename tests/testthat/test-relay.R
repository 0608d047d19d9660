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

test_that("output is kept up to the limit, and a note tells how much was dropped", {
  local_options(avenir.output.limit = 2000)
  text <- caught(for (i in 1:300) cat("123456789\n"))$stdout
  expect_identical(text, paste0(strrep("123456789\n", 200),
                                "[avenir: 1,000 more bytes of output were dropped; see option avenir.output.limit]\n"))
  expect_identical(caught(cat(strrep("a", 2000)))$stdout, strrep("a", 2000))
  expect_identical(substr(caught(cat(strrep("a", 2001)))$stdout, 1999L, 2025L), "aa\n[avenir: 1 more bytes of")
})

test_that("output is not cut within a character", {
  local_options(avenir.output.limit = 2000)
  text <- caught(cat("a", strrep("\u00e9", 2000), sep = ""))$stdout
  expect_true(validEnc(text))
  expect_match(text, "2,002 more bytes")
  expect_true(nchar(caught(cat(strrep("\x80", 3000)))$stdout, "bytes") > 2000)
})

test_that("a little output is kept whatever the limit, and a limit that is none counts as not set", {
  for (limit in list(0, -1, 10)) {
    local_options(avenir.output.limit = limit)
    expect_identical(caught(cat(strrep("a", 1024)))$stdout, strrep("a", 1024))
    expect_match(caught(cat(strrep("a", 1025)))$stdout, "avenir.output.limit")
  }
  for (limit in list("text", NA, c(1, 2), list(), NULL, Inf)) {
    local_options(avenir.output.limit = limit)
    expect_identical(caught(cat(strrep("a", 5000)))$stdout, strrep("a", 5000))
  }
})

test_that("an evaluation may remove our sink: what it had printed until then is caught", {
  got <- in_child("
    capture <- avenir:::new_capture(TRUE, 'condition')
    outcome <- avenir:::with_capture(capture, {
      cat('caught')
      while (sink.number() > 0L) sink()
      'value'
    })
    text <- avenir:::capture_take(capture)$stdout
    avenir:::capture_close(capture)
    mark('result', list(outcome, text, nrow(showConnections())))
  ")
  expect_identical(got, list("value", "caught", 0L))
})

test_that("an evaluation may close all connections, and open one that gets our number: nothing printed is lost", {
  got <- in_child("
    evaluate <- function(expr) {
      capture <- avenir:::new_capture(TRUE, 'condition')
      outcome <- avenir:::with_capture(capture, expr)
      text <- avenir:::capture_take(capture)$stdout
      avenir:::capture_close(capture)
      list(outcome, text, nrow(showConnections()))
    }
    mark('result', list(
      evaluate({ cat('kept'); closeAllConnections(); 'value' }),
      evaluate({ cat('kept'); closeAllConnections(); user <- textConnection('a'); class(user)[1L] }),
      readLines(user)))
  ")
  expect_identical(got, list(list("value", "kept", 0L), list("textConnection", "kept", 1L), "a"))
})

test_that("a warning whose message is no string is relayed", {
  odd <- function(...) structure(class = c("odd", "warning", "condition"), list(...))
  for (cond in list(odd(), odd(message = 42), odd(message = list("a")), odd(message = c("a", "b")))) {
    expect_identical(tryCatch(signal_again(cond), odd = identity), cond)
    expect_null(withCallingHandlers(signal_again(cond), odd = function(w) invokeRestart("muffleWarning")))
  }
  said <- in_child("
    cond <- structure(class = c('odd', 'warning', 'condition'), list(message = NULL))
    mark('result', tryCatch(avenir:::signal_again(cond), simpleWarning = conditionMessage))
  ")
  expect_match(said, "odd.* has no message")
})
