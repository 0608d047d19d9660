# Of tools/coverage.sh: makes the package in FOLDER/library count its R code, and reads all counts.
#
#   Rscript tools/coverage.R FOLDER            the table
#   Rscript tools/coverage.R FOLDER --lines    the lines that nothing has run, by file
#   Rscript tools/coverage.R FOLDER --count-r  once, before the tests

# What is generated is not asked about.
generated <- c("src/RcppExports.cpp", "R/RcppExports.R")

# As covr's own installation does it.
count_r <- function(folder) {
  covr:::add_hooks("avenir", file.path(folder, "library"))
  start <- file.path(folder, "library", "avenir", "R", "avenir")
  lines <- readLines(start)
  writeLines(gsub(file.path(folder, "library"), file.path(folder, "traces"), lines, fixed = TRUE), start)
}

# One row a line that has code: file, line, count.
read_lcov <- function(path, source) {
  text <- readLines(path)
  begins <- grepl("^SF:", text)
  file <- sub("^SF:", "", text[begins])[cumsum(begins)]
  at <- grepl("^DA:", text)
  numbers <- strsplit(sub("^DA:", "", text[at]), ",", fixed = TRUE)
  found <- data.frame(
    file = file[at],
    line = as.integer(vapply(numbers, `[`, "", 1)),
    count = as.numeric(vapply(numbers, `[`, "", 2))
  )
  found$file <- sub("/tests/cpp/../../src/", "/src/", normalized(found$file), fixed = TRUE)
  inside <- startsWith(found$file, paste0(source, "/src/"))
  found <- found[inside, ]
  found$file <- substring(found$file, nchar(source) + 2)
  found
}

normalized <- function(files) {
  known <- unique(files)
  normalizePath(known, mustWork = FALSE)[match(files, known)]
}

cpp_lines <- function(folder) {
  source <- normalizePath(file.path(folder, "source"))
  do.call(rbind, lapply(list.files(folder, "[.]lcov$", full.names = TRUE), read_lcov, source = source))
}

# A process that was ended as it wrote leaves half a file.
is_whole <- function(path) !inherits(try(readRDS(path), silent = TRUE), "try-error")

r_lines <- function(folder) {
  traces <- Filter(is_whole, list.files(file.path(folder, "traces"), "^covr_trace_", full.names = TRUE))
  counters <- covr:::as_coverage(covr:::merge_coverage(traces), package = list(path = folder))
  lines <- covr::tally_coverage(counters, by = "line")
  data.frame(file = file.path("R", basename(lines$filename)), line = lines$line, count = lines$value)
}

# A line is run if it is in any of the objects that have it.
counted_lines <- function(folder) {
  lines <- rbind(cpp_lines(folder), r_lines(folder))
  lines <- lines[!lines$file %in% generated, ]
  aggregate(count ~ file + line, lines, max)
}

# A room of src/, its doors, or the files of R/ whose names begin with the same word.
room_of <- function(file) {
  parts <- strsplit(file, "/", fixed = TRUE)
  vapply(parts, function(part) {
    if (part[1] == "R") return(paste0("R/", sub("[-.].*", "", part[2])))
    if (length(part) == 2) "src/ (doors)" else paste0("src/", part[2])
  }, "")
}

print_table <- function(lines) {
  rooms <- split(lines$count > 0, factor(room_of(lines$file)))
  language <- ifelse(startsWith(names(rooms), "R/"), "R/ in all", "src/ in all")
  rooms <- c(rooms, lapply(split(rooms, language), function(part) unlist(part, use.names = FALSE)))
  cat(sprintf("%-20s %8s %10s\n", "room", "lines", "covered %"))
  for (name in names(rooms)) {
    cat(sprintf("%-20s %8d %10.1f\n", name, length(rooms[[name]]), 100 * mean(rooms[[name]])))
  }
}

# 3 4 5 9 as "3-5, 9".
ranges <- function(numbers) {
  numbers <- sort(numbers)
  runs <- split(numbers, cumsum(c(1, diff(numbers) != 1)))
  paste(vapply(runs, function(run) paste(unique(range(run)), collapse = "-"), ""), collapse = ", ")
}

print_lines <- function(lines) {
  never <- lines[lines$count == 0, ]
  for (file in sort(unique(never$file))) cat(file, ": ", ranges(never$line[never$file == file]), "\n", sep = "")
}

main <- function(args) {
  folder <- normalizePath(args[1])
  if ("--count-r" %in% args) return(count_r(folder))
  lines <- counted_lines(folder)
  if ("--lines" %in% args) print_lines(lines) else print_table(lines)
}

main(commandArgs(trailingOnly = TRUE))
