# What users get wrong: each an error that names it and a remedy, in seconds.

start_error <- function(workers, ..., pattern) {
  local_cluster(workers, ...)
  error <- suppressWarnings(prompt_error(value(future(1))))
  expect_s3_class(error, "avenir_worker_start_error")
  expect_match(conditionMessage(error), pattern)
}

test_that("a host that nobody knows", {
  start_error(ssh_workers("no-such-host.invalid"), pattern = "no machine is known by the name no-such-host.invalid")
})

test_that("a key that is refused", {
  start_error(ssh_workers("h1", user = "nobody"), pattern = "no key that the host accepts")
})

test_that("a host without R there", {
  start_error(ssh_workers("h1", command = "/no/Rscript"), pattern = "there is no Rscript.*rscript = ")
})

# A copy of the package as another version would be.
other_version <- function(field, value) {
  library <- file.path(Sys.getenv("RIG_DIR"), paste0("other-", field))
  dir.create(library)
  file.copy(find.package("avenir"), library, recursive = TRUE)
  meta <- file.path(library, "avenir", "Meta", "package.rds")
  info <- readRDS(meta)
  info$DESCRIPTION[[field]] <- value
  saveRDS(info, meta)
  description <- file.path(library, "avenir", "DESCRIPTION")
  lines <- readLines(description)
  writeLines(sub(sprintf("^%s: .*", field), sprintf("%s: %s", field, value), lines), description)
  library
}

test_that("another version of avenir there", {
  library <- other_version("Version", "0.0.0.1")
  on.exit(unlink(library, recursive = TRUE))
  words <- c("env", paste0("R_LIBS=", library), rscript())
  start_error(ssh_workers("h1", command = words), pattern = "h1.*avenir 0.0.0.1.*same")
})

test_that("another version of R there", {
  library <- other_version("Version", as.character(utils::packageVersion("avenir")))
  on.exit(unlink(library, recursive = TRUE))
  node <- file.path(library, "avenir", "worker", "node.R")
  writeLines(sub("as.character(getRversion())", "'3.6.0'", readLines(node), fixed = TRUE), node)
  words <- c("env", paste0("R_LIBS=", library), rscript())
  start_error(ssh_workers("h1", command = words), pattern = "h1.*R 3.6.0.*same")
})

test_that("a firewall", {
  rule <- "add table inet fire; add chain inet fire out { type filter hook output priority 0; };
           add rule inet fire out ip daddr %s tcp sport != 22 drop"
  rig("exec", "h1", "nft", sprintf(rule, Sys.getenv("RIG_ADDRESS")))
  on.exit(rig("exec", "h1", "nft", "delete table inet fire"))
  start_error(ssh_workers("h1", revtunnel = FALSE), start_timeout = 5,
              pattern = "h1: this node cannot reach its session: .*port [0-9]+")
})

test_that("names that are none never reach a shell", {
  for (host in c("a b", "h1'", "h1\n", "-oProxyCommand=x", "$(id)", "h1;id", "", NA)) {
    error <- prompt_error(plan(cluster, workers = c("h1", host)))
    expect_s3_class(error, "avenir_invalid_argument")
  }
})

test_that("a worker of another plan is refused", {
  mine <- local_cluster(ssh_workers("h1"))
  await_ready(mine, 1L)
  ticket <- avenir:::cpp_cluster_ticket(mine$engine, "other", 1L, mine$addresses)
  words <- strsplit(ticket, " ")[[1L]]
  words[5L] <- strrep("0", nchar(words[5L]))
  command <- c("R_LIBS" = paste(.libPaths(), collapse = ":"))
  argv <- c(rscript(), "--no-init-file", "-e", avenir:::node_expression, "--workers=1")
  avenir:::launch_program(mine$engine, argv, paste(words, collapse = " "), "other", command)
  launches <- function() avenir:::cpp_cluster_launches(mine$engine)
  expect_true(wait_until(function() !all(launches()$running), 60))
  expect_match(launches()$output[!launches()$running], "cannot reach its session")
  expect_identical(nrow(nodes_here(mine)), 1L)
  expect_identical(value(future(Sys.info()[["nodename"]])), "h1")
})
