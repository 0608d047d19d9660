# The speed table: avenir beside what a user would pick instead, and beside what is possible on this machine.
#
#   Rscript run.R [row...] [--quick | --full] [--out FILE] [--list]
#
# `row`: names, or beginnings of names, of the rows to run (--list shows them); all when none is given. --full (the
# default) is the real size, --quick a small one whose times say little. Prints Markdown; --out writes it to a file too.
# Status 1 when a side had a wrong result or a row could not be run.
#
# A row is one call of bench_row() in a file rows-*.R beside this one:
#
#   bench_row("name", "what is done", function(at) {
#     n <- at$size(full = 10000, quick = 100)
#     list(avenir = function() ..., mclapply = function() ..., .serial = function() ...)
#   }, goals = list(goal("<= 12 ms", function(m) m[["avenir"]] <= 0.012)))
#
# All sides run in turn, run after run, so that all meet the same minutes of the machine. See measure.R for what a side
# can be, peers.R for the processes that the peers need.

find_folder <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])
  dirname(normalizePath(file))
}

bench_folder <- find_folder()
for (file in c("measure.R", "machine.R", "peers.R", "table.R")) source(file.path(bench_folder, file))
for (file in list.files(bench_folder, "^rows-.*[.]R$", full.names = TRUE)) source(file)

read_arguments <- function(args) {
  given <- list(quick = FALSE, list = FALSE, out = NULL, rows = character())
  while (length(args)) {
    arg <- args[1L]
    args <- args[-1L]
    if (arg == "--out") {
      if (!length(args)) stop("run.R: --out needs a file", call. = FALSE)
      given$out <- args[1L]
      args <- args[-1L]
    } else if (startsWith(arg, "--out=")) {
      given$out <- sub("^--out=", "", arg)
    } else if (arg %in% c("--quick", "--full")) {
      given$quick <- arg == "--quick"
    } else if (arg == "--list") {
      given$list <- TRUE
    } else {
      given$rows <- c(given$rows, arg)
    }
  }
  given
}

chosen_rows <- function(wanted) {
  names <- names(bench_rows)
  if (!length(wanted)) return(names)
  unknown <- wanted[!vapply(wanted, function(w) any(startsWith(names, w)), NA)]
  if (length(unknown)) stop("run.R: no such row: ", toString(unknown), "; --list shows them", call. = FALSE)
  names[vapply(names, function(n) any(startsWith(n, wanted)), NA)]
}

# What a row gives, also when it stops.
run_row_safely <- function(name, at) {
  message("== ", name)
  tryCatch(run_row(bench_rows[[name]], at), error = function(e) {
    message("   ", conditionMessage(e))
    list(failed_result(bench_rows[[name]], conditionMessage(e)))
  })
}

main <- function(given) {
  if (given$list) return(writeLines(sprintf("%-22s %s", names(bench_rows), vapply(bench_rows, `[[`, "", "workload"))))
  if (!has("avenir")) {
    stop("run.R: avenir is not installed: sh tools/demo.sh installs it with what it needs", call. = FALSE)
  }
  rows <- chosen_rows(given$rows)
  Sys.setenv(R_LIBS = paste(.libPaths(), collapse = ":")) # for the processes of peers
  at_quick <<- given$quick
  at <- new_settings(given$quick)
  on.exit(stop_peers())
  results <- do.call(c, lapply(rows, run_row_safely, at))
  text <- c(header_lines(at), "", table_lines(results), "", side_lines(results))
  writeLines(text)
  if (!is.null(given$out)) writeLines(text, given$out)
  invisible(all(vapply(results, is_right, NA)))
}

if (isFALSE(main(read_arguments(commandArgs(trailingOnly = TRUE))))) quit(status = 1L)
