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

# An element is the list of one call's arguments; `...` are the arguments that all calls share.
make_mapply_call <- function(...future.FUN, ...) {
  function(...future.X_jj) {
    do.call(...future.FUN, c(...future.X_jj, list(...)), quote = TRUE)
  }
}
