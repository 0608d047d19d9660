# Sessions that use another BLAS library than this one.

# The folder of one of tools/install-needs.sh's builds; skips the test where it is not there.
blas_folder <- function(build) {
  folder <- file.path(Sys.getenv("AVENIR_BLAS_BUILDS"), build)
  if (!file.exists(file.path(folder, "libblas.so.3"))) skip(paste("no BLAS build", build))
  folder
}

# Evaluates `code` in a child with that BLAS and two cores, whatever this machine has, and gives what it marked as
# "result".
in_blas_child <- function(build, code, seconds = 120) in_folder_child(blas_folder(build), code, seconds)

in_folder_child <- function(folder, code, seconds = 120) {
  paths <- paste(c(file.path(R.home(), "lib"), folder), collapse = ":")
  in_child(code, seconds, c(paste0("R_LD_LIBRARY_PATH=", paths), cores_variables(2)))
}

# For a session that is to have so many cores, whatever this machine has.
cores_variables <- function(cores) {
  paste0("R_PARALLELLY_AVAILABLECORES_", c("METHODS=system", paste0("SYSTEM=", cores)))
}

# The same with a library made of C code, which has a dgemm_ that does nothing, in front of this session's own; and with
# four cores.
in_made_up_blas_child <- function(code, ..., file = "libblas.so.3") {
  library <- made_up_library(c("#include <string.h>", "void dgemm_(void) {}", ...), file)
  in_child(code, environment = c(preloaded(library), cores_variables(4)))
}
