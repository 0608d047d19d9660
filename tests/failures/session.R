# What the session does whose system calls fail: each plan in turn, compared with what serial R gives. Run by
# failures.R; argument: a folder, where it says that it is ready, waits for "go" and leaves what came of it.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(here, "..", "soak", "session.R"))
suppressPackageStartupMessages(library(avenir))
options(avenir.start.timeout = 10)

expected <- work()
for (start in plan_starts[c("multicore", "multisession")]) {
  start()
  stopifnot(identical(work(), expected))
}
leave("ready", Sys.getpid())
wait_for_word("go")
outcomes <- lapply(c("multisession", "multicore", "multisession"),
                   function(name) outcome(name, plan_starts[[name]], expected))
# A folder: R cannot make files either, until nobody traces it.
while (!dir.create(file.path(folder, "done"), showWarnings = FALSE)) Sys.sleep(0.02)
wait_for_word("leave")
leave("outcomes", outcomes)
