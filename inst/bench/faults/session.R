# What a case's session does (see rig.R): tries the faults of its specification on a system, one after the other, and
# writes down what it observes. Run by Rscript; the folder comes in AVENIR_FAULT_FOLDER.
#
# Of each fault three files:
#   <fault>.map        list(ended = "value", "error" or "interrupt", seconds, noticed = seconds from the fault to the
#                      end of the map, ...: see observe_map())
#   <fault>.keep       the same for the map with future.on.error = "keep", where there is such a thing
#   <fault>.following  the next map: list(ended, right, wide = both workers were at work at once, seconds)

folder <- Sys.getenv("AVENIR_FAULT_FOLDER")

mark <- function(name, value) {
  saveRDS(value, file.path(folder, "part"))
  file.rename(file.path(folder, "part"), file.path(folder, name))
}

now <- function() proc.time()[["elapsed"]]

# Element 2 has the fault after its work; in a fault for everybody each element is nothing else.
make_element <- function(fault, seconds) {
  force(seconds)
  task <- fault$task
  all <- isTRUE(fault$everybody)
  place <- folder
  function(i) {
    file.create(file.path(place, paste0("begun-", i)))
    if (!all) Sys.sleep(seconds)
    own <- all || i == 2L
    file.create(file.path(place, if (own) "fault" else paste0("ended-", i)))
    if (own) task() else i * 10
  }
}

observe_map <- function(system, fault, arguments, seconds) {
  unlink(list.files(folder, "^(begun-|ended-|fault$)", full.names = TRUE))
  warned <- character()
  note <- function(w) {
    warned <<- c(warned, conditionMessage(w))
    invokeRestart("muffleWarning")
  }
  begun <- now()
  end <- function(e) structure(list(condition = e), class = "ended")
  out <- tryCatch(withCallingHandlers(system$map(1:6, make_element(fault, seconds), arguments), warning = note),
                  error = end, interrupt = end)
  ended <- Sys.time()
  c(list(seconds = now() - begun, noticed = as.numeric(ended) - as.numeric(time_of("fault")), back = ended,
         warnings = warned, folder = dir.exists(tempdir())),
    if (inherits(out, "ended")) describe_end(out$condition) else describe_values(out, fault))
}

time_of <- function(name) file.info(file.path(folder, name))$mtime

describe_end <- function(condition) {
  list(ended = if (inherits(condition, "interrupt")) "interrupt" else "error", class = class(condition),
       message = tryCatch(paste(conditionMessage(condition), collapse = " "), error = function(e) NA_character_),
       fields = plain_fields(condition), call = deparse(conditionCall_of(condition))[1L],
       partial = kept_results(condition))
}

conditionCall_of <- function(condition) tryCatch(conditionCall(condition), error = function(e) NULL)

plain_fields <- function(condition) {
  if (!is.list(condition)) return(list())
  fields <- unclass(condition)
  if (is.environment(fields$payload)) fields$payload <- as.list(fields$payload)
  fields[intersect(names(fields), c("worker", "pid", "signal", "signal_name", "exit_code", "element", "label",
                                    "out_of_memory", "log", "payload", "killed"))]
}

# Which of the other elements an error of ours has kept, and whether they are right.
kept_results <- function(error) {
  if (!isNamespaceLoaded("avenir") || !"partial_results" %in% getNamespaceExports("avenir")) return(NULL)
  values <- tryCatch(avenir::partial_results(error), error = function(e) NULL)
  if (is.null(values)) return(NULL)
  done <- attr(values, "done")
  list(done = which(done), right = all(others_right(values)[setdiff(which(done), 2L)]))
}

others_right <- function(values) vapply(1:6, function(i) identical(get_element(values, i), i * 10), NA)

get_element <- function(values, i) if (length(values) >= i) values[[i]]

describe_values <- function(values, fault) {
  second <- get_element(values, 2L)
  list(ended = "value", right = others_right(values), length = length(values), class = class(second),
       second = if (is.null(fault$seen)) shown(second) else fault$seen(second))
}

shown <- function(value) {
  if (inherits(value, "condition")) return(paste0(class(value)[1L], " in place"))
  if (inherits(value, "try-error")) return("try-error in place")
  paste(utils::capture.output(utils::str(value, give.attr = FALSE))[1L])
}

# Both elements wait for each other: they can only if two workers are there.
observe_following <- function(system) {
  unlink(list.files(folder, "^next-", full.names = TRUE))
  place <- folder
  meet <- function(i) {
    file.create(file.path(place, paste0("next-", i)))
    late <- proc.time()[["elapsed"]] + 5
    met <- function() length(list.files(place, "^next-")) == 2L
    while (!met() && proc.time()[["elapsed"]] < late) Sys.sleep(0.005)
    c(i, met())
  }
  begun <- now()
  end <- function(e) structure(list(condition = e), class = "ended")
  out <- tryCatch(suppressWarnings(system$map(c(101, 102), meet, list())), error = end, interrupt = end)
  if (inherits(out, "ended")) return(c(describe_end(out$condition), seconds = now() - begun))
  part <- function(k) vapply(out, function(v) if (is.numeric(v) && length(v) == 2L) v[k] else NA_real_, 0)
  list(ended = "value", right = identical(part(1L), c(101, 102)), wide = identical(part(2L), c(1, 1)),
       seconds = now() - begun)
}

keeps <- function(system) system$ours && "future.on.error" %in% names(formals(avenir::future_lapply))

`%||%` <- function(x, y) if (is.null(x)) y else x

try_fault <- function(system, name, seconds) {
  fault <- all_faults()[[name]]
  observe <- fault$session %||% function(...) observe_map(..., fault$arguments, seconds)
  mark(paste0(name, ".map"), observe(system, fault))
  again <- keeps(system) && isTRUE(fault$keep)
  kept <- if (again) observe_map(system, fault, c(fault$arguments, list(future.on.error = "keep")), seconds)
  mark(paste0(name, ".keep"), kept)
  mark(paste0(name, ".following"), if (!isFALSE(fault$following)) observe_following(system))
}

main <- function() {
  spec <- readRDS(file.path(folder, "spec.rds"))
  for (script in c("rig.R", "systems.R", "faults.R")) sys.source(file.path(spec$scripts, script), globalenv())
  options(faults.sizes = spec$sizes)
  mark("pid", Sys.getpid())
  system <- all_systems()[[spec$system]]
  if (!isFALSE(all_faults()[[spec$faults[1L]]]$start)) system$start(2L)
  for (name in spec$faults) try_fault(system, name, of_size(full = 0.2, small = 0.01))
  mark("end", TRUE)
}

main()
