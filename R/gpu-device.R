# The devices that a gpu_array can be on: GPUs, and the CPU where there is none. All knowledge of them is in src/device.

#' GPUs and their state
#'
#' Which GPUs there are, and if none can be used, why. A [gpu_array()] is on a GPU or, where there is none, on the CPU,
#' with the same functions.
#'
#' @details
#' Nothing about GPUs happens when avenir is loaded or installed: the driver and the CUDA Toolkit are looked for at the
#' first use of a function of these pages, by name. One installed package serves machines with and without a GPU, and a
#' driver or toolkit that is installed later is found by the next session.
#'
#' The device of a new array is `"auto"`: the GPU that [with_gpu()] names, else the first GPU, else the CPU.
#' `options(avenir.gpu.device = "cpu")` sets another default. GPUs are counted from 0 on, among those that the
#' environment variable `CUDA_VISIBLE_DEVICES` lets be seen.
#'
#' In a worker of a plan the GPUs are shared out: worker k of a machine sees one of them, in turn, and may take its
#' share of that one's memory. A fork of a session that has used a GPU (`plan(multicore)`, `parallel::mclapply()`) can
#' not use it: arrays are on the CPU there, which a message says once.
#'
#' @return `gpu_available()`: TRUE or FALSE. `gpu_devices()`: a data frame of `device`, `name`, `memory` (bytes),
#'   `architecture` (compute capability times 10), `processors` and `uuid`, one row for each GPU and a last one for the
#'   CPU. `gpu_status()`: a list of class `avenir_gpu_status` with `available`, `reason` (why no GPU can be used, ""
#'   where one can), `driver`, `gpus`, `libraries` (where each was found, or why not) and `default`, the name of the
#'   device that `"auto"` stands for; it prints as a report.
#' @seealso [gpu_array()], [gpu_memory()]
#' @examples
#' gpu_available()
#' gpu_status()
#' gpu_devices()
#' @export
gpu_available <- function() length(gpu_list()[[1L]]) > 0L

#' @rdname gpu_available
#' @export
gpu_devices <- function() {
  gpus <- gpu_list()[[1L]]
  names <- c(sprintf("gpu:%d", seq_along(gpus) - 1L), "cpu")
  field <- function(name, cpu) c(vapply(gpus, function(gpu) gpu[[name]], cpu), cpu)
  data.frame(device = names, name = field("name", "CPU"),
             memory = vapply(names, function(name) cpp_gpu_memory(name)[["total"]], 0, USE.NAMES = FALSE),
             architecture = field("architecture", NA_integer_), processors = field("processors", current_threads()),
             uuid = field("uuid", ""))
}

#' @rdname gpu_available
#' @export
gpu_status <- function() {
  status <- on_gpu_library(cpp_gpu_status())
  reason <- if (gpu_is_out_of_reach()) forked_reason else status$missing
  structure(list(available = !nzchar(reason), reason = reason, driver = status$driver, gpus = status$gpus,
                 libraries = status$libraries, default = default_device()), class = "avenir_gpu_status")
}

#' @export
format.avenir_gpu_status <- function(x, ...) {
  gpu <- function(one) sprintf("gpu:%d   %s, compute capability %.1f", one$index, one$name, one$architecture / 10)
  library <- function(one) {
    sprintf("%s: %s", one$name, if (nzchar(one$path)) paste(one$version, one$path) else one$missing)
  }
  variables <- Sys.getenv(c("CUDA_VISIBLE_DEVICES", "CUDA_HOME", "CUDA_PATH", "AVENIR_CUDA_LIB"), NA, names = TRUE)
  variables <- variables[!is.na(variables)]
  c(if (x$available) sprintf("GPU: available (driver %s)", x$driver) else paste("GPU: none,", x$reason),
    vapply(x$gpus, gpu, ""), vapply(x$libraries, library, ""),
    if (length(variables)) sprintf("%s=%s", names(variables), variables),
    sprintf("arrays are on: %s", x$default))
}

#' @export
print.avenir_gpu_status <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' Memory and time of a device
#'
#' How much memory arrays take on a device, limits on it, and waiting for it.
#'
#' @details
#' Nothing is allocated in advance. What intermediate results take is free again when the expression has been computed;
#' an array's memory when R's garbage collector has removed its last variable. The collector does not know how large
#' arrays are; it is called when a device's memory runs out, and after much has been allocated. When that is not enough
#' the error (class `avenir_overloaded_error`) says how much was needed and what is held.
#'
#' GPUs work while R goes on. `gpu_sync()` waits until all is done that was asked for, as timings need it. (Elementwise
#' functions are not even asked for before their elements are needed: see [gpu_eval()].)
#'
#' On a GPU `gpu_precision("tf32")` lets products of float matrices use the tensor cores' shorter numbers, with an error
#' of about 3e-4 instead of 1e-7; doubles are not affected, and neither is the CPU.
#'
#' @param device `"auto"`, `"cpu"` or a GPU, as `"gpu:0"` or 0.
#' @param limit Bytes that arrays may take on the device (from 1 on), or a share of what it has (below 1).
#' @param precision `"ieee"` or `"tf32"`.
#' @return `gpu_memory()`: a named vector of bytes, `total` and `free` of the device, `held` by this session's arrays,
#'   `pooled` (kept for later arrays), the `limit` on them, and their number, `arrays`. `gpu_limit()`: the limit in
#'   bytes; when it is set the one before, invisibly. `gpu_gc()`: `gpu_memory()` after R's garbage collector has run and
#'   pooled memory was given back, invisibly. `gpu_sync()`: NULL, invisibly. `gpu_precision()`: the precision; when it
#'   is set the one before, invisibly.
#' @seealso [gpu_status()]
#' @examples
#' x <- gpu_vector(runif(1e5))
#' gpu_memory()[c("held", "arrays")]
#' rm(x)
#' gpu_gc()["held"]
#' gpu_precision()
#' @export
gpu_memory <- function(device = "auto") on_device(device, cpp_gpu_memory)

#' @rdname gpu_memory
#' @export
gpu_limit <- function(limit, device = "auto") {
  before <- gpu_memory(device)
  if (missing(limit)) return(before[["limit"]])
  if (!is_number(limit) || limit <= 0 || limit > 2^53) {
    invalid_argument("`limit` must be bytes, from 1 on, or a share of the memory, below 1", limit,
                     "For instance gpu_limit(8e9) or gpu_limit(0.5).")
  }
  on_device(device, cpp_gpu_set_limit, if (limit < 1) floor(limit * before[["total"]]) else limit)
  invisible(before[["limit"]])
}

#' @rdname gpu_memory
#' @export
gpu_gc <- function(device = "auto") {
  gc()
  on_device(device, cpp_gpu_trim)
  invisible(gpu_memory(device))
}

#' @rdname gpu_memory
#' @export
gpu_sync <- function(device = "auto") invisible(on_device(device, cpp_gpu_sync))

#' @rdname gpu_memory
#' @export
gpu_precision <- function(precision, device = "auto") {
  names <- c("tf32", "ieee")
  if (missing(precision)) return(names[on_device(device, cpp_gpu_precision, NULL) + 1L])
  if (!identical(precision, "ieee") && !identical(precision, "tf32")) {
    invalid_argument("`precision` must be \"ieee\" or \"tf32\"", precision)
  }
  invisible(names[on_device(device, cpp_gpu_precision, precision == "ieee") + 1L])
}

#' Evaluate on one of several GPUs
#'
#' New arrays whose `device` is `"auto"` are on this device while `expr` is evaluated. Arrays that exist stay where they
#' are, and functions of arrays compute where these are.
#'
#' @param device A GPU's number, from 0 on, its name (`"gpu:0"`), or `"cpu"`.
#' @param expr An expression.
#' @return The value of `expr`.
#' @section Errors:
#' `avenir_invalid_argument` for a device that is not there, `avenir_unsupported_error` when no GPU can be used.
#' @seealso [gpu_devices()]
#' @examples
#' with_gpu("cpu", gpu_vector(1:3))
#' @export
with_gpu <- function(device, expr) {
  old <- options(avenir.gpu.device = check_device(device))
  on.exit(options(old))
  expr
}

# ---- Names of devices ----

gpu_list <- function() on_gpu_library(cpp_gpus())

on_gpu_library <- function(found) {
  if (gpu_is_out_of_reach()) found[[1L]] <- if (is.list(found[[1L]])) list() else forked_reason
  found
}

on_device <- function(device, door, ...) door(check_device(device), ...)

# "cpu" or "gpu:0" and so on, of a device that is there.
check_device <- function(device, name = "device") {
  if (identical(device, "auto")) return(default_device())
  if (identical(device, "cpu")) return("cpu")
  index <- device_index(device)
  if (is.null(index)) {
    invalid_argument(sprintf("`%s` must be \"auto\", \"cpu\", or a GPU, as \"gpu:0\" or 0", name), device)
  }
  found <- gpu_list()
  if (!length(found[[1L]])) {
    stop_avenir(sprintf("there is no GPU to use: %s.\ni device = \"cpu\", or \"auto\", computes on the CPU.",
                        found[[2L]]),
                "avenir_unsupported_error")
  }
  if (index < length(found[[1L]])) return(sprintf("gpu:%d", index))
  invalid_argument(sprintf("`%s` names a GPU that is not there", name), device,
                   sprintf("The %d that can be seen count from 0 on: see gpu_devices().", length(found[[1L]])))
}

device_index <- function(device) {
  if (is.character(device) && length(device) == 1L && grepl("^gpu:[0-9]{1,4}$", device)) {
    return(as.integer(substring(device, 5L)))
  }
  if (is_number(device) && device >= 0 && device < 1e4 && device == floor(device)) as.integer(device)
}

default_device <- function() {
  set <- getOption("avenir.gpu.device")
  if (!is.null(set) && !identical(set, "auto")) return(check_device(set, "avenir.gpu.device"))
  if (gpu_available()) "gpu:0" else "cpu"
}

# ---- Forks ----

forked_reason <- "this process is a fork of one that has used a GPU"

# Says so once in a process.
gpu_is_out_of_reach <- function() {
  if (!cpp_gpu_is_forked()) return(FALSE)
  if (!identical(gpu_state$told, Sys.getpid())) {
    gpu_state$told <- Sys.getpid()
    message("avenir: ", forked_reason, ", where it is out of reach: arrays are on the CPU here.")
  }
  TRUE
}

gpu_state <- new.env(parent = emptyenv())
