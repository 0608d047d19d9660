test_that("Slurm runs a step on both hosts", {
  expect_setequal(command_output("srun", c("-N2", "-n2", "hostname")), rig_hosts())
})

test_that("R runs on each host through ssh", {
  for (host in rig_hosts()) {
    expect_identical(ssh_output(host, "Rscript --vanilla -e 'cat(Sys.info()[[\"nodename\"]])'"), host)
  }
})
