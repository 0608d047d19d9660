# Options: future's, which are read where they matter and may come from environment variables, and our own
# ("avenir.*").

# Options of future that R_FUTURE_* environment variables set when the package is loaded, with their types.
# The variable of "future.rng.onMisuse" is R_FUTURE_RNG_ONMISUSE.
environment_options <- c(
  future.plan = "character", future.globals.maxSize = "size", future.rng.onMisuse = "character",
  future.globals.onReference = "character", future.debug = "logical", future.resolve.recursive = "numeric",
  future.wait.timeout = "numeric", future.wait.interval = "numeric", future.wait.alpha = "numeric",
  future.connections.onMisuse = "character", future.devices.onMisuse = "character",
  future.defaultDevice.onMisuse = "character", future.globalenv.onMisuse = "character",
  future.plan.disallow = "list", future.onFutureCondition.keepFuture = "logical",
  future.globals.onMissing = "character", future.globals.method = "character", future.globals.resolve = "logical",
  future.fork.multithreading.enable = "logical", future.startup.script = "paths"
)

# Sets each option that is not set and whose environment variable is.
set_environment_options <- function() {
  names <- names(environment_options)
  values <- Sys.getenv(toupper(gsub(".", "_", paste0("R_", names), fixed = TRUE)), names = FALSE)
  given <- nzchar(values) & !names %in% names(.Options)
  parsed <- Map(parse_option, values[given], environment_options[given])
  if (any(given)) options(stats::setNames(parsed, names[given]))
  invisible()
}

# The value of an environment variable as the type of its option.
parse_option <- function(text, type) {
  switch(type, character = text, size = , numeric = as.numeric(text), logical = as.logical(text),
         list = strsplit(text, ",", fixed = TRUE)[[1L]],
         paths = if (is.na(as.logical(text))) strsplit(text, "[:;]")[[1L]] else as.logical(text))
}

# What option "future.startup.script" names is run in the global environment when the package is attached: the first of
# the files that is there. TRUE, the default: .future.R here or in the home folder; FALSE, as in workers: none.
run_startup_script <- function() {
  files <- getOption("future.startup.script", TRUE)
  if (isFALSE(files)) return(invisible())
  if (isTRUE(files)) files <- c(".future.R", "~/.future.R")
  there <- files[file.exists(files)]
  if (length(there)) sys.source(there[1L], globalenv())
  invisible()
}

# The option's value when it is one of `choices`, the first of them when it is not set. Other values count as not
# set, with a warning.
option_choice <- function(name, choices) {
  value <- getOption(name)
  if (is.null(value)) return(choices[1L])
  if (is.character(value) && length(value) == 1L && value %in% choices) return(value)
  text <- "Option `%s` must be one of %s; it is %s and is ignored: %s is the default."
  warn_avenir(sprintf(text, name, quote_names(choices), show_value(value), quote_names(choices[1L])))
  choices[1L]
}

# Options of this session that a worker takes over while it evaluates.
forwarded_options <- function() cpp_get_options(forwarded)

forwarded <- c("width", "future.globals.maxSize", "future.globals.onReference", "future.globals.onMissing",
               "future.globals.method", "future.globals.resolve", "future.rng.onMisuse", "future.connections.onMisuse",
               "future.devices.onMisuse", "future.defaultDevice.onMisuse", "future.globalenv.onMisuse",
               "future.resolve.recursive", "future.fork.multithreading.enable", "avenir.scheduling",
               "avenir.results.onReference", "avenir.output.limit", "avenir.share", "avenir.share.threshold")

# `-p N` or `--parallel=N` after `--args` or as Rscript's arguments: the number of cores for this session.
command_line_cores <- function(args = commandArgs()) {
  short <- match("-p", args)
  long <- sub("^--parallel=", "", grep("^--parallel=", args, value = TRUE))
  text <- c(long, if (!is.na(short)) args[short + 1L])
  cores <- suppressWarnings(as.integer(text[1L]))
  if (length(cores) == 1L && !is.na(cores) && cores >= 1L) cores
}

# Sets `mc.cores` and, unless it is set, the plan from the command line.
set_command_line_options <- function() {
  cores <- command_line_cores()
  if (is.null(cores)) return(invisible())
  options(mc.cores = cores)
  plan <- if (cores == 1L) sequential else tweak(multisession, workers = cores)
  if (is.null(getOption("future.plan"))) options(future.plan = plan)
  invisible()
}
