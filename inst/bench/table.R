# The table, in Markdown.

show_amount <- function(x, unit) {
  if (is.null(x) || is.na(x)) return("-")
  if (unit != "s") return(paste0(format_digits(x), if (unit == "%") " %" else paste0(" ", unit)))
  scale <- if (abs(x) < 1e-3) 1e6 else if (abs(x) < 1) 1e3 else 1
  paste(format_digits(scale * x), c("1e+06" = "\u00b5s", "1000" = "ms", "1" = "s")[[as.character(scale)]])
}

format_digits <- function(x) {
  if (abs(x) >= 100) return(sprintf("%.0f", x))
  formatC(x, digits = 3, format = "fg", flag = "#", drop0trailing = abs(x) < 0.01)
}

show_ratio <- function(a, b) {
  if (is.null(a) || is.null(b) || anyNA(c(a, b)) || b <= 0) return("-")
  paste0(format_digits(a / b), " \u00d7")
}

# The fastest peer's name; NA when there is none.
best_peer <- function(medians) {
  peers <- medians[is_peer(names(medians))]
  if (length(peers)) names(which.min(peers)) else NA_character_
}

show_spread <- function(times, unit, mark = "") {
  text <- paste0(mark, show_amount(stats::median(times), unit))
  if (length(times) < 2L) return(text)
  sprintf("%s (%s \u2013 %s)", text, show_amount(min(times), unit), show_amount(max(times), unit))
}

show_goals <- function(result) {
  said <- vapply(result$row$goals, function(goal) {
    holds <- tryCatch(goal$holds(result$medians), error = function(e) NA)
    verdict <- if (at_quick) "-" else if (is.na(holds)) "?" else if (holds) "yes" else "**no**"
    sprintf("%s: %s", goal$text, verdict)
  }, "")
  paste(said, collapse = "; ")
}

result_cells <- function(result) {
  if (!is.null(result$failed)) return(c(result$row$name, result$workload, "failed", "-", "-", "-", "-", "-", "-", ""))
  unit <- result$row$unit
  own <- result$medians[["avenir"]]
  peer <- best_peer(result$medians)
  seconds <- if (is.na(peer)) NA else result$medians[[peer]]
  mark <- if (peer %in% result$extrapolated) "\u2248 " else ""
  c(result$row$name, result$workload, show_amount(own, unit), if (is.na(peer)) "-" else peer,
    paste0(mark, show_amount(seconds, unit)), show_ratio(own, seconds), show_amount(result$floor, unit),
    show_ratio(own, result$floor), sprintf("%.1f", result$load),
    if (length(result$wrong)) paste("**wrong:**", toString(result$wrong)) else show_goals(result))
}

table_head <- c("row", "workload", "avenir", "best peer", "its figure", "avenir / peer", "floor",
                "avenir / floor", "load",
                "goals")

markdown_row <- function(cells) paste0("| ", paste(gsub("|", "/", cells, fixed = TRUE), collapse = " | "), " |")

markdown_rule <- function(n) paste0("|", strrep("---|", n))

table_lines <- function(results) {
  c(markdown_row(table_head), markdown_rule(length(table_head)),
    vapply(results, function(r) markdown_row(result_cells(r)), ""))
}

# All that was measured: the median, and from the least to the most.
side_lines <- function(results) {
  head <- c("row", "side", "median (least \u2013 most)", "runs")
  rows <- lapply(results, function(result) {
    if (!is.null(result$failed)) return(markdown_row(c(result$row$name, "failed", result$failed, "0")))
    vapply(rownames(result$seconds), function(side) {
      mark <- if (side %in% result$extrapolated) "\u2248 " else ""
      times <- result$seconds[side, ]
      markdown_row(c(result$row$name, sub("^[.]", "", side), show_spread(times, result$row$unit, mark), length(times)))
    }, "")
  })
  notes <- c(floor_lines(results),
             if (any(lengths(lapply(results, `[[`, "extrapolated")))) {
               "\u2248: done at a smaller size, because it is slow, and multiplied."
             })
  c("Every side:", "", markdown_row(head), markdown_rule(length(head)), unlist(rows), "", notes)
}

floor_lines <- function(results) {
  floor_of <- function(r) if (nzchar(r$row$floor_is)) sprintf("%s: %s", r$row$name, r$row$floor_is) else ""
  said <- vapply(results, floor_of, "")
  said <- unique(said[nzchar(said)])
  if (length(said)) paste0("Floors. ", paste(said, collapse = "; "), ".")
}

# ---- header --------------------------------------------------------------------------------------------------------

package_text <- function(package) if (has(package)) paste(package, utils::packageVersion(package))

header_lines <- function(at) {
  versions <- unlist(lapply(c("avenir", peer_packages), package_text))
  missing <- peer_packages[!vapply(peer_packages, has, NA)]
  blas <- tryCatch(basename(extSoftVersion()[["BLAS"]]), error = function(e) "")
  c(sprintf("%s, %s, %s, BLAS %s.", toString(versions), R.version.string, utils::osVersion, blas),
    sprintf("%s, %d cores, %d workers; %s; load average %.1f at the end.", cpu_name(), parallelly::availableCores(),
            at$workers, format(Sys.time(), "%Y-%m-%d %H:%M"), load_average()),
    sprintf("Medians of runs in turn%s.%s", if (at$quick) " (quick: small sizes, times say little)" else "",
            if (length(missing)) sprintf(" Not installed: %s.", toString(missing)) else ""))
}
