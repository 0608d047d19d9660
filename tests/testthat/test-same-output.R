# One script under every plan: all that it writes, byte for byte. And what is relayed inside the tools that catch it:
# knitr, testthat's expectations, capture.output().

# All that the script writes, to both streams, as R shows them.
output_under <- function(plan_name) {
  said <- tempfile("said-")
  environment <- c(paste0("R_LIBS=", paste(.libPaths(), collapse = ":")), "R_TESTS=")
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(test_path("same-output.R")), plan_name),
          stdout = said, stderr = said, env = environment, timeout = 300)
  readLines(said)
}

test_that("the whole output of a script, and its generator at the end, are the same under every plan", {
  expected <- output_under("sequential")
  expect_match(expected, "the script ends here", all = FALSE)
  expect_match(expected, "UNRELIABLE VALUE", all = FALSE)
  expect_gt(length(expected), 100)
  for (name in c("multisession", "multicore", "cluster")) expect_identical(output_under(name), expected, info = name)
})

speaking <- quote({
  cat("printed\n")
  message("a message")
  warning("a warning")
  "value"
})

for (name in names(conformance_plans())) {
  arguments <- conformance_plans()[[name]]
  local_test("testthat's expectations see what is relayed", {
    do.call(local_plan, arguments)
    expect_output(suppressMessages(suppressWarnings(value(future(speaking, substitute = FALSE)))), "^printed$")
    expect_message(suppressWarnings(capture.output(value(future(speaking, substitute = FALSE)))), "^a message\n$")
    expect_warning(suppressMessages(capture.output(value(future(speaking, substitute = FALSE)))), "^a warning$")
    expect_error(value(future(stop("an error"))), "^an error$", class = "simpleError")
    expect_condition(value(future(signalCondition(structure(class = c("own", "condition"), list(message = "o"))))),
                     class = "own")
    expect_silent(value(future(1)))
    expect_warning(future_sapply(1:3, function(i) if (i == 2) warning("second")), "^second$")
    expect_message(future_sapply(1:3, function(i) if (i == 2) message("second")), "^second\n$")
  })

  local_test("capture.output() around tryCatch() has what came before the error, and no sink stays open", {
    do.call(local_plan, arguments)
    sinks <- sink.number()
    failing <- quote({ print(1); stop("e"); print(2) })
    text <- capture.output({
      result <- tryCatch(value(future(failing, substitute = FALSE)), error = conditionMessage)
    })
    expect_identical(text, "[1] 1")
    expect_identical(result, "e")
    text <- capture.output(tryCatch(future_lapply(1:3, function(i) { print(i); if (i == 2) stop("e") }),
                                    error = function(e) cat("caught", conditionMessage(e), "\n"),
                                    warning = function(w) cat("warned\n")))
    expect_identical(text[1:2], c("[1] 1", "[1] 2"))
    expect_identical(sink.number(), sinks)
  })

  local_test("output and conditions show in a knitr document where the value is asked for", {
    skip_if_not_installed("knitr")
    do.call(local_plan, arguments)
    document <- c("```{r}", "f <- future({ cat('printed\\n'); message('a message'); warning('a warning'); 'value' })",
                  "'between'", "value(f)", "```")
    knitted <- knitr::knit(text = document, quiet = TRUE, envir = new.env(parent = globalenv()))
    expect_match(knitted, "between.*## printed.*## a message.*## Warning.*a warning.*## \\[1\\] \"value\"")
  })
}
