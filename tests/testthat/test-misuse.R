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
}
plan(sequential)
