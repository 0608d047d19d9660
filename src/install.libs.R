# Installs the shared object without its debug sections, which are ten times the rest. R's own stripping
# (_R_SHLIB_STRIP_) would take the symbol table as well, which R CMD check reads.
library_folder <- file.path(R_PACKAGE_DIR, paste0("libs", R_ARCH))
dir.create(library_folder, recursive = TRUE, showWarnings = FALSE)
shared_object <- paste0("avenir", SHLIB_EXT)
installed <- file.path(library_folder, shared_object)
file.copy(c(shared_object, if (file.exists("symbols.rds")) "symbols.rds"), library_folder, overwrite = TRUE)
if (nzchar(Sys.which("strip"))) system2("strip", c("-S", shQuote(installed)))
