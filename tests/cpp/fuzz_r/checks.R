# What the targets of this folder ask of R: each check gives "" or says what is wrong.

library(avenir)
sys.source(file.path(dirname(Sys.getenv("AVENIR_FUZZ_CHECKS")), "../../testthat/helper-threaded.R"), environment())
options(avenir.threads.math = "scalar", avenir.threads = 1L, avenir.share.threshold = 8192, warn = 0)

# ---- Expressions

invisible(avenir:::cpp_threaded_minimum(2))
set.seed(1L)
environments <- lapply(1:16, function(i) {
  variables <- random_variables(sample(c(12L, 36L, 40L), 1L), sample(c(2L, 4L), 1L))
  list2env(c(variables, list(none = numeric(), word = "word", f = factor(c("a", "b")))))
})
# More than one tile, the last of them no whole one.
environments <- c(environments, list(list2env(c(random_variables(2100L, 4L), list(none = NULL, word = 1i, f = list(1))))))

# Ours lose nothing, R's may; and what is warned of hangs on them.
sums <- c("sum", "mean", "prod")

check_expression <- function(code, which) {
  unlike <- said(unlike_base(code, environments[[which %% length(environments) + 1L]]))
  if (grepl("^the (value|warnings)", unlike) && any(sums %in% all.names(code))) "" else unlike
}

said <- function(text) if (is.na(text)) "" else text

# ---- Serialized objects

binary <- function(x) serialize(x, NULL, xdr = FALSE, version = 3)
head_of_all <- utils::head(binary(NULL), -4L)

# A value, or NULL in a list where it is refused.
read_by <- function(read, bytes) tryCatch(list(read(bytes)), error = function(e) NULL)

check_plain_bytes <- function(bytes, unused) {
  bytes <- c(head_of_all, bytes)
  ours <- read_by(avenir:::cpp_unserialize, bytes)
  base <- read_by(unserialize, bytes)
  if (is.null(ours) != is.null(base)) return(paste("refused by", if (is.null(ours)) "us" else "R"))
  if (is.null(ours)) return("")
  if (!identical(binary(ours), binary(base))) "another value" else ""
}

check_object <- function(x, unused) {
  bytes <- avenir:::cpp_serialize(x)
  if (!identical(bytes, binary(x))) return("other bytes than R's")
  back <- avenir:::cpp_unserialize(bytes)
  if (!identical(binary(back), bytes)) return("it does not come back")
  shared <- avenir:::cpp_share_trip(x)
  if (!identical(binary(shared), bytes)) return("it does not come back through shared memory")
  avenir:::cpp_share_forget()
  ""
}

kept <- list(1:3000 / 2, c(rep(c("text", NA, "longer text"), 1000)), list(1:5000 + 0L, letters, raw(9000)),
             structure(rep(c(TRUE, NA), 3000), note = "kept"))
shared_streams <- function() lapply(kept, avenir:::cpp_share_bytes)

check_stream <- function(bytes, unused) {
  read <- read_by(avenir:::cpp_unserialize, bytes)
  if (length(read)) tryCatch(binary(read[[1L]]), error = function(e) NULL)
  ""
}
