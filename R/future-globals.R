# Globals as packages that are written for future know them: a list of class "FutureGlobals" that also says, in
# attribute "where", which environment each comes from. Nothing in this package reads that attribute.

#' Globals and packages of an expression
#'
#' For packages that make futures of their own: what an expression needs from this session, as [future()]
#' finds it.
#'
#' @param expr An expression, as a value.
#' @param envir Where its global variables are looked up.
#' @param tweak A function that is given `expr` and returns the expression to search in its place.
#' @param globals As for [future()].
#' @param maxSize The most bytes that all globals may take.
#' @param onReference What happens when a global holds what only this process can use: `"ignore"`,
#'   `"warning"` or `"error"`.
#' @param object,x A named list.
#' @param resolved,total_size Noted down as attributes: whether the globals were searched for futures, and
#'   their size if it is known.
#' @param ... Not used.
#' @return `getGlobalsAndPackages()` a list of `expr` (changed when it uses `...`), `globals` and `packages`.
#'   Globals are a named list of class `FutureGlobals`, as the other functions make it.
#' @section Errors:
#' `avenir_invalid_argument` for arguments that make no sense; `FutureError` when the globals are larger than
#' `maxSize`, or hold references and `onReference` is `"error"`.
#' @seealso [future()]
#' @examples
#' a <- 2
#' needs <- getGlobalsAndPackages(quote(median(a * x)))
#' names(needs$globals)
#' needs$packages
#'
#' c(needs$globals, list(x = 1:3))
#' @export
getGlobalsAndPackages <- function(expr, envir = parent.frame(), tweak = NULL, globals = TRUE, ...,
                                  maxSize = getOption("future.globals.maxSize", Inf),
                                  onReference = getOption("future.globals.onReference", "ignore")) {
  searched <- if (is.function(tweak)) tweak(expr) else expr
  found <- asked_globals(globals, envir, "globals", function() searched_globals(searched, envir))
  found <- bind_locals(bind_dots(c(list(expr = expr), found)))
  before <- options(future.globals.onReference = onReference)
  on.exit(options(before))
  check_exportable(found$globals)
  found$globals <- measured_globals(found$globals, as.numeric(maxSize))
  found
}

# The size is taken only where there is a limit: that is what costs.
measured_globals <- function(globals, limit) {
  if (!length(globals)) return(FutureGlobals(globals, resolved = TRUE, total_size = 0))
  if (is.infinite(limit)) return(FutureGlobals(globals))
  total <- sum(globals_size(globals))
  if (total > limit) stop(future_error(size_message(globals, total, limit)))
  FutureGlobals(globals, total_size = total)
}

# ---- The class ----

#' @rdname getGlobalsAndPackages
#' @export
FutureGlobals <- function(object = list(), resolved = FALSE, total_size = NA_real_, ...) {
  if (!is.list(object)) invalid_argument("`object` must be a named list", object)
  if (inherits(object, "FutureGlobals")) return(object)
  if (length(object)) check_global_names(names(object))
  where <- attr(object, "where", exact = TRUE)
  values <- .subset(object, seq_along(object))
  structure(values, where = homes_of(values, where), resolved = resolved, total_size = total_size,
            class = c("AvenirGlobals", "FutureGlobals", "Globals", "list"))
}

# Names may be there twice, until unique() drops the later ones.
check_global_names <- function(names) {
  if (!is.null(names) && !anyNA(names) && all(nzchar(names))) return(invisible())
  invalid_argument("globals must have names, none of them empty or NA", names)
}

# Where each value comes from: as `known` by name, otherwise the environment of a function.
homes_of <- function(values, known = list()) {
  homes <- lapply(values, function(x) environment_of(x) %||% emptyenv())
  same <- names(values) %in% names(known)
  homes[same] <- known[names(values)[same]]
  homes
}

environment_of <- function(x) if (is.function(x) || inherits(x, "formula")) environment(x)

#' @rdname getGlobalsAndPackages
#' @export
as.FutureGlobals <- function(x, ...) UseMethod("as.FutureGlobals")

#' @export
as.FutureGlobals.FutureGlobals <- function(x, ...) x

#' @export
as.FutureGlobals.list <- function(x, ...) FutureGlobals(x)

#' @export
as.FutureGlobals.Globals <- as.FutureGlobals.list

# What `change` makes of the globals as a plain list. Their size is not known any more.
change_globals <- function(x, change, resolved = attr(x, "resolved", exact = TRUE)) {
  values <- change(.subset(x, seq_along(x)))
  attr(values, "where") <- attr(x, "where", exact = TRUE)
  FutureGlobals(values, resolved = resolved)
}

#' @export
`[.AvenirGlobals` <- function(x, i) change_globals(x, function(values) values[i])

#' @export
`[<-.AvenirGlobals` <- function(x, i, value) {
  value <- as.list(value)
  change_globals(x, function(values) {
    values[i] <- value
    values
  }, resolved = FALSE)
}

#' @export
`[[<-.AvenirGlobals` <- function(x, i, value) {
  change_globals(x, function(values) {
    values[[i]] <- value
    values
  }, resolved = FALSE)
}

#' @export
`$<-.AvenirGlobals` <- `[[<-.AvenirGlobals`

#' @export
`names<-.AvenirGlobals` <- function(x, value) {
  change_globals(x, function(values) {
    names(values) <- value
    values
  })
}

# Further globals: lists, or single values with a name.
#' @export
c.AvenirGlobals <- function(x, ...) {
  more <- list(...)
  resolved <- vapply(c(list(x), more), function(g) isTRUE(attr(g, "resolved", exact = TRUE)), NA)
  parts <- lapply(seq_along(more), function(i) {
    if (is.list(more[[i]])) .subset(more[[i]], seq_along(more[[i]])) else more[i]
  })
  change_globals(x, function(values) do.call(c, c(list(values), parts), quote = TRUE), all(resolved))
}

#' @export
unique.AvenirGlobals <- function(x, ...) x[!duplicated(names(x))]

#' @export
resolved.FutureGlobals <- function(x, ...) attr(x, "resolved", exact = TRUE)

#' @export
print.AvenirGlobals <- function(x, ...) {
  print(.subset(x, seq_along(x)), ...)
  invisible(x)
}
