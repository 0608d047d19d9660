# In place of the prologue of future's tests that fetches internals: what the stand-in does not have is left out, so
# that only the tests that use it fail.
for (.name in c("asIEC", "gassign", "geval", "grmall", "commaq", "hpaste", "mdebug", "mdebugf", "isFALSE", "isNA",
                "supports_omp_threads", "requirePackages", "parseCmdArgs", "whichIndex", "get_random_seed",
                "set_random_seed", "as_lecyer_cmrg_seed", "is_lecyer_cmrg_seed", "FutureRegistry")) {
  if (exists(.name, asNamespace("future"), inherits = FALSE)) assign(.name, get(.name, asNamespace("future")))
}
