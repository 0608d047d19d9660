# Installs the shared objects without their debug sections, which are ten times the rest. R's own stripping
# (_R_SHLIB_STRIP_) would take the symbol table as well, which R CMD check reads.
# What only this package loads itself lies below: R CMD check holds what lies beside to the rules for what R loads.
library_folder <- file.path(R_PACKAGE_DIR, paste0("libs", R_ARCH))
dir.create(file.path(library_folder, "compute"), recursive = TRUE, showWarnings = FALSE)
shared_object <- paste0("avenir", SHLIB_EXT)
file.copy(c(shared_object, if (file.exists("symbols.rds")) "symbols.rds"), library_folder, overwrite = TRUE)
file.copy("avenir_compute.so", file.path(library_folder, "compute"), overwrite = TRUE)
for (installed in file.path(library_folder, c(shared_object, "compute/avenir_compute.so"))) {
  if (nzchar(Sys.which("strip"))) system2("strip", c("-S", shQuote(installed)))
}
