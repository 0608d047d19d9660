# What packages that are written for future fetch from its namespace.

theirs <- function(name) getExportedValue("parallelly", name)
ours <- function(name) get(name, asNamespace("avenir"))

.debug <- new.env(parent = emptyenv())

get_random_seed <- ours("get_random_seed")
set_random_seed <- function(seed, kind = NULL, set_kind) {
  before <- get_random_seed()
  if (is.null(seed)) ours("set_random_seed")(NULL, c(if (is.null(kind)) "default" else kind, "default", "default"))
  else assign(".Random.seed", seed, globalenv())
  invisible(before)
}
next_random_seed <- function(seed = get_random_seed()) {
  sample.int(n = 1L, size = 1L)
  invisible(get_random_seed())
}
is_valid_random_seed <- ours("is_accepted_by_r")
is_lecyer_cmrg_seed <- ours("is_lecuyer_seed")
as_lecyer_cmrg_seed <- function(seed) ours("as_lecuyer_seed")(if (identical(seed, NA)) TRUE else seed)

# The states of a map's elements, one by one.
make_rng_seeds <- function(count, seed = FALSE, ...) {
  if (is.null(seed) || isFALSE(seed)) return(NULL)
  seeds <- ours("map_seeds")(seed, count)
  lapply(seq_len(count), function(i) ours("element_seed")(seeds, i))
}

objectSize <- function(x, ...) sum(ours("globals_size")(list(x)))
asIEC <- function(size, digits = 2L) ours("show_bytes")(size)
sQuoteLabel <- function(label) {
  if (inherits(label, "Future")) ours("label_of")(label) else if (is.null(label)) "NULL" else sQuote(label)
}

supportedStrategies <- function(strategies = c("sequential", "multicore", "multisession", "cluster")) {
  if (!parallelly::supportsMulticore()) strategies <- setdiff(strategies, "multicore")
  strategies
}

session_uuid <- function(...) ours("session_uuid")()
getExpression <- function(future, ...) ours("make_future_call")(future$expr)
tweakExpression <- function(expr) expr
