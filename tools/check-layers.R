# Holds src/ to tools/layers.txt. Base R only.
#
#   Rscript tools/check-layers.R [ROOT]        one line for each fault; status 1 when there is any
#   Rscript tools/check-layers.R --self-test   the same checks on made-up trees

# What belongs to R and to the libraries that only some rooms may use, by the name in the include.
outside_libraries <- c(
  R = paste0(
    "^(R|Rinternals|Rdefines|Rmath|Rversion|Rconfig|Rinterface|Rembedded|S)\\.h$",
    "|^R_ext/|^Rcpp(\\.h$|Common\\.h$|/)"
  ),
  RcppParallel = "^RcppParallel(\\.h$|/)|^tbb/|^oneapi/tbb",
  RcppArmadillo = "^RcppArmadillo(\\.h$|/)|^armadillo",
  OpenSSL = "^openssl/", Highway = "^hwy/"
)

# The table: for each room its rooms (`may`) and its outside libraries (`uses`).
read_layers <- function(path) {
  lines <- trimws(sub("#.*", "", readLines(path)))
  lines <- lines[nzchar(lines)]
  names <- trimws(sub(":.*", "", lines))
  words <- strsplit(trimws(sub("^[^:]*:", "", lines)), "[[:space:]]+")
  layers <- lapply(words, function(row) {
    row <- row[nzchar(row)]
    outside <- startsWith(row, "+")
    list(may = row[!outside], uses = substring(row[outside], 2))
  })
  setNames(layers, names)
}

table_faults <- function(layers) {
  unlist(lapply(seq_along(layers), function(i) {
    room <- paste("tools/layers.txt:", names(layers)[i])
    unknown <- setdiff(layers[[i]]$may, c("any", names(layers)[seq_len(i - 1)]))
    strange <- setdiff(layers[[i]]$uses, names(outside_libraries))
    c(
      sprintf("%s may include '%s', which is no room defined above it", room, unknown),
      sprintf("%s uses '%s', which tools/check-layers.R does not know", room, strange)
    )
  }))
}

# Source files below src/ (paths relative to it), without what a build leaves there.
source_files <- function(root) {
  files <- list.files(file.path(root, "src"), recursive = TRUE)
  files[!grepl("\\.(o|so|d)$", files) & files != "Makevars"]
}

room_of <- function(file) ifelse(grepl("/", file), sub("/.*", "", file), "doors")

place_faults <- function(files, layers) {
  room <- room_of(files)
  others <- c("RcppExports.cpp", "Makevars.in", "install.libs.R")
  top_allowed <- grepl("^cpp_[a-z0-9_]+\\.cpp$", files) | files %in% others
  in_room <- room != "doors"
  unknown <- unique(room[in_room & !room %in% names(layers)])
  unlikely <- files[in_room & !grepl("^[^/]+/[^/]+\\.(h|cpp)$", files)]
  c(
    sprintf("src/%s: a folder that tools/layers.txt does not name", unknown),
    sprintf("src/%s: only cpp_*.cpp belong at the top of src/", files[!in_room & !top_allowed]),
    sprintf("src/%s: rooms hold .h and .cpp files, without folders", unlikely)
  )
}

# The includes of a file: line, name, and whether it is written with quotes.
read_includes <- function(path) {
  lines <- readLines(path, warn = FALSE)
  pattern <- "^[[:space:]]*#[[:space:]]*include[[:space:]]*([<\"])([^>\"]+)[>\"].*$"
  at <- grep(pattern, lines)
  name <- sub(pattern, "\\2", lines[at])
  data.frame(line = at, name = name, quoted = sub(pattern, "\\1", lines[at]) == "\"")
}

# What is wrong with one include of a file in `room`; character() when nothing is.
include_fault <- function(include, room, layers, files) {
  library <- names(which(vapply(outside_libraries, grepl, NA, x = include$name)))
  rules <- layers[[room]]
  target <- room_of(include$name)
  if (length(library)) {
    if (library[1] %in% rules$uses || ("any" %in% rules$may && library[1] == "R")) return(character())
    return(sprintf("%s may not include %s (%s)", room, include$name, library[1]))
  }
  if (!include$quoted) {
    return(if (include$name %in% files) sprintf("write \"%s\", with quotes", include$name) else character())
  }
  if (!grepl("/", include$name)) return(sprintf("write \"room/%s\", relative to src/", include$name))
  if (!target %in% names(layers)) return(sprintf("\"%s\" names no room of tools/layers.txt", include$name))
  if (!include$name %in% files) return(sprintf("\"%s\" does not exist", include$name))
  if (target == room || target %in% rules$may || "any" %in% rules$may) return(character())
  sprintf("%s may not include %s (\"%s\")", room, target, include$name)
}

include_faults <- function(root, files, layers) {
  code <- files[grepl("\\.(h|cpp)$", files) & room_of(files) %in% names(layers)]
  unlist(lapply(code, function(file) {
    includes <- read_includes(file.path(root, "src", file))
    unlist(lapply(seq_len(nrow(includes)), function(i) {
      fault <- include_fault(includes[i, ], room_of(file), layers, files)
      sprintf("src/%s:%d: %s", file, includes$line[i], fault)
    }))
  }))
}

# compileAttributes() would pass over an export in a room without a word.
export_faults <- function(root, files) {
  in_rooms <- files[grepl("/.*\\.(h|cpp)$", files)]
  exporting <- vapply(in_rooms, function(file) {
    lines <- readLines(file.path(root, "src", file), warn = FALSE)
    any(grepl("^[[:space:]]*//[[:space:]]*\\[\\[Rcpp::", lines))
  }, NA)
  sprintf("src/%s: an Rcpp attribute outside the doors is never compiled", in_rooms[exporting])
}

read_objects <- function(path) {
  lines <- readLines(path)
  lines <- lines[!grepl("^[[:space:]]*#", lines)]
  text <- gsub("\\\\\n", " ", paste(lines, collapse = "\n"))
  lines <- grep("OBJECTS[[:space:]]*=", strsplit(text, "\n")[[1]], value = TRUE)
  # Of each shared object; some are in both.
  lapply(strsplit(trimws(sub("^[^=]*=", "", lines)), "[[:space:]]+"), function(words) words[nzchar(words)])
}

object_faults <- function(root, files) {
  lists <- read_objects(file.path(root, "src", "Makevars.in"))
  listed <- unique(unlist(lists))
  wanted <- sub("\\.cpp$", ".o", grep("\\.cpp$", files, value = TRUE))
  generated <- "RcppExports.o"
  c(
    sprintf("src/Makevars.in: OBJECTS lacks %s", setdiff(wanted, listed)),
    sprintf("src/Makevars.in: OBJECTS names %s, which has no source", setdiff(listed, c(wanted, generated))),
    sprintf("src/Makevars.in: OBJECTS names %s twice", unique(unlist(lapply(lists, function(x) x[duplicated(x)]))))
  )
}

check_tree <- function(root) {
  layers <- read_layers(file.path(root, "tools", "layers.txt"))
  files <- source_files(root)
  c(
    table_faults(layers),
    place_faults(files, layers),
    include_faults(root, files, layers),
    export_faults(root, files),
    object_faults(root, files)
  )
}

# --- self test ---------------------------------------------------------------------

# A good tree of three rooms; `changes` replaces or adds files (path = lines), NULL removes one.
made_up_tree <- function(changes = list()) {
  files <- list(
    "tools/layers.txt" = c("# table", "base:", "sys: base  # system", "rbridge: base +R", "doors: any +R"),
    "src/Makevars.in" = c(
      "CXX_STD = CXX17", "OBJECTS = \\", "  base/error.o sys/fd.o \\",
      "  rbridge/door.o RcppExports.o cpp_x.o"
    ),
    "src/base/error.h" = c("#pragma once", "#include <string>"),
    "src/base/error.cpp" = "#include \"base/error.h\"",
    "src/sys/fd.h" = "#include \"base/error.h\"",
    "src/sys/fd.cpp" = c("#include \"sys/fd.h\"", "#include <unistd.h>"),
    "src/rbridge/door.h" = "#include <Rcpp.h>",
    "src/rbridge/door.cpp" = c("#include \"rbridge/door.h\"", "#include <R_ext/Altrep.h>"),
    "src/cpp_x.cpp" = c("#include <Rcpp.h>", "#include \"rbridge/door.h\"", "// [[Rcpp::export]]")
  )
  root <- tempfile("tree")
  files <- utils::modifyList(files, changes)
  for (path in names(files)) {
    dir.create(dirname(file.path(root, path)), recursive = TRUE, showWarnings = FALSE)
    writeLines(files[[path]], file.path(root, path))
  }
  root
}

# Each case: the change to the good tree, and the faults (their text, in any order) that it must bring.
self_test_cases <- list(
  "the good tree" = list(),
  "an include to the left" = list("src/base/error.cpp" = "#include \"sys/fd.h\"",
    faults = "base/error.cpp:1: base may not include sys"),
  "an include in a header, indented" = list(
    "src/base/error.h" = c("#pragma once", "  #  include \"rbridge/door.h\""),
    faults = "base/error.h:2: base may not include rbridge"
  ),
  "R in a room without R" = list("src/sys/fd.h" = "#include <Rinternals.h>",
    faults = "sys may not include Rinternals.h"),
  "R's headers with quotes" = list("src/sys/fd.h" = "#include \"R_ext/Print.h\"",
    faults = "sys may not include R_ext/Print.h"),
  "Rcpp in a room without R" = list("src/base/error.h" = "#include <Rcpp/Lightest>",
    faults = "base may not include Rcpp/Lightest"),
  "RcppParallel in the bridge" = list("src/rbridge/door.h" = "#include <RcppParallel.h>",
    faults = "rbridge may not include RcppParallel.h"),
  "RcppParallel in a door" = list("src/cpp_x.cpp" = "#include <RcppParallel.h>",
    faults = "doors may not include RcppParallel.h"),
  "OpenSSL in a room without it" = list("src/sys/fd.h" = "#include <openssl/ssl.h>",
    faults = "sys may not include openssl/ssl.h"),
  "an include without its room" = list("src/sys/fd.cpp" = "#include \"fd.h\"",
    faults = "write \"room/fd.h\""),
  "an include of nothing" = list("src/sys/fd.cpp" = "#include \"sys/gone.h\"",
    faults = "\"sys/gone.h\" does not exist"),
  "a room in angle brackets" = list("src/base/error.cpp" = "#include <sys/fd.h>", faults = "with quotes"),
  "a system header named like a room" = list("src/sys/fd.cpp" = "#include <sys/socket.h>"),
  "an include that is commented out" = list("src/base/error.cpp" = "// #include \"sys/fd.h\""),
  "a source that OBJECTS lacks" = list("src/sys/new.cpp" = "", faults = "OBJECTS lacks sys/new.o"),
  "a door that OBJECTS lacks" = list("src/cpp_y.cpp" = "", faults = "OBJECTS lacks cpp_y.o"),
  "an object without a source" = list("src/sys/fd.cpp" = NULL,
    faults = "OBJECTS names sys/fd.o, which has no source"),
  "an object in both shared objects" = list(
    "src/Makevars.in" = c("OBJECTS = base/error.o sys/fd.o rbridge/door.o cpp_x.o", "COMPUTE_OBJECTS = base/error.o")
  ),
  "an object named twice" = list(
    "src/Makevars.in" = "OBJECTS = base/error.o sys/fd.o sys/fd.o rbridge/door.o cpp_x.o",
    faults = "names sys/fd.o twice"
  ),
  "no object list" = list("src/Makevars.in" = "CXX_STD = CXX17",
    faults = paste("OBJECTS lacks", c("base/error.o", "sys/fd.o", "rbridge/door.o", "cpp_x.o"))),
  "a header of another kind" = list("src/base/extra.hpp" = "",
    faults = "base/extra.hpp: rooms hold .h and .cpp"),
  "a folder in a room" = list("src/base/more/x.h" = "", faults = "base/more/x.h: rooms hold .h and .cpp"),
  "a folder without a row" = list("src/cellar/x.h" = "", faults = "src/cellar: a folder that"),
  "a file at the top" = list("src/helpers.h" = "", faults = "src/helpers.h: only cpp_"),
  "an export in a room" = list("src/rbridge/door.cpp" = "// [[Rcpp::export(rng = false)]]",
    faults = "rbridge/door.cpp: an Rcpp attribute"),
  "what a build leaves" = list("src/base/error.o" = "", "src/avenir.so" = "", "src/Makevars" = ""),
  "a table with a circle" = list(
    "tools/layers.txt" = c("base: sys", "sys: base", "rbridge: base +R", "doors: any +R"),
    faults = "base may include 'sys', which is no room defined above"
  ),
  "a table with an unknown library" = list(
    "tools/layers.txt" = c("base:", "sys: base +Qt", "rbridge: base +R", "doors: any +R"),
    faults = "sys uses 'Qt'"
  )
)

# The case's failure as one line, or character().
self_test_case <- function(name, case) {
  root <- made_up_tree(case[names(case) != "faults"])
  on.exit(unlink(root, recursive = TRUE))
  found <- check_tree(root)
  for (fault in case$faults) {
    at <- grep(fault, found, fixed = TRUE)
    if (!length(at)) return(sprintf("%s: no fault says \"%s\"", name, fault))
    found <- found[-at[1]]
  }
  if (length(found)) sprintf("%s: unexpected \"%s\"", name, found)
}

self_test <- function() {
  failures <- unlist(Map(self_test_case, names(self_test_cases), self_test_cases))
  cat(sprintf("check-layers: self test, %d trees, %d failures\n", length(self_test_cases), length(failures)))
  failures
}

main <- function(args) {
  root <- if (length(args) && args[1] != "--self-test") args[1] else "."
  faults <- if ("--self-test" %in% args) self_test() else check_tree(root)
  if (length(faults)) writeLines(unname(faults))
  quit(status = as.integer(length(faults) > 0))
}

main(commandArgs(trailingOnly = TRUE))
