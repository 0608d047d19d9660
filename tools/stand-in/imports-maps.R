# In place of the prologue of future.apply's tests that fetches internals.
for (.name in c("hpaste", "mdebug", "mdebugf", "get_random_seed", "set_random_seed", "next_random_seed",
                "as_lecyer_cmrg_seed", "is_lecyer_cmrg_seed")) {
  if (exists(.name, asNamespace("future"), inherits = FALSE)) assign(.name, get(.name, asNamespace("future")))
}
