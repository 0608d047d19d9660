# The bar that `.progress = TRUE` shows on standard error while a map goes on.

check_progress <- function(x) {
  if (is_flag(x)) return(x)
  invalid_argument("`.progress` must be a single logical value", x)
}

# list(show = function of how many of n elements are over, end = function). Plans without workers show nothing.
new_progress_bar <- function(n) {
  shown <- FALSE
  show <- function(done) {
    shown <<- TRUE
    cat("\r", progress_line(done, n, getOption("width", 80L)), file = stderr(), sep = "")
    utils::flush.console()
  }
  list(show = show, end = function() if (shown) cat("\n", file = stderr()))
}

progress_line <- function(done, n, width) {
  room <- max(10L, width - nchar("Progress:  100%") - 1L)
  rule <- floor(room * done / n)
  symbol <- if (l10n_info()[["UTF-8"]]) "\u2500" else "-"
  paste0("Progress: ", strrep(symbol, rule), strrep(" ", room - rule), " 100%")
}
