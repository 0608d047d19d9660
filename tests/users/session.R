# A busy session under each plan in turn. Run by users.R, as a user of its own; argument: a folder, where it says which
# plan is in force. It goes on with the next plan when it is told so.

folder <- commandArgs(TRUE)[1L]
Sys.umask("000")  # nothing of it may stand open all the same
set.seed(1)       # and fixes no secret
suppressPackageStartupMessages(library(avenir))
options(avenir.cluster.address = "127.0.0.1", avenir.cluster.folder = file.path(folder, "tickets"))

own_jobs <- "for i in 1 2; do PBS_ARRAY_INDEX=$i setsid {command} >/dev/null 2>&1 </dev/null & done"
plans <- list(multisession = function() plan(multisession, workers = I(2)),
              multicore = function() plan(multicore, workers = I(2)),
              cluster = function() plan(cluster, workers = workers_command(start = own_jobs, n = 2)))

wait_for_word <- function(word) while (!file.exists(file.path(folder, word))) Sys.sleep(0.02)

large <- as.numeric(seq_len(5e5))
for (name in names(plans)) {
  plans[[name]]()
  invisible(future_lapply(1:2, function(i) sum(large)))
  busy <- lapply(1:2, function(i) future(while (!file.exists(file.path(folder, paste0("next-", name)))) Sys.sleep(0.02)))
  if (name == "cluster") {
    ticket <- avenir:::cpp_cluster_ticket(plan("backend")$engine, "users", 2L, "127.0.0.1")
    saveRDS(ticket, file.path(folder, "ticket"))
  }
  saveRDS(Sys.getpid(), file.path(folder, "part"))
  file.rename(file.path(folder, "part"), file.path(folder, name))
  wait_for_word(paste0("next-", name))
  invisible(value(busy))
}
