# Threads of this process: how many there may be. What runs on them is in src/par, src/linalg and src/expression, in a
# shared object that is loaded when it is first used.

#' Number of threads
#'
#' How many threads [threaded()], [thread_runif()] and their relatives use in this R process.
#'
#' @details
#' Unless it is set, the number is that of the cores which this process may use, as [availableCores()] counts them:
#' limits of control groups and schedulers are respected. A worker, or a fork of a plan, has the session's cores divided
#' by the number of workers. It is the option `avenir.threads`; what a future changes is undone after it.
#'
#' Results never depend on the number of threads. In a fork of a process that has used threads everything runs on one,
#' since the others are not there.
#'
#' @param n The new number, a whole number from 1, or NULL for the number that holds where none is set. It may be more
#'   than there are cores.
#' @param expr An expression.
#' @return `cpu_threads()`: the number of threads; with `n` the one before, invisibly. `with_cpu_threads()`: the value
#'   of `expr`, evaluated while `n` threads are set.
#' @seealso [threaded()]; [blas_threads()] for those of R's linear algebra
#' @examples
#' cpu_threads()
#' with_cpu_threads(1, cpu_threads())
#' @export
cpu_threads <- function(n) {
  current <- current_threads()
  if (missing(n)) return(current)
  set_threads(n)
  invisible(current)
}

#' @rdname cpu_threads
#' @export
with_cpu_threads <- function(n, expr) {
  old <- set_threads(n)
  on.exit(options(old))
  expr
}

set_threads <- function(n) {
  options(avenir.threads = if (is.null(n)) NULL else check_threads(n, "n"))
}

check_threads <- function(x, name, remedy = "cpu_threads(NULL) sets the number of cores.") {
  whole <- is_number(x) && x >= 1 && x <= 4096 && x == floor(x)
  if (whole) return(as.integer(x))
  invalid_argument(sprintf("`%s` must be one whole number from 1 to 4096", name), x, remedy)
}

current_threads <- function() {
  set <- getOption("avenir.threads")
  if (is.null(set)) default_threads() else check_threads(set, "avenir.threads")
}

# Counted once: it reads files. A fork that somebody else has made shares the cores with others.
default_threads <- function() {
  pid <- Sys.getpid()
  if (is.null(thread_state$cores)) {
    thread_state$cores <- as.integer(counted_cores())
    thread_state$pid <- pid
  }
  if (identical(thread_state$pid, pid)) thread_state$cores else 1L
}

thread_state <- new.env(parent = emptyenv())

# Loads the shared object. Where TBB comes with RcppParallel and not with the system, loading that package is what makes
# it known.
load_compute <- function() {
  tryCatch(cpp_compute_load(), avenir_unsupported_error = function(e) {
    force(RcppParallel::setThreadOptions)
    cpp_compute_load()
  })
}

# Calls a door whose last argument is the number of threads.
on_threads <- function(door, ...) {
  load_compute()
  door(..., current_threads())
}

# ---- Expressions ----

#' Vectorised expressions on several threads
#'
#' `threaded()` evaluates an expression of ordinary R vectors as R would, in one pass over their elements, on several
#' threads and with the processor's vector instructions: no intermediate vectors are made.
#'
#' @details
#' The expression is cut into tiles of 1024 elements that stay in the processor's cache. A reduction around it
#' (`threaded(sum(exp(x)))`) is computed on the way, so that no result vector is needed either; a reduction inside it
#' (`threaded(x - mean(x))`) is computed first. `threaded(x <- exp(x))` writes the result into x itself when no other
#' variable has the same vector, and the result is of the same type and length; else x becomes a new vector, as in R.
#' Vectors of fewer than 1000 elements are left to R itself, which is as fast.
#'
#' The functions are
#' * `+`, `-`, `*`, `/`, `^`, `%%`, `%/%`; `==`, `!=`, `<`, `<=`, `>`, `>=`; `&`, `|`, `!`, `xor()`; `(`;
#' * `exp()`, `expm1()`, `log()` (with one number as base), `log1p()`, `log2()`, `log10()`, `sqrt()`, `abs()`, `sign()`,
#'   `sin()`, `cos()`, `tan()`, `asin()`, `acos()`, `atan()`, `atan2()`, `sinh()`, `cosh()`, `tanh()`, `asinh()`,
#'   `acosh()`, `atanh()`, `sinpi()`, `cospi()`, `tanpi()`, `floor()`, `ceiling()`, `trunc()`, `round()` (to whole
#'   numbers);
#' * `ifelse()`, `pmin()`, `pmax()`, `is.na()`, `is.nan()`, `is.finite()`, `is.infinite()`, `as.numeric()`,
#'   `as.double()`, `as.integer()`, `as.logical()`;
#' * the reductions `sum()`, `mean()`, `prod()`, `min()`, `max()`, `range()`, `any()`, `all()` of one vector, with
#'   `na.rm`;
#' * functions of your own in C++: [compiled_function()].
#'
#' `ifelse()` computes both answers: what fails is an error also in an answer that no element chooses, which R would not
#' evaluate.
#'
#' Variables are numeric, integer or logical vectors and matrices. `x[i]`, `x[[i]]`, `x$name`, `x@name`, `a:b`, `c()`,
#' `seq_len()`, `seq_along()`, `length()`, `nrow()` and `ncol()` are evaluated by R first. Shorter vectors start again
#' at their end, when the longer one's length is a multiple of theirs: a vector with an element for each row goes with
#' the columns of a matrix. Whatever else the expression has is an error of class `avenir_invalid_argument` that names
#' it.
#'
#' Results have the type and attributes that R gives them, and its warnings. Of a vector with a class only what is left
#' of it without methods is computed: where the class has a method for one of the functions, or for its group (`Ops`,
#' `Math`, `Summary`), as factors and dates do, that is an error.
#'
#' @section Accuracy:
#' Results are the same bits for any number of threads. Each function is at most 4 units in the last place away from
#' R's, and exactly R's for `NA`, `NaN`, infinities, zeros and numbers at the ends of the range; arithmetic, comparisons
#' and integers are exactly R's. Sums lose nothing on the way and are then rounded once: R's own may differ in the last
#' digits. Which NaN is the result of two (`NA + NaN`) is open, as it is in R.
#'
#' Mathematical functions are those of the C library's `libmvec`, which are the fastest; what it lacks are those of the
#' SLEEF library where that is installed (Debian and Ubuntu: `libsleef3`), else the C library's ordinary ones, one
#' element at a time. `options(avenir.threads.math = "SLEEF")` chooses SLEEF for all, which is within 1 unit in the last
#' place of the true value, at about twice the time; `"scalar"` the ordinary ones, which give R's very bits; `"libmvec"`
#' that library alone.
#'
#' @param expr An expression, or an assignment `name <- expression`.
#' @return The expression's value, invisibly of an assignment.
#' @seealso [cpu_threads()], [compiled_function()]
#' @examples
#' x <- runif(1e5)
#' all.equal(threaded(exp(x) + 3 * sin(x)), exp(x) + 3 * sin(x))
#' threaded(sum(x > 0.5))
#' threaded((x - mean(x)) / max(x))[1:3]
#'
#' threaded(x <- tan(x) + 3 * sin(x))
#'
#' m <- matrix(runif(1e5), 100)
#' dim(threaded(2 * m - 1))
#' @export
threaded <- function(expr) {
  code <- substitute(expr)
  if (is.call(code) && code[[1L]] == "<-") return(invisible(cpp_threaded(code, parent.frame())))
  cpp_threaded(code, parent.frame())
}

# The name of a method for one of the functions (or the group that it may belong to) and x's class; "" without one.
method_of <- function(x, names) {
  for (class in class(x)) {
    for (generic in c("Ops", "Math", "Summary", names)) {
      if (!is.null(utils::getS3method(generic, class, optional = TRUE))) {
        return(sprintf("method %s.%s()", generic, class))
      }
    }
  }
  ""
}

# ---- Functions of the user's ----

#' Compiled functions for threaded()
#'
#' Makes an R function of one in C++ that [threaded()] calls in its loops, on several threads and without R.
#'
#' @details
#' The C++ function has the signature `void f(const double* const* in, double* out, size_t n, void* data)`: it computes
#' `out[i]` of `in[0][i]`, `in[1][i]` and so on for each `i` below `n`. It is called for one piece of the vectors after
#' the other, by several threads at the same time, and must not use R. The header `avenir/threaded.h` (for
#' `Rcpp::depends(avenir)`, or `LinkingTo: avenir` in a package) has `avenir::block_pointer(f)`, which makes the
#' pointer, `avenir::each<g>` for a function `g` of one or two numbers, and `avenir::stream`, the numbers of R's
#' generator L'Ecuyer-CMRG for such functions.
#'
#' An expression with such a function is cut into at least 64 pieces, since an element may take long: pieces of
#' simulations can be the elements.
#'
#' The result is an ordinary function, too: called by itself it computes its arguments, elementwise and on threads.
#' Another process cannot use it; workers compile their own.
#'
#' @param pointer What `avenir::block_pointer()` gave.
#' @param arguments How many arguments the function has, from 1 to 8.
#' @return A function of `arguments` numeric vectors.
#' @seealso [threaded()], [rng_streams()]
#' @examples
#' \donttest{
#' # pi by Monte Carlo: each element is a batch of 1e5 points, with a stream of its own
#' Rcpp::sourceCpp(code = '
#'   // [[Rcpp::depends(avenir)]]
#'   #include <avenir/threaded.h>
#'   void hits(const double* const* in, double* out, size_t n, void* data) {
#'     for (size_t i = 0; i < n; ++i) {
#'       avenir::stream s = static_cast<avenir::stream*>(data)->jumped(in[0][i] - 1);
#'       double inside = 0;
#'       for (int k = 0; k < 100000; ++k) {
#'         const double x = s.next(), y = s.next();
#'         inside += x * x + y * y <= 1;
#'       }
#'       out[i] = inside;
#'     }
#'   }
#'   // [[Rcpp::export]]
#'   SEXP hits_pointer(Rcpp::IntegerVector state) {
#'     return avenir::block_pointer(hits, new avenir::stream(state.begin()));
#'   }')
#' hits <- compiled_function(hits_pointer(rng_streams(1, seed = 42)[[1]]))
#' 4 * threaded(mean(hits(1:100))) / 1e5
#' }
#' @export
compiled_function <- function(pointer, arguments = 1) {
  cpp_check_block(pointer)
  whole <- is_number(arguments) && arguments >= 1 && arguments <= 8 && arguments == floor(arguments)
  if (!whole) invalid_argument("`arguments` must be one whole number from 1 to 8", arguments)
  own <- structure(function(...) call_compiled(own, list(...)), class = c("avenir_compiled_function", "function"),
                   pointer = pointer, arguments = as.integer(arguments))
  own
}

call_compiled <- function(own, given) {
  if (any(lengths(given) == 0L)) return(numeric())
  names(given) <- paste0("x", seq_along(given))
  code <- as.call(c(quote(own), lapply(names(given), as.name)))
  cpp_threaded(code, list2env(c(given, own = own), parent = baseenv()))
}

#' @export
print.avenir_compiled_function <- function(x, ...) {
  cat(sprintf("<compiled function of %d numeric vector%s>\n", attr(x, "arguments"),
              if (attr(x, "arguments") == 1L) "" else "s"))
  invisible(x)
}
