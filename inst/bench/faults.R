# The fault table: what avenir and its peers make of each fault, on this machine.
#
#   Rscript faults.R [system...] [--faults=name,name] [--small] [--deadline=20]
#
# The map is one of 6 tasks of 0.2 s on 2 workers; the fault is in task 2. Each case has an R session of its own and a
# deadline; what passes it "hangs". `system`: parts of the names in faults/systems.R (avenir, multicore, mclapply); all
# that are installed when none is given. Prints a Markdown table, then what avenir did not keep of its promises (status
# 1 when there is any of that).

find_scripts <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])
  file.path(dirname(normalizePath(file)), "faults")
}

scripts <- find_scripts()
for (script in c("rig.R", "systems.R", "faults.R")) source(file.path(scripts, script))

# ---- in words --------------------------------------------------------------------------------------------------

short <- function(text, width = 90L) {
  text <- gsub("[[:space:]]+", " ", text)
  text <- gsub("|", "/", text, fixed = TRUE)
  ifelse(nchar(text) > width, paste0(substr(text, 1L, width - 3L), "..."), text)
}

in_seconds <- function(x) if (length(x) != 1L || is.na(x)) "" else sprintf("%.2f s", x)

outcome <- function(o, deadline) {
  warned <- if (length(o$warnings)) sprintf("; warning: %s", short(o$warnings[1L], 60L)) else ""
  text <- switch(o$ended,
    value = paste0(if (all(o$right[-2L])) "" else "wrong values; ", "value: ", short(o$second), warned),
    error = paste0(classes_in_words(o$class), ": ", short(o$message)),
    interrupt = "an interrupt",
    hangs = sprintf("**hangs** (> %.0f s)", deadline),
    died = paste("**the session ended**:", short(o$said)),
    killed = sprintf("%d processes left after 2 s", o$left$processes),
    o$ended)
  paste0(text, if (isFALSE(o$folder)) "; **the session's temporary folder is gone**",
         if (isTRUE(o$grown > 1)) sprintf("; the session grew by %.0f MB", o$grown),
         if (!is.null(o$printed)) sprintf("; %.0f MB printed", o$printed / 1e6))
}

classes_in_words <- function(class) {
  paste(utils::head(setdiff(class, c("condition", "simpleError")), 2L), collapse = ", ")
}

others <- function(o) {
  if (identical(o$ended, "value") && length(o$right)) return(sprintf("%d of 5", sum(o$right[-2L])))
  kept <- if (is.null(o$partial)) 0L else length(setdiff(o$partial$done, 2L))
  if (identical(o$keep$ended, "value")) return(sprintf("%d; \"keep\": %d of 5", kept, sum(o$keep$right[-2L])))
  if (identical(o$ended, "error") && !is.null(o$partial)) return(as.character(kept))
  if (o$ended %in% c("error", "hangs", "died") && is.null(o$single)) "lost" else ""
}

next_map <- function(o, deadline) {
  n <- o$following
  if (is.null(n)) return("")
  switch(n$ended,
    value = paste0(if (isTRUE(n$right)) "right" else "**wrong**", if (!isTRUE(n$wide)) ", one worker", ", ",
                   in_seconds(n$seconds)),
    hangs = sprintf("**hangs** (> %.0f s)", deadline),
    died = "**the session ended**",
    paste0("error: ", short(n$message, 50L)))
}

# Seconds until the session had its answer; where the moment of the fault is known, from there on too.
times <- function(o) {
  if (!is.null(o$sent) && !is.null(o$back)) return(paste("back in", in_seconds(as.numeric(o$back - o$sent, "secs"))))
  known <- identical(o$ended, "error") && !is.null(o$noticed) && isTRUE(abs(o$noticed) < 3600)
  paste0(in_seconds(o$seconds), if (known) sprintf(" (%.0f ms after the fault)", 1000 * o$noticed))
}

left_over <- function(o) {
  left <- o$left
  if (is.null(left) || o$ended == "killed") return("")
  text <- c(if (left$processes > 0L) sprintf("%d processes", left$processes),
            if (length(left$files)) "files", if (length(left$segments)) "segments")
  paste(text, collapse = ", ")
}

table_head <- function() {
  cat("| fault | plan | what happened | others kept | next map | left at the end | time |\n")
  cat("|---|---|---|---|---|---|---|\n")
}

row <- function(fault, system, o, deadline) {
  cells <- c(fault$what, system, outcome(o, deadline), others(o), next_map(o, deadline), left_over(o), times(o))
  cat("|", paste(cells, collapse = " | "), "|\n")
}

# ---- the run ---------------------------------------------------------------------------------------------------

option <- function(name, default) {
  given <- grep(sprintf("^--%s=", name), commandArgs(TRUE), value = TRUE)
  if (length(given)) sub("^[^=]*=", "", given[1L]) else default
}

chosen_systems <- function() {
  systems <- Filter(is_installed, all_systems())
  patterns <- grep("^--", commandArgs(TRUE), invert = TRUE, value = TRUE)
  if (!length(patterns)) return(names(systems))
  found <- grep(paste(patterns, collapse = "|"), names(systems), value = TRUE)
  if (!length(found)) stop("no such system here: ", paste(patterns, collapse = ", "), call. = FALSE)
  found
}

chosen_faults <- function() {
  faults <- all_faults()
  names <- strsplit(option("faults", paste(names(faults), collapse = ",")), ",", fixed = TRUE)[[1L]]
  if (!all(names %in% names(faults))) stop("no such fault: ", setdiff(names, names(faults))[1L], call. = FALSE)
  faults[names]
}

main <- function() {
  sizes <- if ("--small" %in% commandArgs(TRUE)) "small" else "full"
  options(faults.sizes = sizes)
  deadline <- as.numeric(option("deadline", "20"))
  tools <- fault_tools(scripts)
  faults <- chosen_faults()
  broken <- character()
  table_head()
  for (name in names(faults)) for (system in chosen_systems()) {
    if (!fits(faults[[name]], system)) next
    o <- observe_case(new_case(system, name, sizes, deadline, tools))[[name]]
    row(faults[[name]], system, o, deadline)
    if (all_systems()[[system]]$ours) {
      promises <- broken_promises(faults[[name]], o)
      broken <- c(broken, sprintf("%s, %s: NOT: %s", system, faults[[name]]$what, promises))
    }
  }
  if (any(startsWith(chosen_systems(), "avenir"))) report(broken)
}

report <- function(broken) {
  if (length(broken)) cat("\n", paste0(broken, "\n"), sep = "") else cat("\navenir: all as promised.\n")
  quit(status = as.integer(length(broken) > 0L))
}

main()
