# Data in shared memory (src/shm, src/rbridge/shared_*).

#' Data in shared memory
#'
#' Large vectors that travel between this session and its workers lie in shared memory by themselves: there is one
#' copy of them for all workers of a machine, and what comes back as a result is not copied either. `share()` puts a
#' vector there at once, so that it is not even looked at when it is used in a future or map; `is_shared()` tells
#' where a vector lies.
#'
#' @details
#' Nothing has to be done for this. Vectors of 256 KiB and more, wherever they are (arguments, variables in the
#' environment of a function, columns of data frames, attributes, slots of S4 objects, fields of R6 objects, values of
#' futures), are found while R serializes what holds them. Logical, integer, numeric, complex, raw and character
#' vectors are shared; lists are as their elements are.
#'
#' Such a vector is an ordinary one to R code. Its memory is its own: a change, in the session or in a worker, is made
#' in place when R would change an ordinary vector in place, concerns only the pages that are written to and is seen
#' by nobody else. [saveRDS()] and [serialize()] write it as the ordinary vector that it equals.
#'
#' What was sent once is kept and found again by its content (all bytes are compared by a 128-bit hash), so that the
#' next map over the same data sends nothing. What is kept and no longer used is given up when it takes more than a
#' quarter of the memory, when there are more than 64 pieces, when memory is short, and with the plan. The memory of
#' large vectors that were given up is written again by the next ones, once every worker has said that none of its
#' variables shows them any more (up to a sixteenth of the memory is kept for that).
#'
#' Character vectors are fastest where they are arguments or globals by themselves, or columns of data frames and
#' elements of lists that are; elsewhere (names, slots, environments) R's own writer hands them over string by string.
#'
#' Every plan of one machine uses shared memory. Under `plan(multicore)` forks have the session's data anyhow: results
#' come by it. `plan(sequential)` needs none.
#'
#' @section Options:
#' `avenir.share = FALSE` switches sharing off: everything is sent as a stream of bytes. `avenir.share.threshold` is
#' the size in bytes from which vectors are shared (at least 8192; 262144 unless set).
#'
#' `future.globals.maxSize` limits the globals of a future only where it is set, and then counts all of them, shared
#' ones too.
#'
#' @section Memory:
#' A vector is refused with an error of class `avenir_overloaded_error` when it does not fit into what is left of the
#' machine's memory or that of the process's control group: the system would end a process otherwise. No files or
#' names are left behind, however a process ends; the size of `/dev/shm` does not matter on Linux.
#'
#' @param x Any R object. `share()` shares vectors of any length but 0, and those in lists and data frames; all else
#'   it returns as it is.
#' @return `share()`: x, equal to what it was. `is_shared()`: `TRUE` when x is a vector in shared memory that has not
#'   been changed since, or a list whose vectors all are.
#' @seealso [future()], [future_lapply()]
#' @examples
#' x <- share(runif(1e6))
#' is_shared(x)
#' plan(multisession, workers = I(1))
#' value(future(mean(x))) == mean(x)
#' is_shared(value(future(x + 1)))
#' plan(sequential)
#'
#' x[1] <- 0
#' is_shared(x)
#' @export
share <- function(x) cpp_share(x)

#' @rdname share
#' @export
is_shared <- function(x) {
  if (!is.list(x)) return(cpp_is_shared(x))
  x <- unclass(x)
  parts <- x[lengths(x) > 0L]
  length(parts) > 0L && all(vapply(parts, is_shared, NA))
}
