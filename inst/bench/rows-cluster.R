# Workers on other machines: what the encrypted connection costs, and how long they take to come. They are nodes on this
# machine; what takes Slurm needs one, such as that of tools/rig.sh.

source(file.path(bench_folder, "remote.R"))

# In a session that knows remote.R.
remotely <- function(fun, ...) reports(function() in_fresh_session(fun, ..., known = "remote.R"))

bench_row("tls-value", "value(future(1)) on a node, over TLS", function(at) {
  n <- at$size(1000, 50)
  list(avenir = remotely(remote_values, n), multisession = remotely(local_values, n))
}, runs = 5, alone = TRUE,
goals = list(goal("< 3 \u00d7 multisession", function(m) m[["avenir"]] < 3 * m[["multisession"]])))

bench_row("tls-argument", "256 MB to a worker of another machine, over TLS", function(at) {
  megabytes <- at$size(256, 16)
  list(avenir = remotely(remote_argument, megabytes), .openssl = tls_floor(megabytes))
}, runs = 5, alone = TRUE, floor = function(m) m[".openssl"],
floor_is = "as many bytes from memory to fresh memory of another process through OpenSSL alone, same cipher",
goals = list(goal("\u2265 60 % of OpenSSL's speed", function(m) m[[".openssl"]] >= 0.6 * m[["avenir"]])))

bench_row("tls-tasks-10k", "10,000 tasks one by one, over TLS on loopback (PSOCK: without)", function(at) {
  n <- at$size(10000, 200)
  share <- at$size(10, 1)
  list(avenir = remotely(remote_tasks, n, at$workers), mirai = if_has("mirai", remotely(mirai_tasks, n, at$workers)),
       PSOCK = if (!at$quick) smaller(remotely(psock_tasks, n / share, at$workers), share))
}, runs = 3, alone = TRUE, goals = list(
  goal("\u2265 5 \u00d7 faster than mirai", function(m) m[["mirai"]] >= 5 * m[["avenir"]]),
  goal("\u2265 20 \u00d7 faster than PSOCK", function(m) m[["PSOCK"]] >= 20 * m[["avenir"]])))

# In an allocation of two nodes.
in_slurm <- function(fun, ...) {
  reports(function() in_fresh_session(fun, ..., known = "remote.R", prefix = "salloc -Q --nodes=2 --ntasks=2"))
}

bench_row("join-slurm", "plan() to the first result, workers on 2 nodes of a Slurm allocation", function(at) {
  if (!has_command("salloc") || system2("sinfo", "-h", stdout = FALSE, stderr = FALSE) != 0L) return(NULL)
  list(avenir = in_slurm(join_slurm), .srun = in_slurm(run_r_by_srun, 2L))
}, runs = 9, alone = TRUE, floor = function(m) m[".srun"], floor_is = "srun Rscript -e 1 on both nodes",
goals = list(goal("\u2264 1.2 \u00d7 srun Rscript", function(m) m[["avenir"]] <= 1.2 * m[[".srun"]])))
