# Writes NAMESPACE and R/exports.R of the stand-in in the folder given second: of what future's NAMESPACE, given first,
# exports, all that avenir exports or that the stand-in has itself. Copies, since `future:::name` asks for those.

exported <- function(file) {
  lines <- readLines(file)
  sub("^export\\(\"?(.*?)\"?\\)$", "\\1", grep("^export\\(", lines, value = TRUE))
}

arguments <- commandArgs(TRUE)
own <- c("mandelbrot", "mandelbrot_tiles", "getExpression")
asked <- exported(arguments[[1L]])
theirs <- intersect(asked, getNamespaceExports("parallelly"))
ours <- intersect(setdiff(asked, theirs), getNamespaceExports("avenir"))
missing <- setdiff(asked, c(ours, theirs, own))
if (length(missing)) message("not in avenir: ", paste(missing, collapse = ", "))
methods <- c("mandelbrot, matrix", "mandelbrot, numeric", "as.raster, Mandelbrot", "plot, Mandelbrot")
writeLines(c("importFrom(grDevices, as.raster, hsv)", "importFrom(graphics, par, plot)", "import(utils)",
             "import(avenir)", sprintf("importFrom(parallelly, %s)", theirs),
             sprintf("export(\"%s\")", c(ours, theirs, own)), sprintf("S3method(%s)", methods)),
           file.path(arguments[[2L]], "NAMESPACE"))
writeLines(sprintf("`%s` <- avenir::`%s`", ours, ours), file.path(arguments[[2L]], "R", "exports.R"))
