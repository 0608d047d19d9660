# How expressions and the elements of maps are evaluated. Shared by the session (sequential) and the workers:
# the build copies this file into inst/worker, so its functions use base R alone and no other file of avenir.

# The call that evaluates a future's expression, to be evaluated in the global environment. It gives
# list(value, visible); conditions raised at its top level have the call `eval(quote(...), new.env())`, as
# those of future have.
make_future_call <- function(expr) {
  call("withVisible", call("eval", call("quote", call("{", expr)), quote(new.env())))
}

# A function of one element that calls the map's function on it. Conditions show the call
# `...future.FUN(...future.X_jj, ...)`, as those of future.apply do.
make_element_call <- function(kernel, fun, args) {
  maker <- switch(kernel, lapply = , replicate = make_lapply_call, mapply = make_mapply_call)
  environment(maker) <- globalenv()
  do.call(maker, c(list(fun), args), quote = TRUE)
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
