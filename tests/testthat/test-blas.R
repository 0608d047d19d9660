# blas_threads(), blas_info(), and the BLAS and OpenMP threads of workers and forks. Sessions with other BLAS libraries
# than this one's are children.

openblas_builds <- c(pthread = "openblas-pthread", OpenMP = "openblas-openmp")

# ---- the library ----

test_that("blas_info() has the files that R itself names", {
  info <- blas_info()
  expect_s3_class(info, "avenir_blas_info")
  expect_identical(info$file, normalizePath(extSoftVersion()[["BLAS"]]))
  expect_identical(info[c("lapack", "lapack_version")], list(lapack = La_library(), lapack_version = La_version()),
                   ignore_attr = TRUE)
  expect_identical(info$threads, blas_threads())
})

test_that("blas_info() prints a line for each thing that is known, and returns the info invisibly", {
  info <- structure(list(kind = "OpenBLAS", threading = "pthread", threads = 2L, file = "/a/libblas.so.3",
                         setter = "openblas_set_num_threads", setter_file = "/a/libopenblasp-r0.3.21.so",
                         version = "OpenBLAS 0.3.21", core = NA_character_, lapack = "/a/liblapack.so.3",
                         lapack_version = "3.11.0"), class = "avenir_blas_info")
  shown <- capture.output(returned <- withVisible(print(info)))
  expect_false(returned$visible)
  expect_identical(returned$value, info)
  expect_identical(shown, c("BLAS     OpenBLAS (pthread threads)", "file     /a/libblas.so.3",
                            "version  OpenBLAS 0.3.21", "threads  2",
                            "set by   openblas_set_num_threads() in /a/libopenblasp-r0.3.21.so",
                            "LAPACK   3.11.0, /a/liblapack.so.3"))
  info[c("threading", "threads", "setter")] <- list(NA_character_, NA_integer_, NA_character_)
  expect_identical(capture.output(print(info))[c(1, 4, 5)],
                   c("BLAS     OpenBLAS", "threads  unknown", "set by   nothing: this library has no function for it"))
})

for (threading in names(openblas_builds)) local({
  build <- openblas_builds[[threading]]

  test_that(paste0(build, ": the library that Debian's link leads to is found, and takes and tells its threads"), {
    got <- in_blas_child(build, "
      info <- blas_info()
      old <- withVisible(blas_threads(1))
      now <- blas_threads()
      within <- with_blas_threads(3, blas_threads())
      after <- blas_threads()
      blas_threads(NULL)
      mark('result', list(info = unclass(info), old = old, now = now, within = within, after = after,
                          cores = blas_threads()))")
    folder <- normalizePath(blas_folder(build))
    expect_identical(got$info[c("kind", "threading", "file", "setter")],
                     list(kind = "OpenBLAS", threading = threading, file = file.path(folder, "libblas.so.3"),
                          setter = "openblas_set_num_threads"))
    expect_identical(got$info$setter_file, normalizePath(file.path(folder, "libopenblas.so.0")))
    expect_match(got$info$version, "^OpenBLAS [0-9.]+ ")
    expect_match(got$info$core, "^[A-Za-z0-9]+$")
    expect_identical(got$old, list(value = got$info$threads, visible = FALSE))
    expect_identical(got[c("now", "within", "after", "cores")], list(now = 1L, within = 3L, after = 1L, cores = 2L))
  })

  test_that(paste0(build, ": the number is undone after an error"), {
    got <- in_blas_child(build, "
      blas_threads(2)
      try(with_blas_threads(1, stop('x')), silent = TRUE)
      mark('result', blas_threads())")
    expect_identical(got, 2L)
  })

  test_that(paste0(build, ": more threads than cores are taken, and more than it was built for are a warning"), {
    got <- in_blas_child(build, "
      blas_threads(7)
      seven <- blas_threads()
      warned <- tryCatch(blas_threads(4096), warning = identity)
      mark('result', list(seven = seven, warned = warned, most = blas_threads()))")
    expect_identical(got$seven, 7L)
    expect_lt(got$most, 4096L)
    expect_s3_class(got$warned, c("avenir_unsupported_warning", "avenir_warning"))
    expect_match(conditionMessage(got$warned),
                 sprintf("^blas_threads\\(4096\\): .*OpenBLAS.* takes fewer threads; it goes on with %d[.]$", got$most))
  })
})

test_that("OpenMP's own number is the one that is told where the library goes by it", {
  library <- openmp_library()
  got <- in_blas_child("openblas-openmp", sprintf("
    dyn.load('%s')
    set <- function(n) .C('set_team', as.integer(n))
    blas_threads(2)
    set(1)
    one <- blas_threads()
    set(2)
    mark('result', c(one, blas_threads()))", library))
  expect_identical(got, 1:2)
})

test_that("BLIS has one thread until it is told, and takes more", {
  folder <- tempfile("blis-")
  dir.create(folder)
  file.symlink(file.path(blas_folder("blis-openmp"), "libblis.so.4"), file.path(folder, "libblas.so.3"))
  got <- in_folder_child(folder, "
    info <- blas_info()
    blas_threads(2)
    mark('result', c(info[c('kind', 'threading', 'threads', 'setter', 'version')], now = blas_threads()))")
  expect_identical(got[c("kind", "threading", "threads", "setter", "now")],
                   list(kind = "BLIS", threading = "OpenMP", threads = 1L, setter = "bli_thread_set_num_threads",
                        now = 2L))
  expect_match(got$version, "^[0-9.]+")
})

test_that("MKL is told by its own function", {
  got <- in_made_up_blas_child("
    info <- blas_info()
    blas_threads(2)
    mark('result', c(info[c('kind', 'threads', 'setter', 'version')], now = blas_threads()))",
    "static int number = 3;", "void MKL_Set_Num_Threads(int n) { number = n; }",
    "int MKL_Get_Max_Threads(void) { return number; }",
    "void mkl_get_version_string(char *text, int size) { strncpy(text, \"Math Kernel Library 2024\", size); }")
  expect_identical(got, list(kind = "MKL", threads = 3L, setter = "MKL_Set_Num_Threads",
                             version = "Math Kernel Library 2024", now = 2L))
})

test_that("FlexiBLAS is told, which tells the library behind it", {
  got <- in_made_up_blas_child("
    info <- blas_info()
    blas_threads(2)
    mark('result', c(info[c('kind', 'threads', 'setter', 'version', 'core')], now = blas_threads()))",
    "static int number = 3;", "void flexiblas_set_num_threads(int n) { number = n; }",
    "int flexiblas_get_num_threads(void) { return number; }",
    "void openblas_set_num_threads(int n) { number = -1; }", "int openblas_get_num_threads(void) { return -1; }",
    "void flexiblas_get_version(int *major, int *minor, int *patch) { *major = 3; *minor = 4; *patch = 2; }",
    "int flexiblas_current_backend(char *name, int size) { strncpy(name, \"NETLIB\", size); return 6; }")
  expect_identical(got, list(kind = "FlexiBLAS", threads = 3L, setter = "flexiblas_set_num_threads", version = "3.4.2",
                             core = "NETLIB", now = 2L))
})

# ---- bad input ----

test_that("a number of threads is one whole number from 1 to 4096, else the error says what it is", {
  for (bad in list(0, -1, NA, NA_real_, 1.5, Inf, "2", c(1, 2), 4097, list(1), TRUE, integer())) {
    expect_error(blas_threads(bad), "`n` must be one whole number from 1 to 4096; it is ",
                 class = "avenir_invalid_argument", info = deparse(bad))
    expect_error(with_blas_threads(bad, 1), class = "avenir_invalid_argument", info = deparse(bad))
  }
  expect_error(blas_threads(0), "it is 0.\ni blas_threads(NULL) sets the number of cores.", fixed = TRUE)
})

test_that("a library that cannot be told says so, and goes on", {
  got <- in_blas_child("blis-openmp", "
    warned <- list()
    keep <- function(w) { warned[[length(warned) + 1L]] <<- w; invokeRestart('muffleWarning') }
    info <- blas_info()
    values <- withCallingHandlers(warning = keep, list(
      blas_threads(), blas_threads(2), with_blas_threads(1, sum(crossprod(diag(9))))))
    mark('result', list(info = unclass(info), warned = warned, values = values))")
  expect_identical(got$info[c("kind", "threads", "setter", "setter_file")],
                   list(kind = "BLIS", threads = NA_integer_, setter = NA_character_, setter_file = NA_character_))
  expect_identical(got$values, list(NA_integer_, NA_integer_, 9))
  expect_length(got$warned, 2)
  expect_s3_class(got$warned[[1]], c("avenir_unsupported_warning", "avenir_warning"))
  said <- conditionMessage(got$warned[[1]])
  expect_match(said, "^blas_threads\\(2\\): .*cannot be told.*; it goes on as it is[.]\ni ")
  expect_match(said, got$info$file, fixed = TRUE)
})

test_that("a library of one thread says so when it is asked for two, and nothing when it is asked for one", {
  got <- in_made_up_blas_child("
    mark('result', c(blas_info()$kind, blas_threads(), with_blas_threads(1, blas_threads()),
                     tryCatch(blas_threads(2), warning = conditionMessage)))")
  expect_identical(got[1:3], c("reference", "1", "1"))
  expect_match(got[4], "it goes on with 1.", fixed = TRUE)
})

test_that("a library that nothing is known of has an unknown number of threads", {
  got <- in_made_up_blas_child("mark('result', blas_info()[c('kind', 'threads', 'threading')])", file = "fast.so")
  expect_identical(got, list(kind = "unknown", threads = NA_integer_, threading = NA_character_))
})

# ---- workers and forks ----

# A session that has used both its threads; `look()` gives a worker's number, what it computes, and how many of its
# threads have worked on that.
two_threads_used <- "
  m <- matrix(sin(1:250000), 500)
  compute <- function() {
    square <- crossprod(m) + diag(500)
    c(sum(square), sum(chol(square)), sum(solve(m[1:200, 1:200] + diag(200) * 9)))
  }
  blas_threads(2)
  invisible(compute())
  ticks <- function() {
    tasks <- list.files('/proc/self/task')
    lines <- vapply(file.path('/proc/self/task', tasks, 'stat'), readLines, '')
    used <- vapply(strsplit(sub('.*[)] ', '', lines), ' '), function(words) sum(as.numeric(words[12:13])), 0)
    stats::setNames(used, tasks)
  }
  used_in_products <- function(ticks_in_all) {
    before <- ticks()
    repeat {
      crossprod(m)
      now <- ticks()
      old <- before[names(now)]
      used <- now - ifelse(is.na(old), 0, old)
      if (sum(used) >= ticks_in_all) return(used)
    }
  }
  # Not at once: a thread that OpenBLAS starts, in a fork too, looks out for work for up to a tenth of a second.
  busy_threads <- function() {
    used_in_products(20)
    sum(used_in_products(40) > 6)
  }
  look <- function() list(threads = blas_threads(), value = compute(), busy = busy_threads())
"

for (build in openblas_builds) local({
  build <- build

  test_that(paste0(build, ": workers and forks have their share of the cores, and compute what the session does"), {
    got <- in_blas_child(build, c(two_threads_used, "
      here <- lapply(2:1, function(n) with_blas_threads(n, look()))
      there <- list()
      for (name in c('multisession', 'multicore')) {
        plan(name, workers = I(1))
        alone <- value(future(look()))
        plan(name, workers = I(2))
        there[[name]] <- list(alone, value(future(look())))
      }
      plan(sequential)
      mark('result', list(here = here, there = there, after = look()))"))
    expect_identical(vapply(got$here, `[[`, 1L, "threads"), 2:1)
    for (name in names(got$there)) {
      expect_identical(vapply(got$there[[name]], `[[`, 1L, "threads"), 2:1, info = name)
      expect_identical(vapply(got$there[[name]], `[[`, 1L, "busy"), 2:1, info = name)
      expect_identical(got$there[[name]][[2]]$value, got$here[[2]]$value, info = name)
      expect_equal(got$there[[name]][[1]]$value, got$here[[1]]$value, tolerance = 1e-12, info = name)
    }
    expect_identical(got$after$threads, 2L)
    expect_identical(got$after$busy, 2L)
  })

  test_that(paste0(build, ": two workers that compute at the same time use two threads in all"), {
    got <- in_blas_child(build, c(two_threads_used, "
      busy <- list()
      for (name in c('multisession', 'multicore')) {
        plan(name, workers = I(2))
        busy[[name]] <- unlist(future_lapply(1:2, function(i) busy_threads(), future.chunk.size = 1))
        asked <- unlist(future_lapply(1:2, function(i) with_blas_threads(2, busy_threads()), future.chunk.size = 1))
        busy[[paste(name, 'with two each')]] <- asked
      }
      mark('result', vapply(busy, sum, 1L))"))
    expect_identical(got, c(multisession = 2L, `multisession with two each` = 4L, multicore = 2L,
                            `multicore with two each` = 4L))
  })

  test_that(paste0(build, ": what a job sets is undone before the worker's next one"), {
    got <- in_blas_child(build, "
      plan(multisession, workers = I(2))
      value(future_lapply(1:2, function(i) blas_threads(5)))
      mark('result', unlist(future_lapply(1:4, function(i) blas_threads(), future.chunk.size = 1)))")
    expect_identical(got, rep(1L, 4))
  })
})

test_that("an OpenBLAS whose threads do not work in forks has one there", {
  threads_in_fork <- function(version) {
    in_made_up_blas_child("
      blas_threads(3)
      plan(multicore, workers = I(1))
      mark('result', c(blas_threads(), value(future(blas_threads()))))",
      "static int number = 1;", "void openblas_set_num_threads(int n) { number = n; }",
      "int openblas_get_num_threads(void) { return number; }", "int openblas_get_parallel(void) { return 1; }",
      sprintf("char *openblas_get_config(void) { return \"OpenBLAS %s DYNAMIC_ARCH\"; }", version))
  }
  expect_identical(threads_in_fork("0.3.30"), c(3L, 1L))
  expect_identical(threads_in_fork("0.3.29"), 3:4)
})

test_that("OpenMP, data.table and RcppParallel have the share, too, data.table also where it is loaded already", {
  skip_if_not_installed("data.table")
  library <- openmp_library()
  got <- in_child(c(sprintf("library <- '%s'", library), "
    look <- function() {
      dyn.load(library)
      c(openmp = .C('team_size', 0L)[[1]], data.table = data.table::getDTthreads(),
        rcpp_parallel = as.integer(Sys.getenv('RCPP_PARALLEL_NUM_THREADS')))
    }
    seen <- list()
    for (name in c('multisession', 'multicore')) for (workers in 1:2) {
      plan(name, workers = I(workers))
      seen[[paste(name, workers)]] <- value(future(look()))
    }
    loadNamespace('data.table')
    data.table::setDTthreads(2)
    for (workers in 1:2) {
      plan(multicore, workers = I(workers))
      seen[[paste('loaded', workers)]] <- value(future(look()))
    }
    mark('result', seen)"), environment = cores_variables(2))
  most <- min(2L, parallel::detectCores())  # data.table never has more
  share <- function(openmp, rcpp_parallel = openmp) {
    c(openmp = openmp, data.table = min(openmp, most), rcpp_parallel = rcpp_parallel)
  }
  expect_identical(got, list(`multisession 1` = share(2L), `multisession 2` = share(1L),
                             `multicore 1` = share(2L, 1L), `multicore 2` = share(1L),
                             `loaded 1` = share(2L, 1L), `loaded 2` = share(1L)))
})
