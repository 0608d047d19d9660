# The contract of all plans (tests/testthat/test-conformance.R), on plans of the rig.

Sys.setenv(AVENIR_TEST_PLANS = "ssh,slurm")
source("../testthat/helper-plans.R", local = TRUE)
source("../testthat/test-conformance.R", local = TRUE)
