# Installs the shared objects without their debug sections, which are ten times the rest. R's own stripping
# (_R_SHLIB_STRIP_) would take the symbol table as well, which R CMD check reads.
library_folder <- file.path(R_PACKAGE_DIR, paste0("libs", R_ARCH))
dir.create(library_folder, recursive = TRUE, showWarnings = FALSE)
shared_objects <- c(paste0("avenir", SHLIB_EXT), "avenir_compute.so")
file.copy(c(shared_objects, if (file.exists("symbols.rds")) "symbols.rds"), library_folder, overwrite = TRUE)
for (installed in file.path(library_folder, shared_objects)) {
  if (nzchar(Sys.which("strip"))) system2("strip", c("-S", shQuote(installed)))
}
