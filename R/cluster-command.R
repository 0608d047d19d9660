# Nodes through any other scheduler: the user's command line with places for what avenir knows.

#' Workers that another scheduler starts
#'
#' For `plan(cluster, workers = workers_command(...))`: PBS, SGE, LSF, flux or a script of your own. `start` is a shell
#' command that submits jobs. In it `{n}` stands for the number of jobs, `{id}` for a name that no other launch has,
#' `{ticket}` for the path of the file with the key, `{command}` for the command line that each job has to run. Without
#' `{command}` a script with that line is the command's standard input, as `qsub` and `bsub` read it. In `stop`, `{id}`
#' stands for the id that `start` printed (the first number, with the server's name when there is one), or the name when
#' it printed none.
#'
#' What takes a place is quoted for the shell: places must stand outside of quotes. The jobs must see the file: see
#' option `avenir.cluster.folder` in [workers_slurm()]. The number of a job in its array is taken from the variables of
#' PBS, SGE, LSF and Slurm; a command that starts one job only needs none.
#'
#' @param start,stop Templates of shell commands; without `stop` nothing is done to end jobs whose workers have not
#'   joined. Those that have joined end with the plan in any case.
#' @param n The number of workers, or `c(min, max)`; with several jobs each has one worker.
#' @param status A template of a shell command that succeeds as long as jobs of `{id}` wait or run, and else fails (exit
#'   status 1 to 125). With it jobs that have all ended before a worker joined are an error within seconds: it is run
#'   about once a second while futures wait and no worker is there. Without it nobody knows, and they wait until
#'   `queue_timeout` (see [plan()]). Of a `start` with `{command}` that lasts as long as its job (`srun`, `docker run`)
#'   the end is seen anyway.
#' @return An object that describes the workers; nothing is started yet.
#' @section Errors:
#' Of class `avenir_invalid_argument`: a template without a command, with a place inside quotes, or one that is unknown.
#' @seealso [plan()], [workers_slurm()], [workers_ssh()]
#' @examples
#' workers_command(start = "qsub -t 1-{n} -N {id}", stop = "qdel {id}", n = 20,
#'                 status = "qstat {id}")
#' workers_command(start = "kubectl run {id} --image=r-avenir -- {command}",
#'                 stop = "kubectl delete pod {id}", n = 1)
#' @export
workers_command <- function(start, stop = NULL, n = 1, status = NULL) {
  bounds <- check_bounds(n)
  check_template(start, "start", c("n", "id", "ticket", "command"))
  if (!is.null(stop)) check_template(stop, "stop", "id")
  if (!is.null(status)) check_template(status, "status", "id")
  new_launcher("command", start = start, stop = stop, status = status, min = bounds[1L], max = bounds[2L])
}

# ${name} is the shell's own.
place_pattern <- "(?<!\\$)\\{[A-Za-z_]+\\}"

check_template <- function(x, name, places) {
  if (!is.character(x) || length(x) != 1L || is.na(x) || !nzchar(trimws(x)) || grepl("[\n\r]", x)) {
    invalid_argument(sprintf("`%s` must be one line, a shell command", name), x, "For instance \"qsub -t 1-{n}\".")
  }
  places <- paste0("{", places, "}")
  starts <- gregexpr(place_pattern, x, perl = TRUE)
  unknown <- setdiff(regmatches(x, starts)[[1L]], places)
  if (length(unknown)) {
    invalid_argument(sprintf("`%s` has a place that is unknown", name), unknown[1L],
                     sprintf("Places are %s.", paste(places, collapse = ", ")))
  }
  inside <- vapply(starts[[1L]], function(at) at > 0L && in_quotes(substr(x, 1L, at - 1L)), NA)
  if (any(inside)) {
    invalid_argument(sprintf("the places of `%s` must stand outside of quotes", name), x,
                     "What takes the place is quoted where that is needed.")
  }
  x
}

# TRUE when a shell that has read `text` is inside of quotes, back quotes or behind a backslash.
in_quotes <- function(text) {
  whole <- "'[^']*'|\"([^\"\\\\]|\\\\.)*\"|`[^`]*`|\\\\.|[^'\"`\\\\]"
  nzchar(sub(sprintf("^(%s)*", whole), "", text, perl = TRUE))
}

# `values`: named strings, each quoted already. What has taken a place is not looked at again.
fill_template <- function(template, values) {
  places <- gregexpr(place_pattern, template, perl = TRUE)
  names <- gsub("[{}]", "", regmatches(template, places)[[1L]])
  regmatches(template, places) <- list(unname(values[names]))
  template
}

# ---- Commands ----

# Where schedulers tell a job its number in the array; these begin at 1, as in `-t 1-{n}`.
rank_variables <- c("PBS_ARRAY_INDEX", "PBS_ARRAYID", "SGE_TASK_ID", "LSB_JOBINDEX", "SLURM_ARRAY_TASK_ID")

#' @export
launch_commands.avenir_workers_command <- function(x, session, count = NULL) {
  jobs <- if (is.null(count)) x$min else as.integer(count)
  file <- ticket_path(session, session$group)
  node <- node_command(session, c("--workers=1", paste0("--rank-from=", paste(rank_variables, collapse = ",")),
                                  "--first-rank=1", paste0("--ticket-file=", file)))
  values <- c(n = as.character(jobs), id = launch_name(session), ticket = shell_words(file),
              command = shell_words(node))
  ticket <- session$ticket(session$group, jobs, session$addresses)
  in_words <- grepl("{command}", x$start, fixed = TRUE)
  list(list(argv = c("sh", "-c", fill_template(x$start, values)), environment = character(),
            input = if (in_words) "" else batch_script(node), group = session$group, count = jobs, workers = jobs,
            ticket = ticket, ticket_file = file, name = launch_name(session), may_last = in_words))
}

launch_name <- function(session) sprintf("avenir-%s-%d", session$plan, session$group)

# "123.server", "Your job-array 17.1-3:1 (...) has been submitted", "Job <42> is submitted to queue <short>."
#' @export
launch_id.avenir_workers_command <- function(x, output) {
  found <- regmatches(output, regexpr("\\b[0-9]+(\\[[0-9]*\\])?(\\.[A-Za-z][A-Za-z0-9.-]*)?", output))
  if (length(found)) found[1L]
}

#' @export
launch_stop_command.avenir_workers_command <- function(x, id) {
  if (is.null(x$stop)) NULL else c("sh", "-c", fill_template(x$stop, c(id = shell_words(id))))
}

# A scheduler that does not answer for once is asked again before its jobs are given up.
#' @export
launch_is_over.avenir_workers_command <- function(x, id) {
  if (is.null(x$status)) return(FALSE)
  argv <- c("sh", "-c", fill_template(x$status, c(id = shell_words(id))))
  says_so <- function() run_command(argv)$status %in% setdiff(1:125, 124L)
  says_so() && {
    Sys.sleep(0.5)
    says_so()
  }
}

#' @export
format.avenir_workers_command <- function(x, ...) {
  range <- if (x$min == x$max) as.character(x$min) else sprintf("%d to %d", x$min, x$max)
  c(sprintf("workers by a command: %s", range), paste("  start:", x$start),
    if (!is.null(x$stop)) paste("  stop:", x$stop), if (!is.null(x$status)) paste("  status:", x$status))
}
