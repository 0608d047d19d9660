# Large data: the time until it is where it is used, and the memory that it takes.

divided_serial <- function(m) m[[".serial"]] / new_settings(FALSE)$workers

# The vector is a global of the session, as a user's is: made when the first row needs it.
bench_vector <- function(at) {
  n <- at$size(5e7, 1e6)
  if (length(globalenv()$large) != n) assign("large", (seq_len(n) %% 1000) / 7, globalenv())
}

one_mean <- plainly(function(i) mean(large))

future_means <- function(workers) {
  use_future(workers)
  before <- options(future.globals.maxSize = Inf)
  on.exit(options(before))
  future.apply::future_lapply(1:8, one_mean)
}

mean_sides <- function(at, before) {
  bench_vector(at)
  list(avenir = function() {
    use_avenir(at$workers)
    before()
    avenir::future_lapply(1:8, one_mean)
  }, .serial = function() lapply(1:8, one_mean),
  mclapply = function() parallel::mclapply(1:8, one_mean, mc.cores = at$workers),
  future.apply = if_has(c("future", "future.apply"), function() future_means(at$workers)),
  mirai = if_has("mirai", function() {
    use_mirai(at$workers)
    mirai::mirai_map(1:8, plainly(function(i) mean(large)), large = globalenv()$large)[]
  }))
}

bench_row("data-means-first", "8 means of 5e7 doubles, sent in the call", function(at) {
  mean_sides(at, avenir:::cpp_share_forget)
}, runs = 5, floor = divided_serial, floor_is = "serial R / workers",
goals = list(goal("\u2264 1.25 \u00d7 mclapply", function(m) m[["avenir"]] <= 1.25 * m[["mclapply"]])))

bench_row("data-means-again", "8 means of 5e7 doubles, as before", function(at) {
  mean_sides(at, function() NULL)
}, runs = 5, floor = divided_serial, floor_is = "serial R / workers",
goals = list(goal("\u2264 0.6 \u00d7 serial", function(m) m[["avenir"]] <= 0.6 * m[[".serial"]])))

bench_row("data-results", "4 results of 100 MB", function(at) {
  n <- at$size(1.25e7, 1e5)
  made <- eval(bquote(function(i) numeric(.(n)) + i), globalenv())
  list(avenir = function() {
    use_avenir(at$workers)
    avenir::future_lapply(1:4, made)
  }, .serial = function() lapply(1:4, made),
  mclapply = function() parallel::mclapply(1:4, made, mc.cores = at$workers),
  future.apply = if_has(c("future", "future.apply"), function() {
    use_future(at$workers)
    future.apply::future_lapply(1:4, made)
  }),
  mirai = if_has("mirai", function() {
    use_mirai(at$workers)
    mirai::mirai_map(1:4, made)[]
  }))
}, runs = 5, floor = divided_serial, floor_is = "serial R / workers",
goals = list(goal("\u2264 0.4 \u00d7 mclapply", function(m) m[["avenir"]] <= 0.4 * m[["mclapply"]])))

bench_row("data-strings", "1e6 strings there and back", function(at) {
  text <- paste("string", seq_len(at$size(1e6, 2e4)) * 7)
  list(avenir = function() {
    avenir:::cpp_share_forget()
    avenir:::cpp_share_trip(text)
  }, .serial = function() text,
  `serialize + unserialize` = function() unserialize(serialize(text, NULL, xdr = FALSE)))
}, goals = list(goal("\u2265 4 \u00d7 faster than serialize + unserialize", function(m) {
  m[["serialize + unserialize"]] >= 4 * m[["avenir"]]
})))

# ---- memory --------------------------------------------------------------------------------------------------------

# Megabytes of a process: what it shares with others counts by its part.
pss <- function(pid) {
  line <- grep("^Pss:", readLines(sprintf("/proc/%d/smaps_rollup", pid), warn = FALSE), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# A map in a fresh session: how much more the session and its workers take at its end than before the vector was used.
# Each worker looks at itself when it has its mean, and its last look counts.
memory_of_means <- function(how, workers, n, pss) {
  look <- plainly(function(i) {
    value <- mean(large)
    c(value, Sys.getpid(), pss(Sys.getpid()))
  })
  environment(pss) <- globalenv()
  assign("pss", pss, globalenv())
  assign("large", (seq_len(n) %% 1000) / 7, globalenv())
  # A worker's first collection takes apart what it shares with the process that it was forked from.
  idle <- plainly(function(i) {
    gc()
    Sys.sleep(0.2)
    c(0, Sys.getpid(), pss(Sys.getpid()))
  })
  map <- switch(how,
    avenir = {
      avenir::plan(avenir::multisession, workers = I(workers))
      function(f) avenir::future_lapply(seq_len(4 * workers), f, future.chunk.size = 1)
    },
    mclapply = function(f) parallel::mclapply(seq_len(4 * workers), f, mc.cores = workers),
    mirai = {
      mirai::daemons(workers)
      function(f) mirai::mirai_map(seq_len(4 * workers), f, large = globalenv()$large, pss = pss)[]
    },
    future.apply = {
      options(future.globals.maxSize = Inf)
      future::plan(future::multisession, workers = I(workers))
      function(f) future.apply::future_lapply(seq_len(4 * workers), f)
    })
  total <- function(seen) {
    seen <- do.call(rbind, seen)
    last <- seen[!duplicated(seen[, 2], fromLast = TRUE), , drop = FALSE]
    sum(last[, 3]) + pss(Sys.getpid())
  }
  empty <- plainly(function(i) NULL)
  if (how != "mclapply") map(empty)
  before <- if (how == "mirai") total(mirai::mirai_map(seq_len(4 * workers), idle, pss = pss)[]) else total(map(idle))
  total(map(look)) - before
}

for (workers in c(2L, 4L, 8L)) local({
  count <- workers
  bench_row(sprintf("data-memory-%d", count),
            sprintf("8 means of 400 MB on %d workers: memory above the idle plan", count), function(at) {
    n <- at$size(5e7, 1e6)
    measured <- function(how) reports(function() in_fresh_session(memory_of_means, how, count, n, pss))
    if (!file.exists("/proc/self/smaps_rollup")) return(NULL)
    list(avenir = measured("avenir"), mclapply = measured("mclapply"),
         mirai = if_has("mirai", measured("mirai")),
         future.apply = if_has(c("future", "future.apply"), measured("future.apply")),
         .vector = reports(function() n * 8 / 2^20))
  }, unit = "MB", runs = 3, alone = TRUE, goals = list(goal("\u2264 1.1 \u00d7 the vector", function(m) {
    m[["avenir"]] <= 1.1 * m[[".vector"]]
  })))
})

# ---- growth --------------------------------------------------------------------------------------------------------

# What a process holds after a collection: resident megabytes, descriptors, mapped segments.
held_here <- function() {
  gc()
  status <- readLines("/proc/self/status")
  resident <- grep("^VmRSS:", status, value = TRUE)
  c(pid = Sys.getpid(), resident = as.numeric(gsub("[^0-9]", "", resident)) / 1024,
    descriptors = length(list.files("/proc/self/fd")), mapped = sum(grepl("memfd:", readLines("/proc/self/maps"))))
}

# Maps of two elements with another vector of 1.6 MB each time; a tenth of them fills what may be kept. What the session
# and its workers hold more after all of them than after that tenth, in resident megabytes of all; more descriptors or
# segments are an error.
growth_of_maps <- function(count, held_here) {
  environment(held_here) <- globalenv()
  avenir::plan(avenir::multisession, workers = I(2L))
  numbers <- stats::runif(2e5)
  user <- plainly(function(i, v) v[i] + length(v))
  maps <- function(from, to) {
    for (i in from:to) {
      x <- numbers + i
      got <- avenir::future_lapply(1:2, user, v = x)
      if (!identical(got, lapply(1:2, user, v = x))) stop("wrong result of map ", i)
    }
  }
  look <- plainly(function(i, held_here) {
    Sys.sleep(0.1)
    held_here()
  })
  held <- function() {
    seen <- do.call(rbind, avenir::future_lapply(1:8, look, held_here, future.chunk.size = 1))
    seen <- seen[!duplicated(seen[, "pid"], fromLast = TRUE), ]
    rbind(held_here(), seen[order(seen[, "pid"]), ])
  }
  maps(1, count / 10)
  before <- held()
  maps(count / 10 + 1, count)
  after <- held()
  if (any(after[, "pid"] != before[, "pid"])) stop("a worker was replaced")
  gained <- after - before
  # Workers give descriptors back when they collect, the session bounds its own: none may have more than at any time.
  if (gained[1L, "descriptors"] > 0 || any(gained[, "mapped"] > 0)) stop("descriptors or segments were gained")
  sum(gained[, "resident"])
}

bench_row("data-growth", "10,000 maps with 1.6 MB each: gained from the 1,000th on", function(at) {
  if (!file.exists("/proc/self/status")) return(NULL)
  count <- at$size(10000, 1500)
  # A threshold that is given keeps malloc from raising it and keeping a few vectors' worth of memory for itself.
  list(avenir = reports(function() {
    in_fresh_session(growth_of_maps, count, held_here, prefix = "env MALLOC_MMAP_THRESHOLD_=131072", seconds = 300)
  }))
}, unit = "MB", runs = 3, alone = TRUE, goals = list(goal("< 1 MB", function(m) m[["avenir"]] < 1)))
