# Writes the stand-in's NAMESPACE: of what future's NAMESPACE (the argument) exports, all that avenir exports or that
# the stand-in has itself.

exported <- function(file) {
  lines <- readLines(file)
  sub("^export\\(\"?(.*?)\"?\\)$", "\\1", grep("^export\\(", lines, value = TRUE))
}

own <- c("mandelbrot", "mandelbrot_tiles", "resetWorkers")
asked <- exported(commandArgs(TRUE)[[1L]])
imported <- intersect(asked, getNamespaceExports("avenir"))
missing <- setdiff(asked, c(imported, own))
if (length(missing)) message("not in avenir: ", paste(missing, collapse = ", "))
cat("importFrom(grDevices, as.raster, hsv)\nimportFrom(graphics, par, plot)\nimport(utils)\n",
    sprintf("importFrom(avenir, \"%s\")\n", imported), sprintf("export(\"%s\")\n", c(imported, own)),
    sprintf("S3method(%s)\n", c("mandelbrot, matrix", "mandelbrot, numeric", "as.raster, Mandelbrot", "plot, Mandelbrot")),
    sep = "")
