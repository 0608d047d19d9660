# What a template process or a directly started worker runs: Rscript-like, from the session's library.
# Arguments: the library that avenir is installed in, the temporary folder of the plan, the mode.
local({
  args <- commandArgs(trailingOnly = TRUE)
  functions <- new.env(parent = baseenv())
  folder <- file.path(args[1], "avenir", "worker")
  for (file in c("map-kernel.R", "worker.R")) sys.source(file.path(folder, file), functions, keep.source = FALSE)
  functions$main(args[1], args[2], args[3])
})
