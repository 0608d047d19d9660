# Short transfers: every read, write, receive and send of a session and of all of its processes moves a few bytes, is
# interrupted or is put off, by chance (short.c). Each plan must give the right results all the same, and in time.
#
#   Rscript short.R [--seconds=180] [--seed=N] [--plans=multisession,multicore,cluster,nested]
#
# Prints Markdown; status 1 when anything is not as it must be. A seed gives the same chances, not the same order.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "support.R"))

seconds <- as.numeric(argument("seconds", "180"))
seed <- as.integer(argument("seed", sample.int(1e6, 1L)))
plans <- strsplit(argument("plans", "multisession,multicore,cluster,nested"), ",", fixed = TRUE)[[1L]]
library_of_cuts <- build_preload(file.path(here, "short.c"))

run_case <- function(plan, bytes, seed) {
  variables <- c(LD_PRELOAD = library_of_cuts, AVENIR_SHORT_BYTES = bytes, AVENIR_SHORT_SEED = seed)
  observe_plans(file.path(here, "plans.R"), plan, 120, variables)
}

cat(sprintf("seed %d, %.0f s\n\n", seed, seconds))
table_head(c("plan", "bytes", "seed", "outcome", "processes left", "seconds"))
begun <- seconds_now()
bad <- FALSE
while (seconds_now() - begun < seconds) {
  for (plan in plans) {
    bytes <- c(1L, 2L, 7L, 23L, 100L, 1000L)[seed %% 6L + 1L]
    begin <- seconds_now()
    seen <- run_case(plan, bytes, seed)
    words <- plans_in_words(seen)
    if (words != "right") words <- paste0("**", words, "**")
    bad <- bad || is_bad(words) || length(seen$left) > 0L
    table_row(c(plan, bytes, seed, words, length(seen$left), sprintf("%.1f", seconds_now() - begin)))
    seed <- seed + 1L
  }
}
if (bad) quit(status = 1L)
