# Functions that keep their source: the file's text goes to a worker once.

# The functions of a file of about 2,000 lines, with their source.
file_functions <- function(note = "the comment") {
  code <- c("f <- function(x) {", paste("  #", note), "  x + 1", "}",
            sprintf("g%d <- function(a, b = %d) {\n  s <- a + b\n  s * 2\n}", 1:500, 1:500))
  file <- tempfile(fileext = ".R")
  on.exit(unlink(file))
  writeLines(code, file)
  functions <- new.env(parent = globalenv())
  source(file, local = functions, keep.source = TRUE)
  functions
}

source_file <- function(fun) attr(attr(fun, "srcref"), "srcfile")

test_that("a closure of a long file travels without the file, and still shows its source", {
  f <- file_functions()$f
  environment(f) <- globalenv()
  expect_gt(length(serialize(f, NULL)), 200000)
  expect_lt(length(cpp_share_bytes(f)), 10000)
  expect_identical(capture.output(print(cpp_share_trip(f))), capture.output(print(f)))
})

test_that("a small file goes with its function", {
  f <- eval(parse(text = "function(x) {\n  x # note\n}", keep.source = TRUE), globalenv())
  expect_identical(capture.output(print(cpp_unserialize(cpp_share_bytes(f)))), c("function(x) {", "  x # note", "}"))
})

test_that("a file whose text has changed is another file", {
  f <- file_functions("first")$f
  cpp_share_bytes(f)
  file <- source_file(f)
  file$lines[2] <- "  # second"
  expect_match(paste(capture.output(print(cpp_share_trip(f))), collapse = ""), "# second", fixed = TRUE)
})

test_that("more files than are remembered come through", {
  functions <- lapply(1:20, function(i) file_functions(paste("note", i))$f)
  for (i in 1:20) expect_match(capture.output(print(cpp_share_trip(functions[[i]])))[2], paste0("note ", i, "$"))
  expect_match(capture.output(print(cpp_share_trip(functions[[1]])))[2], "note 1$")
})

test_that("names of source files that nobody has written are refused", {
  f <- file_functions()$f
  environment(f) <- globalenv()
  bytes <- cpp_share_bytes(f)
  at <- grepRaw("avenir source ", bytes, fixed = TRUE)
  changed <- function(offset, to) replace(bytes, at + offset + seq_len(nchar(to)) - 1L, charToRaw(to))
  expect_error(cpp_unserialize(changed(0, "AVENIR")), class = "avenir_invalid_argument")
  expect_error(cpp_unserialize(changed(14, "xx")), class = "avenir_invalid_argument")
  expect_error(cpp_unserialize(changed(14, "00")), class = "avenir_invalid_argument")
  expect_error(cpp_unserialize(changed(14 + 32, "ffffffffffffffff")), class = "avenir_error")
})

test_that("on workers, and back in the session with its own file", {
  got <- in_child("
    options(keep.source = TRUE)
    code <- c('f <- function(x) {', '  # the comment', '  x + 1', '}', sprintf('g%d <- function() %d', 1:2000, 1:2000))
    file <- file.path(folder, 'long.R')
    writeLines(code, file)
    source(file, keep.source = TRUE)
    look <- function(plan) {
      plan(plan, workers = I(2))
      printed <- future_lapply(1:4, function(i) capture.output(print(f)))
      back <- value(future(f))
      own <- function(fun) attr(attr(fun, 'srcref'), 'srcfile')
      list(unique(printed), capture.output(print(back)), if (plan == 'multisession') identical(own(back), own(f)))
    }
    mark('result', lapply(c('multisession', 'multicore'), look))
  ")
  lines <- c("function(x) {", "  # the comment", "  x + 1", "}")
  expect_identical(got, list(list(list(lines), lines, TRUE), list(list(lines), lines, NULL)))
})
