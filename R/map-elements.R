# Parallel maps over an environment's variables, and filtering.

#' Parallel versions of eapply() and Filter()
#'
#' These give what base R's functions give, evaluated by the workers of the current [plan()].
#'
#' @details
#' Relayed output, errors, lost workers, random numbers and chunks are as for [future_lapply()]; `future.*` arguments
#' go there. `future_Filter()` knows `future.on.error = "stop"` only.
#'
#' @inheritParams future_lapply
#' @param env An environment.
#' @param FUN A function, or its name.
#' @param f A function that tells whether an element is kept, or its name.
#' @param x A vector or a list.
#' @param ... Further arguments of the function, and `future.*` arguments.
#' @param all.names,USE.NAMES As for [eapply()].
#' @return As for the function of base R.
#' @section Errors:
#' Besides those of the function and those of [future_lapply()]: `avenir_invalid_argument` when `env` is not an
#' environment, and for `future_Filter(future.on.error = "keep")`: an element whose test failed is neither in nor out.
#' @seealso [future_lapply()], [plan()]
#' @examples
#' env <- list2env(list(a = 1:10, beta = exp(-3:3)))
#' future_eapply(env, mean)
#'
#' future_Filter(function(x) x > 1, c(u = 1, v = 2, w = 3))
#' @export
future_eapply <- function(env, FUN, ..., all.names = FALSE, USE.NAMES = TRUE, future.envir = parent.frame(),
                          future.label = "future_eapply-%d") {
  FUN <- match.fun(FUN)
  if (!is.environment(env)) invalid_argument("`env` must be an environment", env)
  names <- ls(env, all.names = all.names, sorted = FALSE)
  values <- mget(names, envir = env, inherits = FALSE)
  if (!USE.NAMES) names(values) <- NULL
  future_lapply(values, FUN, ..., future.envir = future.envir, future.label = future.label)
}

#' @rdname future_eapply
#' @export
future_Filter <- function(f, x, ..., future.envir = parent.frame()) {
  f <- match.fun(f)
  refuse_keep("future_Filter", "an element whose test failed is neither in nor out",
              "Let `f` catch its errors, or apply it with future_lapply().", ...)
  kept <- unlist(future_lapply(x, f, ..., future.envir = future.envir))
  if (is.null(kept)) x[integer()] else x[which(as.logical(kept))]
}
