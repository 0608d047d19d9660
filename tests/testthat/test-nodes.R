# Nodes: a plan whose workers are those of a node, a process of its own on this machine that is connected by TLS. The
# fields of a plan that uses nodes are made here; which plans do is tested with them.

# A backend with a node of two workers; `nodes` of them when there are to be more.
node_backend <- function(nodes = 1L, workers = 2L, ...) {
  backend <- new_backend("multisession", c("MultisessionFuture", "ClusterFuture", "MultiprocessFuture"),
                         workers = nodes * workers, interrupts = TRUE)
  options <- in_own_folder(multisession_options(0L))
  options$nodes <- session_node_options(...)
  backend$engine <- start_engine(options, "cluster")
  cpp_cluster_listen(backend$engine, "127.0.0.1", 0L)
  for (i in seq_len(nodes)) start_local_node(backend, paste0("g", i), workers)
  backend
}

start_local_node <- function(backend, group, workers = 2L) {
  ticket <- cpp_cluster_ticket(backend$engine, group, 1L, "127.0.0.1")
  environment <- c(R_LIBS = paste(.libPaths(), collapse = ":"), R_DEFAULT_PACKAGES = "NULL", SLURM_PROCID = "0")
  argv <- c(file.path(R.home("bin"), "Rscript"), "--no-init-file", "-e", node_expression,
            sprintf("--workers=%d", workers), "--rank-from=SLURM_PROCID")
  launch_program(backend$engine, argv, paste0(ticket, "\n"), group, environment)
}

# Evaluates `code` under a plan of such a backend.
with_nodes <- function(code, ..., backend = node_backend(...)) {
  old <- plan(multisession, workers = I(1))
  on.exit(plan(old))
  level <- plan_state$levels[[1L]]
  backend_close(level$backend)
  assign("backend", backend, envir = level)
  force(code)
}

nodes_of <- function(backend) cpp_cluster_nodes(backend$engine)

skip_without_tls <- function() skip_if(nzchar(cpp_tls_missing()), "TLS is not there")

process_lives <- function(pid) isTRUE(tools::pskill(pid, 0L))

test_that("futures and maps are evaluated on nodes as they are elsewhere", {
  skip_without_tls()
  with_nodes({
    a <- 40
    expect_identical(value(future(a + 2)), 42)
    expect_identical(future_lapply(1:500, function(i) i + a), lapply(1:500, function(i) i + a))
    expect_identical(future_sapply(c(x = 1, y = 2), sqrt), sapply(c(x = 1, y = 2), sqrt))
    expect_identical(future_lapply(list(mtcars, letters, NULL), class), lapply(list(mtcars, letters, NULL), class))
    chunks <- future_lapply(1:20, function(i) Sys.getpid(), future.chunk.size = 5)
    expect_true(all(vapply(split(unlist(chunks), rep(1:4, each = 5)), function(p) length(unique(p)) == 1L, TRUE)))
    expect_error(value(future(stop("on a node"))), "on a node")
    expect_output(expect_message(value(future({
      message("said")
      cat("printed\n")
    })), "said"), "printed")
  })
})

test_that("random numbers on nodes are those of plan(sequential)", {
  skip_without_tls()
  draw <- function() future_sapply(1:50, function(i) stats::rnorm(1), future.seed = 42L)
  expect_identical(with_nodes(draw()), with(plan(sequential), draw()))
})

test_that("an error ends a map, and no worker", {
  skip_without_tls()
  with_nodes({
    suppressWarnings(expect_error(future_lapply(1:1000, function(i) if (i == 7) stop("seven") else i), "seven"))
    expect_identical(value(future("still there")), "still there")
  })
})

test_that("large data go to a node and come back", {
  skip_without_tls()
  with_nodes({
    x <- stats::runif(2e6)
    expect_identical(value(future(sum(x))), sum(x))
    expect_identical(value(future(x * 2)), x * 2)
    expect_identical(future_lapply(1:4, function(i) sum(x) + i), lapply(1:4, function(i) sum(x) + i))
    expect_identical(value(future(x)), x)
    long <- as.list(as.character(1:1e5))
    expect_identical(value(future(long)), long)
  })
})

test_that("a worker lost on a node is named with its host, and replaced", {
  skip_without_tls()
  with_nodes({
    error <- expect_error(value(future(tools::pskill(Sys.getpid(), tools::SIGKILL))), class = "WorkerLostError")
    expect_identical(error$host, Sys.info()[["nodename"]])
    expect_match(conditionMessage(error), Sys.info()[["nodename"]], fixed = TRUE)
    expect_identical(value(future("still there")), "still there")
  })
})

test_that("a node killed during a map costs no result", {
  skip_without_tls()
  backend <- node_backend(nodes = 2L, workers = 1L)
  expect_true(wait_until(function() sum(nodes_of(backend)$state == "ready") == 2L))
  victim <- nodes_of(backend)$pid[1L]
  slow <- function(i) {
    if (i == 20L) tools::pskill(victim, tools::SIGKILL)
    Sys.sleep(0.005)
    i
  }
  with_nodes(expect_identical(future_lapply(1:200, slow), as.list(1:200)), backend = backend)
})

test_that("without a node and with none to come a future's error has the launch's output", {
  skip_without_tls()
  backend <- node_backend(nodes = 0L)
  cpp_cluster_ticket(backend$engine, "none", 1L, "127.0.0.1")
  launch_program(backend$engine, c("sh", "-c", "echo no such partition >&2; exit 3"), group = "none")
  with_nodes(expect_error(value(future(1)), "no such partition", class = "avenir_worker_start_error"),
             backend = backend)
})

test_that("set.seed() fixes no secret", {
  skip_without_tls()
  words <- lapply(1:2, function(i) {
    set.seed(1)
    backend <- node_backend(nodes = 0L)
    on.exit(engine_close(backend))
    strsplit(cpp_cluster_ticket(backend$engine, "own", 1L, "127.0.0.1"), " ", fixed = TRUE)[[1L]]
  })
  expect_length(words[[1L]], 8L)
  expect_false(words[[1L]][5L] == words[[2L]][5L])  # the plan's name
  expect_false(words[[1L]][7L] == words[[2L]][7L])  # the key
})

test_that("a node with a wrong ticket is not let in, and says so", {
  skip_without_tls()
  backend <- node_backend(nodes = 0L)
  on.exit(engine_close(backend))
  ticket <- cpp_cluster_ticket(backend$engine, "own", 1L, "127.0.0.1")
  words <- strsplit(ticket, " ")[[1L]]
  words[7L] <- strrep("0", 64L)
  environment <- c(R_LIBS = paste(.libPaths(), collapse = ":"))
  argv <- c(file.path(R.home("bin"), "Rscript"), "--no-init-file", "-e", node_expression, "--workers=1")
  launch_program(backend$engine, argv, paste(words, collapse = " "), "own", environment)
  launches <- function() cpp_cluster_launches(backend$engine)
  expect_true(wait_until(function() !launches()$running))
  expect_identical(launches()$exit_code, 1L)
  expect_match(launches()$output, "cannot reach its session")
  expect_identical(nrow(nodes_of(backend)), 0L)
})

test_that("nothing is left of a node when its session is killed", {
  skip_without_tls()
  child <- start_child(c(
    "env <- new.env(parent = asNamespace('avenir'))",
    paste(c("node_backend <-", deparse(node_backend)), collapse = "\n"),
    paste(c("start_local_node <-", deparse(start_local_node)), collapse = "\n"),
    "environment(node_backend) <- environment(start_local_node) <- env",
    "env$start_local_node <- start_local_node",
    "backend <- node_backend()",
    "task <- list(expr = quote(Sys.getpid()), packages = character(), check_rng = FALSE, stdout = TRUE,
                  conditions = 'condition', timeout = Inf)",
    "handle <- avenir:::backend_submit.multisession_backend(backend, task)",
    "worker <- avenir:::engine_collect(backend, handle)$value",
    "mark('pids', c(worker, avenir:::cpp_cluster_nodes(backend$engine)$pid))", "Sys.sleep(600)"
  ))
  pids <- child_value(child, "pids")
  expect_length(pids, 2L)
  signal_child(child, tools::SIGKILL)
  expect_true(wait_until(function() !any(vapply(pids, process_lives, TRUE))))
})

test_that("workers, ranks and attempts come from arguments and from what Slurm says", {
  withr_env <- function(values, code) {
    names <- names(values)
    old <- Sys.getenv(names, NA)
    on.exit({
      Sys.unsetenv(names)
      if (any(!is.na(old))) do.call(Sys.setenv, as.list(old[!is.na(old)]))
    })
    do.call(Sys.setenv, as.list(values))
    code
  }
  node <- new.env(parent = baseenv())
  sys.source(system.file("worker", "node.R", package = "avenir"), node)
  expect_identical(node$node_arguments(c("--workers=3", "x", "--rank-from=A")), list(workers = "3", `rank-from` = "A"))
  expect_identical(node$node_workers("3"), 3L)
  withr_env(c(SLURM_CPUS_PER_TASK = "5"), expect_identical(node$node_workers(NULL), 5L))
  withr_env(c(SLURM_PROCID = "2"), expect_identical(node$node_rank(), 2L))
  withr_env(c(SLURM_ARRAY_TASK_ID = "7", SLURM_ARRAY_TASK_MIN = "3", SLURM_PROCID = "0"), {
    expect_identical(node$node_rank(), 4L)
    expect_identical(node$node_rank("SLURM_PROCID"), 0L)
  })
  withr_env(c(SLURM_RESTART_COUNT = "2"), expect_identical(node$node_attempt(), 2L))
  withr_env(c(PBS_ARRAY_INDEX = "undefined", SGE_TASK_ID = "3"),
            expect_identical(node$node_rank("PBS_ARRAY_INDEX,SGE_TASK_ID", "1"), 2L))
})

test_that("an OpenSSL that could not be loaded for once is looked for again", {
  skip_if(nzchar(avenir:::cpp_tls_missing()), "TLS is not there")
  library <- made_up_library(c(
    "#define _GNU_SOURCE", "#include <dlfcn.h>", "#include <stdlib.h>", "#include <string.h>",
    "void *dlopen(const char *name, int flags) {",
    "  static void *(*next)(const char *, int);",
    "  if (!next) next = dlsym(RTLD_NEXT, \"dlopen\");",
    "  return name && strstr(name, \"libssl\") && getenv(\"NO_SSL_NOW\") ? NULL : next(name, flags);", "}"))
  got <- in_child("
    Sys.setenv(NO_SSL_NOW = 1)
    first <- avenir:::cpp_tls_missing()
    Sys.unsetenv('NO_SSL_NOW')
    mark('result', c(first, avenir:::cpp_tls_missing()))", environment = paste0("LD_PRELOAD=", library))
  expect_match(got[1L], "cannot be loaded")
  expect_identical(got[2L], "")
})
