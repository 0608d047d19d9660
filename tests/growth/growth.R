# What a long session gains, plan by plan: tens of thousands of futures, maps, errors, cancelled futures, streams, shared
# vectors, changes of plan; calls on threads; arrays.
#
#   Rscript growth.R [--plans=sequential,multisession,multicore,cluster,threads,arrays] [--rounds=100]
#
# A round is 200 futures and 20 maps, or as much (session.R); 100 rounds are 20,000 and 2,000. After the first quarter of
# them the session, and a worker that stays, may gain 1 MB of memory and nothing else: descriptors, segments, processes,
# threads, files. Status 1 when something was gained.

folder <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))

option <- function(name, default) {
  given <- grep(sprintf("^--%s=", name), commandArgs(TRUE), value = TRUE)
  if (length(given)) sub("^[^=]*=", "", given[1L]) else default
}

# What the session of that plan noted, or NULL when it did not come to its end.
observe <- function(plan, rounds, seconds = 3600) {
  noted <- tempfile("growth-")
  on.exit(unlink(noted))
  mark <- paste0("AVENIR_GROWTH=", basename(noted))
  status <- system2("timeout", c("-k", 20, seconds, file.path(R.home("bin"), "Rscript"), "--vanilla",
                                 file.path(folder, "session.R"), plan, rounds, noted), env = c(mark, "R_TESTS="))
  if (status != 0L || !file.exists(noted)) NULL else readRDS(noted)
}

# Bytes may vary by a megabyte; nothing else may be more than before.
gained <- function(seen) {
  by <- seen$after - seen$before
  by[by > ifelse(grepl("bytes", names(by)), 1e6, 0)]
}

in_words <- function(counts) {
  bytes <- grepl("bytes", names(counts))
  values <- ifelse(bytes, sprintf("%.2f MB", counts / 1e6), sprintf("%d", as.integer(counts)))
  paste(sub("bytes of ", "", names(counts)), values, collapse = ", ")
}

main <- function() {
  plans <- strsplit(option("plans", "sequential,multisession,multicore,cluster,threads,arrays"), ",", fixed = TRUE)[[1L]]
  rounds <- as.integer(option("rounds", "100"))
  bad <- character()
  for (plan in plans) {
    seen <- observe(plan, rounds)
    if (is.null(seen)) {
      cat(sprintf("%s: did not come to its end\n", plan))
      bad <- c(bad, plan)
      next
    }
    more <- gained(seen)
    cat(sprintf("%s: %d rounds in %.0f s\n  held after the first quarter: %s\n  gained since: %s%s\n", plan, rounds,
                seen$seconds, in_words(seen$before), in_words(seen$after - seen$before),
                if (length(more)) paste("  NOT:", paste(names(more), collapse = ", ")) else ""))
    if (length(more)) bad <- c(bad, plan)
  }
  quit(status = as.integer(length(bad) > 0L))
}

main()
