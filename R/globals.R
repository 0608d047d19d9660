# Globals: what an expression or a function needs from this session, found by the C++ walker (rbridge/globals_walker.h).
#
# `globals` is, as in future: TRUE (search), FALSE (nothing), names, a named list of values, or TRUE or FALSE
# with attributes "add" (names or a named list) and "ignore" (names).

# What future(expr) needs, with `expr` looked up from `envir` outwards:
# list(expr = what to evaluate, globals = named list, packages = character()).
# `expr` comes back changed when it uses `...`, or a name that a function it calls sees otherwise.
find_globals <- function(expr, envir, globals = TRUE, packages = NULL) {
  found <- asked_globals(globals, envir, "globals", function() searched_globals(expr, envir))
  found <- add_packages(found, packages, "packages")
  plain <- !length(found$locals) && is.na(match("...", names(found$globals)))
  if (plain) return(list(expr = expr, globals = found$globals, packages = found$packages))
  bind_locals(bind_dots(c(list(expr = expr), found)))
}

# The options by which future's search can be another one are rarely set.
searched_globals <- function(expr, envir) {
  found <- cpp_find_globals(expr, envir)
  if (identical(getOption("future.globals.onMissing"), "error")) stop_missing_globals(expr, envir)
  if (identical(getOption("future.globals.method"), "conservative")) found <- ignore_assigned(found, expr)
  if (isTRUE(getOption("future.globals.resolve"))) found$globals <- lapply(found$globals, resolved_global)
  found
}

stop_missing_globals <- function(expr, envir) {
  names <- setdiff(cpp_free_names(expr, FALSE), "...")
  missing <- names[!vapply(names, exists, NA, envir = envir)]
  if (!length(missing)) return(invisible())
  text <- paste0(
    "the globals %s were identified by looking at the code, but there is no such object.\ni If that is how the code ",
    "means it, as in subset(data, x < 3), set options(future.globals.onMissing = \"ignore\")."
  )
  stop(future_error(sprintf(text, quote_names(missing))))
}

# Names that the expression assigns anywhere are taken for its own, even where it uses them before.
ignore_assigned <- function(found, expr) {
  found$globals <- found$globals[!names(found$globals) %in% assigned_names(expr)]
  found
}

assigned_names <- function(expr) {
  if (!is.call(expr)) return(character())
  assigns <- is.symbol(expr[[1L]]) && as.character(expr[[1L]]) %in% c("<-", "=", "for") && is.symbol(expr[[2L]])
  c(if (assigns) as.character(expr[[2L]]), unlist(lapply(as.list(expr), assigned_names)))
}

# A global that is a future, or has some in it, with values in their place where they are asked for.
resolved_global <- function(x) {
  if (is_future(x)) return(constant_future(x))
  if (is.list(x) || is.environment(x)) resolve(x, recursive = TRUE, result = TRUE)
  if (is.environment(x)) for (name in hidden_variables(x)) try(get(name, x), silent = TRUE)
  x
}

hidden_variables <- function(x) {
  hidden <- grep(paste0("^", hidden_name("")), names(x), value = TRUE)
  substring(hidden, nchar(hidden_name("")) + 1L)
}

# What a map's function and the list of its further arguments need: list(globals, packages). The function is looked into
# from its own environment, which travels with it.
find_function_globals <- function(fun, args, envir, globals = TRUE, packages = NULL) {
  found <- asked_globals(globals, envir, "future.globals", function() cpp_find_function_globals(fun, args, envir))
  add_packages(found, packages, "future.packages")[c("globals", "packages")]
}

add_packages <- function(found, packages, argument) {
  if (!is.null(packages)) found$packages <- unique(c(found$packages, check_packages(packages, argument)))
  found
}

# list(globals, packages, locals) as `globals` asks for; `search` looks for them.
asked_globals <- function(globals, envir, argument, search) {
  if (identical(globals, TRUE)) return(search())
  if (!is.logical(globals)) return(given_globals(globals, envir, argument))
  check_flag(globals, argument)
  found <- if (globals) search() else no_globals()
  found <- ignore_globals(found, attr(globals, "ignore", exact = TRUE), argument)
  add_globals(found, attr(globals, "add", exact = TRUE), envir, argument)
}

no_globals <- function() list(globals = list(), packages = character(), locals = list())

# Globals by name, looked up from `envir`, or by value.
given_globals <- function(globals, envir, argument) {
  if (is.character(globals)) return(cpp_find_named_globals(check_names(globals, argument), envir))
  if (!is.list(globals)) {
    invalid_argument(sprintf("`%s` must be TRUE, FALSE, a character vector or a named list", argument), globals)
  }
  if (length(globals)) check_names(names(globals), sprintf("names(%s)", argument))
  packages <- cpp_packages_of(globals)$packages
  values <- if (length(globals)) .subset(globals, seq_along(globals)) else list()
  list(globals = values, packages = packages, locals = list())
}

check_names <- function(x, argument) {
  if (!is.character(x) || anyNA(x) || !all(nzchar(x)) || anyDuplicated(x)) {
    invalid_argument(sprintf("`%s` must be different names, none of them empty or NA", argument), x,
                     "Give globals by name, c(\"a\", \"b\"), or by value, list(a = a, b = b).")
  }
  as.vector(x)
}

ignore_globals <- function(found, ignore, argument) {
  if (is.null(ignore)) return(found)
  if (!is.character(ignore) || anyNA(ignore)) {
    invalid_argument(sprintf("attribute \"ignore\" of `%s` must be a character vector", argument), ignore)
  }
  for (field in c("globals", "locals")) {
    found[[field]] <- found[[field]][!names(found[[field]]) %in% ignore]
  }
  found
}

# What was found comes first; what is added does not replace it.
add_globals <- function(found, add, envir, argument) {
  if (is.null(add)) return(found)
  added <- given_globals(add, envir, sprintf("attr(%s, \"add\")", argument))
  new <- !names(added$globals) %in% names(found$globals)
  found$globals <- c(found$globals, added$globals[new])
  found$packages <- unique(c(found$packages, added$packages))
  found
}

# `...` cannot be assigned as other globals: its values travel as `future.call.arguments` (future's name), and the
# expression is evaluated in a function that is called with them.
bind_dots <- function(found) {
  dots <- match("...", names(found$globals))
  if (is.na(dots)) return(found)
  names(found$globals)[dots] <- "future.call.arguments"
  found$expr <- bquote(do.call(function(...) .(found$expr), args = future.call.arguments))
  found
}

# When a name means one value in the frame of the expression and another in the global environment, where
# a function that the expression needs sees it, the expression is evaluated in a frame of its own with the first.
bind_locals <- function(found) {
  if (length(found$locals)) {
    found$globals[["future.local.globals"]] <- found$locals
    found$expr <- bquote(local(.(found$expr), envir = list2env(future.local.globals, parent = globalenv())))
  }
  found$locals <- NULL
  found
}

# Says, as option "future.globals.onReference" asks (nothing, a warning or an error), that a global holds what only this
# process can use: an external pointer, a connection, a weak reference.
check_exportable <- function(globals) {
  action <- getOption("future.globals.onReference", "ignore")
  if (identical(action, "ignore")) return(invisible(globals))
  action <- option_choice("future.globals.onReference", c("ignore", "warning", "error"))
  for (name in names(globals)) {
    reference <- find_reference(globals[[name]])
    if (!is.null(reference)) signal_reference(name, globals[[name]], reference, action)
  }
  invisible(globals)
}

# The first thing inside `x` that only this process can use, or NULL. (R warns about environments of packages.)
find_reference <- function(x) suppressWarnings(cpp_find_reference(x))

signal_reference <- function(name, value, reference, action) {
  message <- reference_message(name, value, reference)
  if (action == "error") stop(future_error(message))
  if (action == "warning") warning(future_condition(message, c("FutureWarning", "warning")))
}

reference_message <- function(name, value, reference) {
  text <- paste0(
    "the global `%s` (class %s) holds a non-exportable reference (%s), which means something in this process only.",
    "\ni Create it inside the future or in each worker, or send what it was made from (a file name, a vector). If it ",
    "is known to be harmless, set options(future.globals.onReference = \"ignore\").")
  sprintf(text, name, quote_names(class(value)[1L]), describe_reference(reference))
}

describe_reference <- function(reference) {
  if (class(reference)[1L] == typeof(reference)) return(typeof(reference))
  sprintf("%s of class %s", typeof(reference), quote_names(class(reference)[1L]))
}

# Bytes that each global takes when it is sent; what two of them share counts in both.
globals_size <- function(globals) {
  suppressWarnings(vapply(globals, cpp_serialized_size, 0))
}

# What to say when globals of `total` bytes exceed the `limit` of option "future.globals.maxSize".
size_message <- function(globals, total, limit) {
  sizes <- globals_size(globals)
  largest <- utils::head(order(sizes, decreasing = TRUE), 3L)
  listed <- sprintf("`%s` (%s, class %s%s)", names(globals)[largest], show_bytes(sizes[largest]),
                    vapply(globals[largest], function(x) quote_names(class(x)[1L]), ""),
                    vapply(globals[largest], dragged_along, ""))
  text <- paste0(
    "the total size of the %d globals is %s, which exceeds the maximum allowed size of %s (option ",
    "`future.globals.maxSize`). Largest: %s.\ni Raise the limit, options(future.globals.maxSize = %.0f) or Inf, or ",
    "name the globals that are needed with `globals =`.")
  sprintf(text, length(globals), show_bytes(total), show_bytes(limit), paste(listed, collapse = ", "), ceiling(total))
}

# ", with its environment's `x` of 4 GiB": the largest variable in the environment that a function or formula brings.
dragged_along <- function(x) {
  envir <- environment_of(x)
  if (!is_frame(envir) || !length(names(envir))) return("")
  sizes <- globals_size(mget(names(envir), envir = envir))
  largest <- which.max(sizes)
  sprintf(", with its environment's `%s` of %s", names(sizes)[largest], show_bytes(sizes[largest]))
}

# 1536 -> "1.50 KiB"
show_bytes <- function(bytes) {
  power <- pmin(floor(log(pmax(bytes, 1), 1024)), 4)
  units <- c("bytes", "KiB", "MiB", "GiB", "TiB")[power + 1]
  sprintf(ifelse(power == 0, "%.0f %s", "%.2f %s"), bytes / 1024^power, units)
}
