# What a future must not leave behind in the process that evaluated it is reported by value().

caught <- function(expr) tryCatch({
  expr
  NULL
}, FutureCondition = identity)

# A connection that a sequential future has left to this session; it may be gone as garbage.
close_left <- function(number) try(suppressWarnings(close(getConnection(number))), silent = TRUE)

for (name in names(conformance_plans())) {
  set_plan_of(conformance_plans()[[name]])

  local_test("a connection that is left open is reported", {
    f <- future({
      options(avenir.test.kept = con <- file(tempfile(), "w")) # not garbage
      as.integer(con)
    })
    misuse <- caught(value(f))
    expect_s3_class(misuse, c("ConnectionMisuseFutureWarning", "MisuseFutureWarning", "FutureWarning", "warning"))
    expect_match(conditionMessage(misuse), "added: [0-9]+ \\(file, ")
    expect_identical(attr(misuse, "uuid"), f$uuid)
    if (name == "sequential") close_left(f$result$value)
  })

  local_test("options make it an error or nothing", {
    leave <- function() future({
      options(avenir.test.kept = con <- file(tempfile(), "w")) # not garbage
      as.integer(con)
    })
    local_options(future.connections.onMisuse = "error")
    f <- leave()
    expect_s3_class(caught(value(f)), c("ConnectionMisuseFutureError", "FutureError"))
    if (name == "sequential") close_left(f$result$value)
    options(future.connections.onMisuse = "ignore")
    f <- leave()
    expect_null(caught(value(f)))
    if (name == "sequential") close_left(value(f))
  })

  local_test("a future that closes what it opens is not reported", {
    expect_null(caught(value(future({
      file <- tempfile(fileext = ".pdf")
      con <- file(file, "w")
      close(con)
      grDevices::pdf(file)
      graphics::plot(1)
      grDevices::dev.off()
      unlink(file)
    }))))
  })

  local_test("a graphics device that is left open is reported", {
    f <- future({
      grDevices::pdf(NULL)
      grDevices::dev.cur()
    })
    expect_s3_class(caught(value(f)), "DeviceMisuseFutureWarning")
    if (name == "sequential") suppressWarnings(grDevices::dev.off(value(f)))
  })

  local_test("the default graphics device is reported when something opens it", {
    misuse <- caught(value(future({
      options(device = function(...) grDevices::pdf(NULL))
      graphics::plot(1)
      grDevices::dev.off()
    })))
    expect_null(misuse) # the code has chosen it
    misuse <- caught(value(future({
      before <- setwd(tempdir())
      graphics::plot(1)
      grDevices::dev.off()
      setwd(before)
    })))
    expect_s3_class(misuse, "DefaultDeviceMisuseFutureWarning")
    expect_match(conditionMessage(misuse), "graphics::plot", fixed = TRUE)
  })

  local_test("variables in the global environment are reported when that is asked for", {
    assigns <- function() future(assign("misused_name", 1, envir = globalenv()))
    expect_null(caught(value(assigns())))
    suppressWarnings(rm("misused_name", envir = globalenv()))
    local_options(future.globalenv.onMisuse = "warning")
    misuse <- caught(value(assigns()))
    suppressWarnings(rm("misused_name", envir = globalenv()))
    expect_s3_class(misuse, "GlobalEnvMisuseFutureWarning")
    expect_match(conditionMessage(misuse), "misused_name")
  })

  local_test("an error of the code comes after the report", {
    f <- future({
      options(avenir.test.kept = con <- file(tempfile(), "w")) # not garbage
      message(as.integer(con))
      stop("e")
    })
    seen <- transcript(value(f))
    expect_match(seen[2], "^warning: Future \\(.*connections")
    expect_identical(seen[3], "error: e")
    if (name == "sequential") close_left(as.integer(sub("message: ", "", seen[1])))
  })

  # Of what a map's elements do that `f` does. Connections that are left to this session are closed.
  misuses_of <- function(f, ...) {
    before <- getAllConnections()
    on.exit(for (number in setdiff(getAllConnections(), before)) close_left(number))
    seen <- list()
    ended <- withCallingHandlers(tryCatch(future_lapply(1:4, f, ...), error = identity), warning = function(w) {
      seen <<- c(seen, list(w))
      invokeRestart("muffleWarning")
    })
    list(seen = seen, ended = ended)
  }

  local_test("the first element of a map to leave a connection open is reported, and no other", {
    found <- misuses_of(function(i) {
      if (i > 1) options(avenir.test.kept = c(getOption("avenir.test.kept"), list(textConnection("a"))))
      i
    })
    expect_length(found$seen, 1L)
    expect_s3_class(found$seen[[1L]], c("ConnectionMisuseFutureWarning", "MisuseFutureWarning"), exact = FALSE)
    text <- "^Element 2 of future_lapply\\(\\) .*added: [0-9]+ \\(textConnection, "
    expect_match(conditionMessage(found$seen[[1L]]), text)
    expect_identical(found$ended, as.list(1:4))
  })

  local_test("options make that an error, which ends the map, or nothing", {
    leave <- function(i) options(avenir.test.kept = c(getOption("avenir.test.kept"), list(textConnection("a"))))
    local_options(future.connections.onMisuse = "error")
    expect_s3_class(misuses_of(leave)$ended, "ConnectionMisuseFutureError")
    options(future.connections.onMisuse = "ignore")
    expect_length(misuses_of(leave)$seen, 0L)
  })

  local_test("elements that leave devices open, or open the default one, are reported once for each kind", {
    local_options(device = "pdf")
    found <- misuses_of(function(i) {
      before <- setwd(tempdir())
      if (i == 2) graphics::plot(1)
      if (i == 2) grDevices::dev.off()
      if (i > 2) grDevices::pdf(NULL)
      setwd(before)
      i
    })
    if (name == "sequential") grDevices::graphics.off()
    kinds <- vapply(found$seen, function(w) class(w)[1L], "")
    expect_identical(kinds, c("DefaultDeviceMisuseFutureWarning", "DeviceMisuseFutureWarning"))
    expect_match(conditionMessage(found$seen[[1L]]), "^Element 2 .*graphics::plot -> plot.default")
    expect_match(conditionMessage(found$seen[[2L]]), "^Element 3 ")
    if (name != "sequential") expect_length(misuses_of(function(i) grDevices::dev.cur())$seen, 0L)
  })

  local_test("an element that closes what it opens is not reported, nor is one that prints", {
    local_options(future.globalenv.onMisuse = "warning")
    utils::capture.output(found <- misuses_of(function(i) {
      close(file(tempfile(), "w"))
      print(i)
    }))
    expect_length(found$seen, 0L)
    found <- misuses_of(function(i) assign("misused_name", i, envir = globalenv()))
    suppressWarnings(rm("misused_name", envir = globalenv()))
    expect_identical(vapply(found$seen, function(w) class(w)[1L], ""), "GlobalEnvMisuseFutureWarning")
  })
}
plan(sequential)
