# The S4 class of arrays, and its methods for functions that have no S3 ones. The methods' bodies are in the files of
# their subjects; this file comes after them.
#
# S4 methods take time whenever the package is loaded: those for base R's primitive functions are set when the first
# array is made (install_methods()).

#' @importFrom methods new setMethod show
#' @exportClass gpu_array gpu_qr
#' @exportMethod show
#' @exportMethod ifelse rowSums colSums rowMeans colMeans crossprod tcrossprod outer chol2inv backsolve forwardsolve
#'   qr.Q qr.R qr.coef qr.solve svd eigen diag norm
NULL

methods::setClass("gpu_array", slots = c(node = "ANY", Dim = "ANY", Dimnames = "ANY", Names = "ANY"))

methods::setClass("gpu_qr", slots = c(qr = "ANY", rank = "ANY", qraux = "ANY", pivot = "ANY"))

methods::setMethod("show", "gpu_array", function(object) print.gpu_array(object))
methods::setMethod("show", "gpu_qr", function(object) print.gpu_qr(object))

# A method for two arguments, at least one of which is an array.
set_for_either <- function(generic, method, where = topenv(parent.frame())) {
  for (signature in list(c("gpu_array", "gpu_array"), c("gpu_array", "ANY"), c("ANY", "gpu_array"))) {
    methods::setMethod(generic, signature, method, where = where)
  }
}

# ---- Primitive functions, and what base R leaves to S4 itself ----

# Where R keeps the tables of these methods.
method_tables <- new.env()

install_methods <- function() {
  if (!is.null(method_tables$.packageName)) return(invisible())
  where <- method_tables
  assign(".packageName", "avenir", where)
  set_for_either("Ops", function(e1, e2) cpp_gpu_ops(.Generic, e1, e2), where)
  methods::setMethod("Ops", c("gpu_array", "missing"), function(e1, e2) cpp_gpu_ops(.Generic, e1, NULL), where = where)
  methods::setMethod("!", "gpu_array", function(x) cpp_gpu_map("!", x), where = where)
  set_for_either("%*%", function(x, y) product_of(x, y), where)
  set_for_either("kronecker", function(X, Y, FUN = "*", make.dimnames = FALSE, ...) kronecker_of(X, Y, FUN, ...), where)
}

# In a process to which arrays have come. One that had not loaded the package is a worker: its code calls base R's
# functions that have methods here.
receive_arrays <- function(is_new) {
  install_methods()
  if (is_new) suppressPackageStartupMessages(library("avenir", character.only = TRUE))
}

# ---- Functions that are no generics in base R: each becomes one whose default is base R's function itself ----

for (name in c("ifelse", "rowSums", "colSums", "rowMeans", "colMeans", "crossprod", "tcrossprod", "outer", "chol2inv",
               "backsolve", "forwardsolve", "qr.Q", "qr.R", "qr.coef", "qr.solve", "svd", "eigen", "diag", "norm")) {
  if (!is.primitive(get(name, baseenv()))) methods::setGeneric(name)
}
rm(name)

methods::setMethod("ifelse", "gpu_array", function(test, yes, no) cpp_gpu_choose(test, yes, no))

methods::setMethod("rowSums", "gpu_array", function(x, na.rm = FALSE, dims = 1L) margins(x, na.rm, dims, TRUE, FALSE))
methods::setMethod("colSums", "gpu_array", function(x, na.rm = FALSE, dims = 1L) margins(x, na.rm, dims, FALSE, FALSE))
methods::setMethod("rowMeans", "gpu_array", function(x, na.rm = FALSE, dims = 1L) margins(x, na.rm, dims, TRUE, TRUE))
methods::setMethod("colMeans", "gpu_array", function(x, na.rm = FALSE, dims = 1L) margins(x, na.rm, dims, FALSE, TRUE))

set_for_either("crossprod", function(x, y = NULL) cross_product(x, y, TRUE))
set_for_either("tcrossprod", function(x, y = NULL) cross_product(x, y, FALSE))

set_for_either("outer", function(X, Y, FUN = "*", ...) outer_of(X, Y, FUN, ...))

methods::setMethod("chol2inv", "gpu_array", function(x, size = NCOL(x), LINPACK = FALSE) inverse_of_factor(x, size))
set_for_either("backsolve", function(r, x, k = ncol(r), upper.tri = TRUE, transpose = FALSE) {
  triangular(r, x, k, upper.tri, transpose)
})
set_for_either("forwardsolve", function(l, x, k = ncol(l), upper.tri = FALSE, transpose = FALSE) {
  triangular(l, x, k, upper.tri, transpose)
})

methods::setMethod("qr.Q", "gpu_qr", function(qr, complete = FALSE, Dvec) {
  q_of(qr, complete, if (missing(Dvec)) NULL else Dvec)
})
methods::setMethod("qr.R", "gpu_qr", function(qr, complete = FALSE, ...) r_of(qr, complete))
methods::setMethod("qr.coef", "gpu_qr", function(qr, y) coefficients_of(qr, y))
methods::setMethod("qr.solve", c("gpu_array", "ANY"), function(a, b, tol = 1e-7) coefficients_of(qr(a, tol = tol), b))
methods::setMethod("qr.solve", c("gpu_array", "missing"), function(a, b, tol = 1e-7) solve(qr(a, tol = tol)))
methods::setMethod("qr.solve", c("gpu_qr", "ANY"), function(a, b, tol = 1e-7) coefficients_of(a, b))

methods::setMethod("svd", "gpu_array", function(x, nu = NULL, nv = NULL) singular_values(x, nu, nv))
methods::setMethod("eigen", "gpu_array", function(x, symmetric, only.values = FALSE, EISPACK = FALSE) {
  eigenvalues(x, if (missing(symmetric)) NULL else symmetric, only.values)
})

methods::setMethod("diag", "gpu_array", function(x = 1, nrow, ncol, names = TRUE) {
  diagonal(x, if (missing(nrow)) NULL else nrow, if (missing(ncol)) NULL else ncol, names)
})
methods::setMethod("norm", c("gpu_array", "missing"), function(x, type, ...) norm_of(x, "O"))
methods::setMethod("norm", c("gpu_array", "character"), function(x, type, ...) norm_of(x, type[1L]))
