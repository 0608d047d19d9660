# What a node runs (R/cluster-launch.R): a launcher's words come as arguments.
local({
  functions <- new.env(parent = baseenv())
  library <- dirname(system.file(package = "avenir"))
  folder <- file.path(library, "avenir", "worker")
  for (file in c("map-kernel.R", "worker.R")) sys.source(file.path(folder, file), functions, keep.source = FALSE)
  functions$start_node(library)
})
