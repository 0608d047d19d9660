# Arrays on every device there is, compared with base R.

# "cpu", and a GPU where one can be used.
test_devices <- function() c("cpu", if (gpu_available()) "gpu:0")

# How far results may be from base R's, relative to their size. What is not named is the same bits on the CPU.
tolerances <- c(exact = 0, math = 1e-14, sums = 1e-13, product = 1e-12, solution = 1e-9, float = 2e-6,
                float_solution = 1e-3)

# What base R has in place of arrays.
ordinary <- function(x) {
  if (isS4(x) && inherits(x, "gpu_array")) return(if (is.null(dim(x))) `names<-`(as.vector(x),
                                                                                 names(x)) else as.array(x))
  if (is.list(x) && !is.object(x)) return(lapply(x, ordinary))
  x
}

# Type, extents, names and elements of `x` are base R's.
expect_as_base <- function(x, expected, tolerance = "exact", info = NULL) {
  found <- ordinary(x)
  shape <- function(x) attributes(x)[intersect(c("dim", "dimnames", "names"), names(attributes(x)))]
  expect_identical(typeof(found), typeof(expected), info = info)
  expect_identical(length(found), length(expected), info = info)
  expect_equal(shape(found), shape(expected), info = info)
  expect_identical(is.na(as.vector(found)), is.na(as.vector(expected)), info = info)
  far <- distance(as.vector(found), as.vector(expected))
  expect_true(far <= tolerances[[tolerance]], info = paste(info, "is off by", format(far)))
}

# The largest difference, relative to the numbers' size.
distance <- function(found, expected) {
  if (is.complex(expected)) return(max(Mod(found - expected)) / max(Mod(expected)))
  if (!length(expected)) return(0)
  same <- is.na(expected) | (found == expected) %in% TRUE
  apart <- abs(as.double(found) - expected)[!same]
  if (!length(apart)) return(0)
  if (any(!is.finite(apart))) return(Inf)
  max(apart) / max(abs(expected[is.finite(expected)]), .Machine$double.xmin)
}

# Evaluates the code with the values as arrays of a device, and as they are, and compares.
compare_code <- function(code, values, device, tolerance = "exact", info = deparse(code)[1L]) {
  arrays <- lapply(values, function(x) gpu_array(x, device = device))
  expect_as_base(suppressWarnings(ordinary(eval(code, arrays))), suppressWarnings(eval(code, values)), tolerance,
                 paste0(info, " on ", device))
}

# A random matrix or vector, with NA, NaN and infinities among its elements.
random_elements <- function(extents) {
  count <- prod(extents)
  x <- random_doubles(count)
  if (length(extents) > 1L) array(x, extents) else x
}

unname_rows <- function(x) if (is.null(colnames(x))) unname(x) else `rownames<-`(x, NULL)

# A folder with a driver for GPUs that are the CPU's memory (mock/mock.h), compiled once; "" without a compiler.
mock_driver <- local({
  folder <- NULL
  function() {
    if (!is.null(folder)) return(folder)
    folder <<- tempfile("mock-")
    dir.create(folder)
    compiler <- strsplit(system2(file.path(R.home("bin"), "R"), c("CMD", "config", "CXX"), stdout = TRUE), " ")[[1L]]
    flags <- c("-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-o", file.path(folder, "libcuda.so.1"),
               test_path("mock", "libcuda.cpp"), "-ldl")
    source_folder <- sprintf("-DMOCK_FOLDER='\"%s\"'", normalizePath(test_path("mock")))
    status <- system2(compiler[1L], c(compiler[-1L], source_folder, flags), stdout = FALSE, stderr = FALSE)
    if (status != 0) folder <<- ""
    folder
  }
})

# What the code marks in a process that has GPUs.
with_mock_gpus <- function(code, ...) {
  settings <- c(paste0("AVENIR_CUDA_LIB=", mock_driver()), ...)
  in_child(code, seconds = 120, environment = settings)
}
