# A session for which something comes to an end before it sets its plan: it works once under that, and once when there
# is enough again. Run by ends.R; arguments: the case's folder, the plan, how many descriptors are left ("": all), the
# library that takes them.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "session.R"))
suppressPackageStartupMessages(library(avenir))
options(avenir.start.timeout = 10)

arguments <- commandArgs(TRUE)
start <- plan_starts[[arguments[2L]]]
left <- arguments[3L]
large <- as.numeric(seq_len(3e5))
plan_starts$sequential()
invisible(parallelly::availableCores())  # it does not get over having failed to read a file
expected <- work()
if (nzchar(left)) dyn.load(arguments[4L])

# Warnings are no matter here: of fewer workers, say.
tried <- function() suppressWarnings(outcome(arguments[2L], start, expected))

# With its stack grown, if it may: under a limit of memory it could not, which R takes for a crash.
grow_stack <- function(depth) if (depth > 0L) grow_stack(depth - 1L) else NULL
if (Cstack_info()[["size"]] > 5e6) grow_stack(300L)

leave("ready", Sys.getpid())
wait_for_word("go")
if (nzchar(left)) .C("fault_take_descriptors", as.integer(left))
first <- tried()
if (nzchar(left)) .C("fault_give_descriptors_back")
# A folder: R may not be able to write a file until there is enough again.
while (!dir.exists(file.path(folder, "enough"))) {
  dir.create(file.path(folder, "tried"), showWarnings = FALSE)
  Sys.sleep(0.02)
}
if (arguments[2L] == "cluster") plan_starts$sequential()  # or it would wait for the nodes that have gone
second <- tried()
leave("outcomes", list(first, second))
plan(sequential)
leave("done")
