# Vectors in shared memory as R code sees them: within this session, through the same writer and reader that jobs use.

trip <- function(x) cpp_share_trip(x)

small_threshold <- function(frame = parent.frame()) local_options(avenir.share.threshold = 8192, frame = frame)

# identical(), with environments compared by what they hold, and strings with their encodings.
same <- function(a, b, seen = new.env()) {
  if (typeof(a) != typeof(b) || isS4(a) != isS4(b)) return(FALSE)
  if (is.environment(a)) return(same_environment(a, b, seen))
  if (is.function(a) && !is.primitive(a)) {
    return(identical(formals(a), formals(b)) && identical(body(a), body(b)) &&
             same_attributes(a, b, seen) && same(environment(a), environment(b), seen))
  }
  if (!same_attributes(a, b, seen)) return(FALSE)
  attributes(a) <- attributes(b) <- NULL
  if (is.list(a)) return(length(a) == length(b) && all(mapply(same, a, b, MoreArgs = list(seen = seen))))
  if (is.character(a) && !identical(Encoding(a), Encoding(b))) return(FALSE)
  identical(a, b, num.eq = FALSE, single.NA = FALSE)
}

same_environment <- function(a, b, seen) {
  if (identical(a, globalenv()) || identical(a, baseenv()) || identical(a, emptyenv()) || isNamespace(a)) {
    return(identical(a, b))
  }
  key <- format(a)
  if (exists(key, seen, inherits = FALSE)) return(identical(seen[[key]], b))
  assign(key, b, seen)
  names <- sort(names(a))
  identical(names, sort(names(b))) && same_attributes(a, b, seen) && same(parent.env(a), parent.env(b), seen) &&
    all(vapply(names, function(name) same(a[[name]], b[[name]], seen), NA))
}

same_attributes <- function(a, b, seen) {
  a <- attributes(a)
  b <- attributes(b)
  identical(names(a), names(b)) && all(as.logical(mapply(same, a, b, MoreArgs = list(seen = seen))))
}

# ---- random objects

large_enough <- function() sample(c(0:3, 500, 1500, 3000, 8095:8097, 16192, 20000), 1)

setClass("AvenirTestSlots", representation(numbers = "numeric", text = "character", more = "list"))
setClass("AvenirTestNumeric", representation(unit = "character"), contains = "numeric")

random_strings <- function(n) {
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  bytes <- "\xff\x01"
  Encoding(bytes) <- "bytes"
  pool <- c("", "a", "four", NA, "\u20ac uro", latin1, bytes, paste(rep("long", 50), collapse = " "), "NA",
            sprintf("%d", seq_len(50)))
  sample(pool, n, TRUE)
}

random_vector <- function(n = large_enough()) {
  switch(sample(14, 1),
    rnorm(n), c(NA, NaN, -0, Inf, rnorm(n)), sample.int(1e6, n, TRUE), c(NA, sample.int(9, n, TRUE)),
    sample(c(TRUE, FALSE, NA), n, TRUE), complex(real = rnorm(n), imaginary = rnorm(n)),
    as.raw(sample(0:255, n, TRUE)), random_strings(n), factor(sample(letters, n, TRUE)),
    Sys.Date() + seq_len(n), as.POSIXct("2020-01-01", tz = "UTC") + rnorm(n), seq_len(n), sort(rnorm(n)),
    as.character(seq_len(n)))
}

random_object <- function(depth = 3) {
  if (depth == 0) return(random_vector())
  deeper <- function(n) lapply(seq_len(n), function(i) random_object(depth - 1))
  switch(sample(12, 1),
    random_vector(), deeper(sample(0:4, 1)), random_vector(sample(c(3, 9000), 1)),
    structure(random_vector(), note = random_object(depth - 1), more = random_vector()),
    stats::setNames(rnorm(3000), random_strings(3000)),
    {
      n <- large_enough()
      data.frame(a = rnorm(n), b = random_strings(n), c = seq_len(n))
    },
    matrix(rnorm(4000), 40, dimnames = list(NULL, as.character(1:100))),
    {
      env <- list2env(list(x = random_vector(), y = random_object(depth - 1)), parent = globalenv())
      env$self <- env
      if (runif(1) < 0.3) lockEnvironment(env)
      list(env, env)
    },
    {
      f <- function(i) data[i]
      environment(f) <- list2env(list(data = random_vector()), parent = globalenv())
      f
    },
    methods::new("AvenirTestSlots", numbers = rnorm(3000), text = random_strings(2000), more = deeper(1)),
    methods::new("AvenirTestNumeric", rnorm(sample(c(9, 5000), 1)), unit = "m"),
    c(deeper(2), list(quote(f(x, y)), stats::as.formula("y ~ a + b", globalenv()), as.name("avenir"), as.name("x"),
                      NULL, pairlist(a = rnorm(2000))))
  )
}

test_that("random objects come back as they were, with sharing on and off", {
  small_threshold()
  count <- as.integer(Sys.getenv("AVENIR_TEST_OBJECTS", "700"))
  seed <- varied_seed()
  cat(sprintf("shared objects: %d, seed %d\n", count, seed), file = stderr())
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
  for (i in seq_len(count)) {
    x <- random_object()
    text <- sprintf("seed %d, object %d", seed, i)
    back <- trip(x)
    if (!same(x, back)) fail(paste("shared:", text))
    if (!same(x, trip(back))) fail(paste("shared twice:", text))
    if (!same(x, unserialize(serialize(back, NULL)))) fail(paste("written by R:", text))
    if (i %% 10 == 0) {
      off <- options(avenir.share = FALSE)
      if (!same(x, trip(back))) fail(paste("sharing off:", text))
      options(off)
    }
  }
  succeed()
})

test_that("large vectors are shared wherever they are", {
  small_threshold()
  big <- rnorm(5000)
  keeper <- local({
    data <- big + 0
    function() data
  })
  expect_true(is_shared(trip(big)))
  expect_true(is_shared(trip(list(1, list(big)))[[2]][[1]]))
  expect_true(is_shared(environment(trip(keeper))$data))
  expect_true(is_shared(attr(trip(structure(1, note = big)), "note")))
  expect_true(is_shared(trip(methods::new("AvenirTestSlots", numbers = big))@numbers))
  expect_true(all(vapply(trip(data.frame(a = big, b = paste(big))), is_shared, NA)))
  env <- new.env()
  env$x <- big
  env$self <- env
  back <- trip(env)
  expect_true(is_shared(back$x))
  expect_identical(back$self, back)
})

test_that("every type of vector is shared, and small ones are not", {
  small_threshold()
  n <- 20000
  vectors <- list(rnorm(n), sample.int(n), sample(c(TRUE, NA), n, TRUE), complex(n, 1, 2), as.raw(sample(255, n, TRUE)),
                  random_strings(n))
  for (x in vectors) {
    back <- trip(x)
    expect_true(is_shared(back), info = typeof(x))
    expect_identical(back, x)
    expect_false(is_shared(trip(x[1:10])))
  }
  local_options(avenir.share = FALSE)
  for (x in vectors) expect_false(is_shared(trip(x)))
})

test_that("the first write to a shared vector is in place, and a second name keeps it from that", {
  small_threshold()
  x <- rnorm(5000)
  v <- trip(x)
  v[1] <- 0
  expect_true(cpp_is_view(v))
  expect_false(is_shared(v))
  expect_identical(v, c(0, x[-1]))

  v <- trip(x)
  w <- v
  v[1] <- 0
  expect_false(cpp_is_view(v))
  expect_true(is_shared(w))
  expect_identical(w, x)

  nested <- trip(list(a = list(b = x)))
  nested$a$b[2] <- 1
  expect_true(cpp_is_view(nested$a$b))
  expect_identical(nested$a$b[1:3], c(x[1], 1, x[3]))

  f <- function(z) {
    z[1] <- 99
    z[1]
  }
  v <- trip(x)
  expect_identical(f(v), 99)
  expect_identical(v, x)
})

test_that("two views of the same data do not see each other's changes", {
  small_threshold()
  x <- rnorm(5000)
  a <- trip(x)
  b <- trip(a)
  a[1] <- 1
  b[2] <- 2
  expect_identical(trip(a), c(1, x[-1]))
  expect_identical(b[1:3], c(x[1], 2, x[3]))
  expect_identical(trip(x), x)
})

test_that("a vector changed in place by C code is sent as it is now", {
  small_threshold()
  x <- rnorm(5000)
  y <- x + 0
  expect_identical(trip(x), x)
  cpp_write_in_place(x, 0)
  y[1] <- 0
  expect_identical(x, y)
  expect_identical(trip(x), y)
  v <- trip(x)
  cpp_write_in_place(v, 7)
  expect_identical(trip(v)[1], 7)
})

test_that("a vector at the address of one that is gone is not taken for it", {
  small_threshold()
  for (i in 1:20) {
    x <- rep(as.numeric(i), 50000)
    expect_identical(trip(x)[50000], as.numeric(i))
    rm(x)
    gc(FALSE)
  }
})

test_that("data.table::set() on a vector between two trips is seen", {
  small_threshold()
  table <- data.table::data.table(x = rnorm(5000))
  expect_identical(trip(table$x), table$x)
  data.table::set(table, 1L, "x", 42)
  expect_identical(trip(table)$x[1], 42)
})

test_that("character vectors in lists and data frames are shared, whatever attributes they have, and the lists stay", {
  text <- random_strings(30000)
  named <- stats::setNames(text, rev(text))
  x <- list(table = data.frame(a = 1:30000, b = text), own = structure(text, class = "AsIs", note = "n"),
            deep = list(list(named = named, small = "s")), same = text)
  copy <- rapply(x, function(e) e, how = "replace")
  back <- trip(x)
  expect_true(same(x, back))
  expect_true(same(x, copy))
  for (shared in list(back$table$b, back$own, back$deep[[1]]$named, back$same)) expect_true(cpp_is_view(shared))
  for (kept in list(x$table$b, x$own, x$deep[[1]]$named, x$same)) expect_false(cpp_is_view(kept))
  expect_true(same(trip(list(back, x)), list(x, x)))
})

test_that("strings of a view can be set, sorted, picked and matched", {
  small_threshold()
  x <- random_strings(3000)
  v <- trip(x)
  expect_identical(v[c(5, NA, 4000, 1)], x[c(5, NA, 4000, 1)])
  expect_identical(rev(v), rev(x))
  expect_identical(unique(v), unique(x))
  expect_identical(paste0(v[1:10], "!"), paste0(x[1:10], "!"))
  v[3] <- "three"
  x[3] <- "three"
  expect_identical(v, x)
  expect_false(is_shared(v))
  expect_identical(trip(v), x)
})

test_that("numbers of a view are picked as from an ordinary vector", {
  small_threshold()
  for (x in list(rnorm(5000), 5000:1 + 0L, rep(c(TRUE, NA), 5000), complex(5000, 1:5000), as.raw(1:20000 %% 256))) {
    v <- trip(x)
    expect_true(is_shared(v))
    for (i in list(c(1, 3), c(NA, 2L), -1:-4990, 5001, c(TRUE, FALSE), 1e5, numeric(), c(2.7, 1))) {
      expect_identical(v[i], x[i])
    }
    expect_identical(v[[17]], x[[17]])
    expect_identical(rev(v), rev(x))
    expect_identical(as.character(head(v)), as.character(head(x)))
  }
})

test_that("saveRDS(), serialize(), identical() and duplicates treat a view as the vector that it is", {
  small_threshold()
  x <- stats::setNames(rnorm(5000), as.character(1:5000))
  v <- trip(x)
  expect_true(identical(v, x) && identical(x, v))
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(v, file)
  back <- readRDS(file)
  expect_identical(back, x)
  expect_false(cpp_is_view(back))
  expect_identical(serialize(v, NULL), serialize(x, NULL))
  copy <- v + 0
  expect_false(cpp_is_view(copy))
})

test_that("views go with the collector, and their memory with them", {
  small_threshold()
  gc(FALSE)
  before <- cpp_share_use()[["viewed"]]
  v <- trip(rnorm(50000))
  expect_gt(cpp_share_use()[["viewed"]], before)
  rm(v)
  gc(FALSE)
  expect_lte(cpp_share_use()[["viewed"]], before)
})

test_that("share() and is_shared() take vectors, lists and data frames", {
  x <- share(c(a = 1, b = 2))
  expect_identical(x, c(a = 1, b = 2))
  expect_true(is_shared(x))
  frame <- share(data.frame(a = 1:3, b = letters[1:3]))
  expect_identical(frame, data.frame(a = 1:3, b = letters[1:3]))
  expect_true(is_shared(frame))
  expect_identical(share(list(1, NULL, mean)), list(1, NULL, mean))
  expect_false(is_shared(list(1)))
  expect_false(is_shared(1))
  expect_false(is_shared(NULL))
  expect_identical(share(numeric()), numeric())
  expect_identical(share(factor(c("u", "v"))), factor(c("u", "v")))
  f <- function() 1
  expect_identical(share(f), f)
  expect_false(is_shared(f))
})

# ---- bytes that somebody else has made

shared_stream <- function(x) cpp_share_bytes(x)

# Where the record (src/shm/vector_record.h) begins: at its mark.
record_place <- function(bytes) grepRaw("AVAVEV02", bytes, fixed = TRUE)

test_that("states that are no records are refused with a class", {
  small_threshold()
  stream <- shared_stream(rnorm(5000))
  plain <- stream[-(1:4)]
  expect_identical(length(unserialize(plain)[[2]]), 5000L)
  at <- record_place(plain)
  damaged <- function(offset, bytes) {
    plain[at + offset + seq_along(bytes) - 1] <- as.raw(bytes)
    plain
  }
  broken <- list(mark = damaged(0, 0), type = damaged(8, 19), list = damaged(8, 99), segment = damaged(16, 1:8),
                 offset = damaged(32, 1), far = damaged(32, c(0, 0, 0, 0, 0, 1)), bytes = damaged(40, 1),
                 huge = damaged(48, rep(255, 8)), none = damaged(48, rep(0, 8)), string = damaged(8, 16))
  for (name in names(broken)) {
    expect_error(unserialize(broken[[name]]), class = "avenir_invalid_argument", info = name)
  }
})

test_that("a stream of shared vectors means nothing to a process that was not sent the segment", {
  small_threshold()
  stream <- shared_stream(rnorm(5000))
  cpp_share_forget()
  expect_error(unserialize(stream[-(1:4)]), "was not sent", class = "avenir_invalid_argument")
})
