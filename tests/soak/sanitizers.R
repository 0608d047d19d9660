# gcc's address and undefined-behaviour sanitizers in R, where the package is built with them and R is not.

# Variables that make R and all its children load `runtime`, the library of the address sanitizer, and write reports to
# files of their own, which begin with `log`: what a worker or a fork reports is found too. `sources`: this folder.
# Freed memory is kept aside (the quarantine), but not so much of it that workers pass their limits.
sanitizer_variables <- function(runtime, log, sources) {
  paths <- file.path(dirname(log), "report-paths.so")
  if (!file.exists(paths)) {
    system2("cc", c("-shared", "-fPIC", "-o", shQuote(paths), shQuote(file.path(sources, "report-paths.c")), "-ldl"))
  }
  of_addresses <- "detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=64:allocator_may_return_null=1"
  c(paste0("LD_PRELOAD=", runtime, ":", paths), paste0("AVENIR_SANITIZER_LOG=", log),
    paste0("ASAN_OPTIONS=", of_addresses), "UBSAN_OPTIONS=print_stacktrace=1")
}

sanitizer_lines <- function(log) {
  unlist(lapply(Sys.glob(paste0(log, "-*")), readLines, warn = FALSE))
}

# No errors: a refused allocation where memory is limited; and an object whose class UBSan cannot read, since it asks
# by way of a pipe whether an address can be read, and a process without descriptors gets none. An address that indeed
# cannot be read has a report of ASan too.
sanitizer_reports <- function(log) {
  lines <- sanitizer_lines(log)
  found <- grep("runtime error:|ERROR: AddressSanitizer", lines)
  unread <- lines[found + 2L] %in% "<memory cannot be printed>"
  grep("AddressSanitizer: allocator is out of memory", lines[found[!unread]], value = TRUE, invert = TRUE)
}

# Both of them report what is planted for them, in a session and in a fork of it: else their silence means nothing.
check_sanitizers <- function(runtime, sources) {
  folder <- tempfile("planted-")
  dir.create(folder)
  writeLines(c("#include <stdlib.h>", "void shift(int *n) { *n <<= *n + 31; }",
               "void use_freed(int *n) { volatile char *at = malloc(8); free((void *) at); *n = *at; }"),
             file.path(folder, "planted.c"))
  library <- file.path(folder, "planted.so")
  flags <- c("-shared", "-fPIC", "-w", "-fsanitize=address,undefined")
  system2("gcc", c(flags, "-o", library, file.path(folder, "planted.c")))
  said <- function(call) {
    log <- tempfile("log", folder)
    words <- c(sanitizer_variables(runtime, log, sources), file.path(R.home("bin"), "Rscript"), "--vanilla", "-e",
               sprintf("dyn.load('%s'); %s", library, call))
    system2("env", shQuote(words), stdout = FALSE, stderr = FALSE)
    sanitizer_reports(log)
  }
  for (call in c(".C('%s', 1L)", "parallel::mccollect(parallel::mcparallel(.C('%s', 1L)))")) {
    if (!any(grepl("shift exponent", said(sprintf(call, "shift")))) ||
        !any(grepl("heap-use-after-free", said(sprintf(call, "use_freed"))))) {
      stop("the sanitizers do not report what is planted in ", call, call. = FALSE)
    }
  }
}
