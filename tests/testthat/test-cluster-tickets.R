# Tickets in files, and what sessions that were killed have left of them.

ticket_folder_with <- function(...) {
  folder <- tempfile("tickets-")
  dir.create(folder, mode = "0700")
  owners <- list(...)
  for (plan in names(owners)) {
    avenir:::write_ticket(avenir:::owner_path(folder, plan), paste(owners[[plan]], collapse = " "))
    avenir:::write_ticket(file.path(folder, sprintf("ticket-%s-1", plan)), "avenir-ticket")
  }
  folder
}

me <- avenir:::process_identity()

test_that("tickets of a session that has ended go, with what its nodes wrote", {
  skip_if(!file.exists("/proc/self/stat"), "no /proc here")
  nobody <- replace(me, 4L, "99999999")
  later <- replace(me, 5L, "1")  # another process has got the number
  folder <- ticket_folder_with("aa" = nobody, "ab" = later, "ac" = me)
  writeLines("out", file.path(folder, "ticket-aa-1-0.out"))
  avenir:::remove_dead_tickets(folder)
  expect_setequal(list.files(folder), c("session-ac", "ticket-ac-1"))
})

test_that("tickets of sessions of which nobody here can know stay", {
  nobody <- replace(me, 4L, "99999999")
  folder <- ticket_folder_with("aa" = replace(nobody, 1L, "elsewhere"), "ab" = replace(nobody, 2L, "before"),
                               "ac" = replace(nobody, 3L, "pid:[1]"), "ad" = "text")
  writeLines("mine", file.path(folder, "ticket-ae-1"))
  before <- list.files(folder)
  avenir:::remove_dead_tickets(folder)
  expect_identical(list.files(folder), before)
})

test_that("what jobs have written goes when no session has tickets for them", {
  folder <- ticket_folder_with("ac" = me)
  writeLines("out", file.path(folder, "ticket-ac-1-0.out"))
  writeLines("out", file.path(folder, "ticket-ad-1-0.out"))
  before <- list.files(folder)
  avenir:::remove_dead_tickets(folder)
  expect_identical(list.files(folder), setdiff(before, "ticket-ad-1-0.out"))
})

test_that("links are not followed, neither to read nor to remove", {
  skip_if(!file.exists("/proc/self/stat"), "no /proc here")
  nobody <- replace(me, 4L, "99999999")
  folder <- ticket_folder_with("aa" = nobody)
  precious <- tempfile("precious-", fileext = c(".owner", ".data"))
  writeLines(paste(nobody, collapse = " "), precious[1L])
  writeLines("data", precious[2L])
  file.symlink(precious[1L], file.path(folder, "session-ab"))
  writeLines("mine", file.path(folder, "ticket-ab-1"))
  file.symlink(precious[2L], file.path(folder, "ticket-aa-2"))
  avenir:::remove_dead_tickets(folder)
  expect_setequal(list.files(folder), c("session-ab", "ticket-ab-1"))
  expect_identical(readLines(precious[2L]), "data")
})

test_that("a folder that others may write to is not tidied", {
  folder <- ticket_folder_with("aa" = replace(me, 4L, "99999999"))
  Sys.chmod(folder, "0777", use_umask = FALSE)
  expect_error(avenir:::remove_dead_tickets(folder), class = "avenir_invalid_argument")
  expect_length(list.files(folder), 2L)
})

test_that("a user without a name may have tickets", {
  library <- made_up_library(c("#include <pwd.h>", "struct passwd *getpwuid(uid_t user) { return 0; }"))
  got <- in_child("
    path <- file.path(tempfile('own-'), 'ticket')
    avenir:::write_ticket(path, 'words')
    mark('result', c(readLines(path), Sys.info()[['effective_user']]))", environment = paste0("LD_PRELOAD=", library))
  expect_identical(got, c("words", "unknown"))
})

test_that("a ticket that cannot be written, or not as a whole, is an error with the reason", {
  library <- made_up_library(c(
    "#include <signal.h>", "#include <sys/resource.h>",
    "void limit_files(int *bytes) {", "  struct rlimit limit;", "  getrlimit(RLIMIT_FSIZE, &limit);",
    "  limit.rlim_cur = *bytes < 0 ? limit.rlim_max : *bytes;", "  signal(SIGXFSZ, SIG_IGN);",
    "  setrlimit(RLIMIT_FSIZE, &limit);", "}"))
  got <- in_child(sprintf("
    dyn.load('%s')
    path <- file.path(tempfile('own-'), 'ticket')
    write <- function() tryCatch(avenir:::write_ticket(path, 'words'), error = identity)
    invisible(write())  # makes the folder
    invisible(.C('limit_files', 3L))
    full <- write()
    invisible(.C('limit_files', -1L))
    unlink(path)
    dir.create(path)
    taken <- write()
    mark('result', list(full, taken))", library))
  for (error in got) expect_s3_class(error, "avenir_worker_start_error")
  expect_match(conditionMessage(got[[1L]]), "File too large|is the disk full")
  expect_match(conditionMessage(got[[2L]]), "cannot be written")
})
