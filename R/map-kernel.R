# How expressions and the elements of maps are evaluated. Shared by the session (sequential) and the workers:
# the build copies this file into inst/worker, so its functions use base R alone and no other file of avenir.

# The call that evaluates a future's expression, to be evaluated in the global environment. It gives
# list(value, visible); conditions raised at its top level have the call `eval(quote(...), new.env())`, as
# those of future have.
make_future_call <- function(expr) {
  call("withVisible", call("eval", call("quote", call("{", expr)), quote(new.env())))
}

# A function of one element that calls the map's function on it. Conditions show the call
# `...future.FUN(...future.X_jj, ...)`, as those of future.apply do; those of purrr's kernels (below) show
# `.f(.x[[i]], ...)`.
make_element_call <- function(kernel, fun, args) {
  if (is.list(kernel)) return(make_purrr_call(kernel, fun, args))
  maker <- switch(kernel, lapply = , replicate = make_lapply_call, mapply = make_mapply_call)
  environment(maker) <- globalenv()
  do.call(maker, c(list(fun), quoted_code(args)))
}

# Arguments as do.call() is to pass them on. Only code is quoted: what match.call() shows of a constant is the constant.
quoted_code <- function(args) {
  code <- vapply(args, is.language, NA)
  args[code] <- lapply(args[code], enquote)
  args
}

# The element is forced first: a promise would be evaluated when the function gets to it, perhaps after the
# loop has moved on.
make_lapply_call <- function(...future.FUN, ...) {
  function(...future.X_jj) {
    ...future.X_jj
    ...future.FUN(...future.X_jj, ...)
  }
}

# An element is the list of one call's arguments, under the same names in all elements; `...` are arguments that all
# calls share. The call, for instance `...future.FUN(...future.X_jj[[1L]], n = ...future.X_jj[[2L]], ...)`, is written
# for the first element: do.call() takes several times as long, and an error's condition would hold the values.
make_mapply_call <- function(...future.FUN, ...) {
  ...future.call <- NULL
  function(...future.X_jj) {
    if (is.null(...future.call)) {
      values <- lapply(seq_along(...future.X_jj), function(k) call("[[", quote(...future.X_jj), k))
      code <- as.call(c(quote(...future.FUN), `names<-`(values, names(...future.X_jj)), quote(...)))
      ...future.call <<- eval(call("function", as.pairlist(alist(...future.X_jj = )), code))
    }
    ...future.X_jj
    ...future.call(...future.X_jj)
  }
}

# ---- purrr's maps ----

# `kernel`: list(form = "map", "map2" or "pmap", type = that of the values, vectors, labels). An element is what
# `.x[[i]]` gives; for map2 and pmap the list of one call's arguments or, when there are `vectors`, their position in
# these. `labels`: the names of the arguments of pmap, "" for none.
make_purrr_call <- function(kernel, fun, args) {
  value <- if (kernel$type != "list") value_maker(kernel$type)
  code <- purrr_element_code(kernel, !is.null(value))
  maker <- purrr_element_maker
  environment(maker) <- globalenv()
  do.call(maker, c(list(fun, value, kernel$vectors, enquote(code)), quoted_code(args)))
}

purrr_element_maker <- function(...future.FUN, ...future.value, ...future.vectors, ...future.code, ...) {
  .f <- ...future.FUN
  .l <- ...future.vectors
  .x <- if (length(.l) > 0L) .l[[1L]]
  .y <- if (length(.l) > 1L) .l[[2L]]
  i <- 1L
  eval(...future.code)
}

# The code of a function of one element. `.x[[i]]` is what a user's substitute(), match.call() or error shows; the
# arguments are forced as purrr forces them: what `.f` returns may hold their promises.
purrr_element_code <- function(kernel, has_value) {
  indexed <- !is.null(kernel$vectors)
  arguments <- switch(kernel$form, map = list(quote(.x[[i]])), map2 = list(quote(.x[[i]]), quote(.y[[i]])),
                      pmap = labelled_arguments(kernel$labels, indexed))
  call <- as.call(c(quote(forceAndCall), length(arguments), quote(.f), arguments, quote(...)))
  if (has_value) call <- call("...future.value", call)
  if (indexed) return(call("function", as.pairlist(alist(i = )), call))
  prepare <- switch(kernel$form, map = list(quote(.x <- list(...future.X_jj))),
                    map2 = list(quote(.x <- ...future.X_jj[1L]), quote(.y <- ...future.X_jj[2L])),
                    pmap = list(quote(.l <- ...future.X_jj)))
  call("function", as.pairlist(alist(...future.X_jj = )), as.call(c(quote(`{`), prepare, call)))
}

labelled_arguments <- function(labels, indexed) {
  places <- lapply(seq_along(labels), function(k) if (indexed) bquote(.l[[.(k)]][[i]]) else bquote(.l[[.(k)]]))
  names(places) <- labels
  places
}

# What becomes of a value: NULL ("NULL", for what is called for its effects), or one of that type, as purrr takes one
# type for another.
value_maker <- function(type) {
  if (type == "NULL") {
    return(function(value) {
      value
      NULL
    })
  }
  is_type <- switch(type, double = is.double, integer = is.integer, character = is.character, logical = is.logical,
                    raw = is.raw)
  function(value) {
    if (is_type(value) && length(value) == 1L && is.null(attributes(value))) value else as_typed_value(value, type)
  }
}

# One value of the type without attributes, or an error: map_dbl() takes TRUE, map_int() takes 2, neither takes "2".
as_typed_value <- function(value, type) {
  size <- if (is.object(value) && is.atomic(value)) length(unclass(value)) else length(value)
  if (size != 1L) wrong_value(sprintf("Result must be length 1, not %d.", size))
  bare <- if (is.atomic(value)) as.vector(unclass(value))
  if (!is.null(bare) && is_taken_for(bare, type)) return(as.vector(bare, type))
  wrong_value(sprintf("Can't coerce from %s to %s.", described_value(value), described_type(type)))
}

# NA of other types is a missing string, and NaN is no missing value.
is_taken_for <- function(x, type) {
  missing <- is.na(x) && !is.nan(x)
  switch(type,
    logical = is.logical(x) || is.numeric(x) && (missing || x %in% 0:1),
    integer = is.logical(x) || is.integer(x) || is.double(x) && (missing || fits_integer(x)),
    double = is.logical(x) || is.numeric(x),
    character = is.character(x) || is.logical(x) && missing,
    typeof(x) == type)
}

fits_integer <- function(x) is.finite(x) && abs(x) <= .Machine$integer.max && x == trunc(x)

# The session says of which element.
wrong_value <- function(message) {
  class <- c("avenir_value_error", "avenir_invalid_argument", "avenir_error", "simpleError", "error", "condition")
  stop(structure(class = class, list(message = message, call = NULL)))
}

described_type <- function(type) {
  switch(type, integer = "an integer", double = "a double", character = "a string", logical = "a logical",
         raw = "a raw vector")
}

# A value of length one in words.
described_value <- function(value) {
  if (is.object(value)) return(sprintf("a <%s> object", class(value)[1L]))
  if (length(dim(value)) == 2L) return(sprintf("a %s matrix", typeof(value)))
  if (is.character(value) && (is.na(value) || value == "")) return(if (is.na(value)) "a character `NA`" else "`\"\"`")
  if (is.double(value) && !is.finite(value)) return(sprintf("`%s`", value))
  switch(typeof(value), logical = "a logical value", integer = "an integer", double = "a number",
         character = "a string", complex = "a complex number", raw = "a raw value", list = "a list",
         environment = "an environment", closure = , builtin = , special = "a function", symbol = "a symbol",
         language = "a call", paste("a", typeof(value)))
}

# ---- What a future leaves behind in the process that evaluates it ----

# What is there before, for left_behind(). Connections as objects: their numbers may be used again, and those that are
# held are not closed as garbage meanwhile. `own`: a connection of ours, which is left out.
look_around <- function(own = NULL) {
  watched <- getOption("future.globalenv.onMisuse", "ignore") != "ignore"
  own <- c(unclass(own))
  list(own = own, connections = open_connections(own), devices = unlist(.Devices),
       globals = if (watched) names(globalenv()))
}

# NULL, or a named list of what has changed since `before`: globals, connections, devices.
left_behind <- function(before) {
  connections <- open_connections(before$own)
  devices <- unlist(.Devices)
  same <- identical(connections, before$connections) && identical(devices, before$devices) && is.null(before$globals)
  if (same) return(NULL)
  changes <- list(globals = list(added = new_globals(before$globals)),
                  connections = changed_connections(connections, before$connections),
                  devices = changed(open_devices(devices), open_devices(before$devices)))
  changes <- Filter(function(change) any(lengths(change) > 0L), changes)
  if (length(changes)) changes
}

changed <- function(now, before) list(added = setdiff(now, before), removed = setdiff(before, now))

new_globals <- function(before) if (!is.null(before)) setdiff(names(globalenv()), c(before, ".Random.seed"))

# The first three are the standard streams. One that is garbage may be gone before it is looked at: NULL.
open_connections <- function(own) {
  numbers <- getAllConnections()[-(1:3)]
  if (length(own)) numbers <- numbers[numbers != own]
  if (length(numbers)) lapply(numbers, connection_or_null)
}

connection_or_null <- function(number) tryCatch(getConnection(number), error = function(e) NULL)

changed_connections <- function(now, before) {
  missing_in <- function(x, others) {
    x[!vapply(x, function(con) is.null(con) || any(vapply(others, identical, NA, con)), NA)]
  }
  list(added = vapply(missing_in(now, before), describe_connection, ""),
       removed = vapply(missing_in(before, now), function(con) as.character(as.integer(con)), ""))
}

describe_connection <- function(connection) {
  tryCatch({
    about <- summary(connection)
    sprintf("%d (%s, %s)", connection, about$class, about$description)
  }, error = function(e) as.character(as.integer(connection)))
}

# "2 (png)" for each.
open_devices <- function(devices) {
  sprintf("%d (%s)", seq_along(devices), devices)[!devices %in% c("", "null device")]
}

# The option `device` as a function that calls `opened` before it opens the default graphics device.
noted_device <- function(device, opened) {
  force(device)
  function(...) {
    opened()
    open <- if (is.character(device)) device_function(device) else device
    open(...)
  }
}

# As R looks for it.
device_function <- function(name) {
  get0(name, globalenv(), mode = "function", ifnotfound = get0(name, asNamespace("grDevices"), mode = "function"))
}

# Of the calls in force when an error is signaled or a device opened: those that the future's expression has made. R
# shows eval() as two calls.
calls_inside_future <- function(calls) {
  starts <- which(vapply(calls, is_future_call, NA))
  if (length(starts)) calls <- calls[-seq_len(starts[length(starts)])]
  ours <- which(vapply(calls, function(call) {
    is.function(call[[1L]]) || as.character(call[[1L]])[1L] %in% c(".handleSimpleError", "on_condition", "opened")
  }, NA))
  as.list(if (length(ours)) calls[seq_len(ours[1L] - 1L)] else calls)
}

is_future_call <- function(call) {
  length(call) == 3L && identical(call[[1L]], quote(eval)) && identical(call[[3L]], quote(new.env())) &&
    is.call(call[[2L]]) && identical(call[[2L]][[1L]], quote(quote))
}

# "plot -> plot.default -> plot.new": all of a future's, of a map's element the last three.
calls_to_device <- function(calls, in_map) {
  calls <- if (in_map) last_calls(calls, 3L) else calls_inside_future(calls)
  paste(vapply(calls, function(call) deparse(call[[1L]], nlines = 1L)[1L], ""), collapse = " -> ")
}

# Before that of the device itself, which is no function by name.
last_calls <- function(calls, count) {
  device <- max(0L, which(vapply(calls, function(call) is.function(call[[1L]]), NA)))
  calls[seq_along(calls) < device & seq_along(calls) >= device - count]
}
