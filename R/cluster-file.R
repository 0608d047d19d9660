# Machine files: hosts and their numbers of workers, in the spellings of MPI, PVM and PBS.

#' Workers on the hosts of a machine file
#'
#' Reads hosts from a file and starts workers there as [workers_ssh()] does. A line is a host: `host`, `host:4`,
#' `host slots=4` or `host 4`, the number being that of workers; a host on several lines has the sum, as in the files
#' that PBS writes (`PBS_NODEFILE`). What follows `#` is a comment.
#'
#' @param path The file's name.
#' @param ... Arguments of [workers_ssh()].
#' @return What [workers_ssh()] returns.
#' @section Errors:
#' A file that is not there, has no host or has a line that is none of these, which is named: class
#' `avenir_invalid_argument`.
#' @seealso [workers_ssh()], [plan()]
#' @examples
#' path <- tempfile()
#' writeLines(c("# two machines", "n1 slots=4", "n2:2"), path)
#' workers_file(path)
#' @export
workers_file <- function(path, ...) {
  if (!is.character(path) || length(path) != 1L || is.na(path) || !file.exists(path) || dir.exists(path)) {
    invalid_argument("`path` must be the name of a machine file", path)
  }
  workers_ssh(read_machines(readLines(path, warn = FALSE), path), ...)
}

read_machines <- function(lines, path) {
  lines <- trimws(sub("#.*$", "", lines))
  hosts <- unlist(Map(machine_line, lines, seq_along(lines), path), use.names = FALSE)
  if (!length(hosts)) invalid_argument("a machine file must name a host", path)
  hosts
}

# The host of a line, once for each of its workers. Words such as max_slots=8 are for others.
machine_line <- function(line, number, path) {
  if (!nzchar(line)) return(NULL)
  words <- strsplit(line, "[[:space:]]+")[[1L]]
  host <- sub(":[0-9]+$", "", words[1L])
  counts <- "^((slots|cpu|ncpus)=)?[0-9]+$"
  given <- sub("^.*[=:]", "", c(words[1L][host != words[1L]], grep(counts, words[-1L], value = TRUE)))
  understood <- grepl(sprintf("%s|^[a-z_]+=[^ ]*$", counts), words[-1L])
  count <- as.numeric(c(given, 1)[1L])
  if (!grepl(host_pattern, host) || length(given) > 1L || !all(understood) || count < 1 || count > 1e4) {
    invalid_argument(sprintf("line %d of %s must be a host and, perhaps, its number of workers", number, shQuote(path)),
                     line, "For instance \"n1\", \"n1:4\" or \"n1 slots=4\".")
  }
  rep(host, count)
}
