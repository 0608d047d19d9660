# Output and conditions of futures appear where the front end puts its own: in a document, in a test, in a sink, also
# when descriptor 1 leads elsewhere.

knitted <- function(...) {
  folder <- tempfile("knit-")
  dir.create(folder)
  before <- setwd(folder)
  on.exit({
    setwd(before)
    unlink(folder, recursive = TRUE)
  })
  lines <- c("```{r}", ..., "```")
  paste(knitr::knit(text = lines, quiet = TRUE, envir = new.env(parent = globalenv())), collapse = "\n")
}

# What the document shows, without the code and the calls of conditions.
shown <- function(text) {
  text <- gsub("(?s)```r\n.*?```\n", "", text, perl = TRUE)
  gsub("Warning in .*?: ", "Warning: ", text)
}

speak <- c("cat('out 1\\n')", "message('note')", "warning('careful')", "cat('out 2\\n')", "42")

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  local_test("a document has a future's output, messages, warnings and value", {
    skip_if_not_installed("knitr")
    text <- shown(knitted("f <- avenir::future({", speak, "})", "avenir::value(f)"))
    for (part in c("## out 1\n## out 2", "## note", "## Warning", "careful", "## [1] 42")) {
      expect_match(text, part, fixed = TRUE)
    }
  })

  local_test("a document has a map's output where serial R has it", {
    skip_if_not_installed("knitr")
    body <- "(1:3, function(i) { cat('element', i, '\\n'); message('m', i); i })"
    serial <- shown(knitted(paste0("x <- lapply", body)))
    expect_identical(shown(knitted(paste0("x <- avenir::future_lapply", body))), serial)
  })

  local_test("tests see output, messages, warnings and errors", {
    expect_output(value(future(cat("out\n"))), "out")
    expect_message(value(future(message("note"))), "note")
    expect_warning(value(future(warning("careful"))), "careful")
    expect_error(value(future(stop("no"))), "no")
    expect_silent(value(future(invisible(1))))
  })

  local_test("output goes to the innermost sink", {
    text <- utils::capture.output({
      inner <- utils::capture.output(value(future(cat("deep\n"))))
      cat("outer\n")
    })
    expect_identical(inner, "deep")
    expect_identical(text, "outer")
  })

  local_test("a front end whose output is not descriptor 1 gets all of it", {
    arguments <- paste(names(conformance_plans()[[name]]), vapply(conformance_plans()[[name]], deparse1, ""),
                       sep = "=", collapse = ", ")
    arguments <- sub("^=", "", arguments)
    child <- start_child(c(
      "file <- file.path(folder, 'front-end')", "con <- file(file, 'w')", "sink(con)", "sink(con, type = 'message')",
      sprintf("plan(%s)", arguments),
      "f <- future({ cat('printed\\n'); message('noted'); print(1:3); 42 })", "v <- value(f)",
      "v <- future_lapply(1:2, function(i) cat('element', i, '\\n'))",
      "sink(type = 'message')", "sink()", "close(con)", "mark('result', readLines(file))"
    ))
    on.exit(kill_child(child), add = TRUE)
    text <- child_value(child, "result")
    expect_identical(text, c("printed", "[1] 1 2 3", "noted", "element 1 ", "element 2 "))
    expect_false(grepl("printed|noted|element", child_output(child)))
  })
}
plan(sequential)
