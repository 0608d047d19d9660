# Plans on the hosts of tools/rig.sh, under short names: future.tests prints a plan's call and takes one line of it.
# The first argument of the command line is the plan's name, "ssh" or "slurm".

options(avenir.cluster.address = Sys.getenv("RIG_ADDRESS"),
        avenir.cluster.folder = file.path(Sys.getenv("RIG_DIR"), "tickets"))
ssh <- avenir::workers_ssh(strsplit(Sys.getenv("RIG_HOSTS"), ",", fixed = TRUE)[[1L]],
                           options = c("-F", Sys.getenv("RIG_SSH_CONFIG")),
                           rscript = file.path(R.home("bin"), "Rscript"))
slurm <- avenir::workers_slurm(2, mem = "500M")
name <- commandArgs(TRUE)[[1L]]
future.tests::check(plan = sprintf("plan(cluster, workers = %s)", name), session_info = FALSE, exit_value = TRUE)
