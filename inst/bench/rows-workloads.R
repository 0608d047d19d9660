# The scenarios, as their own scripts measure them: a line for each workload, medians of runs in turn.

scenario_row <- function(script) {
  name <- sub("^row-0*([0-9]+[a-z]?)-.*", "scenario-\\1", basename(script))
  bench_row(name, sub("[.]R$", "", basename(script)), NULL, alone = TRUE,
            floor_is = "serial R / the scenario's workers", results = function(at) run_scenario(script, at))
}

run_scenario <- function(script, at) {
  said <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"),
                                   c("--vanilla", shQuote(script), if (at$quick) "--quick"),
                                   stdout = TRUE, stderr = TRUE))
  lines <- strsplit(grep("^scenario\t", said, value = TRUE), "\t")
  if (!length(lines)) stop(paste(utils::tail(said, 3L), collapse = " / "))
  lapply(lines, scenario_result)
}

# scenario, row, workload, workers, avenir's seconds, serial R's, the best peer, its seconds, yes or no
scenario_result <- function(fields) {
  seconds <- as.numeric(fields[c(5L, 6L, 8L)])
  names(seconds) <- c("avenir", ".serial", fields[7L])
  list(workload = fields[3L], seconds = as.matrix(seconds), medians = seconds,
       wrong = if (fields[9L] == "yes") character() else "avenir or a peer", extrapolated = character(),
       floor = seconds[[".serial"]] / as.numeric(fields[4L]))
}

for (script in list.files(system.file("scenarios", package = "avenir"), "^row-.*[.]R$", full.names = TRUE)) {
  scenario_row(script)
}
