# A shared object with loops of OpenMP for .C(): team_sum(n, threads, sum) sums 1 to n with so many threads or, for 0,
# as many as there may be: its first run in a session starts them. team_size(n) gives that number, set_team(n) sets it.
openmp_library <- function() {
  folder <- tempfile("openmp-")
  dir.create(folder)
  writeLines(c("#include <omp.h>", "void team_sum(int *n, int *threads, double *sum) {", "  double total = 0;",
               "  const int team = *threads > 0 ? *threads : omp_get_max_threads();",
               "#pragma omp parallel for reduction(+ : total) num_threads(team)",
               "  for (int i = 1; i <= *n; ++i) total += i;", "  *sum = total;", "}",
               "void team_size(int *n) { *n = omp_get_max_threads(); }",
               "void set_team(int *n) { omp_set_num_threads(*n); }"), file.path(folder, "team.c"))
  writeLines(c("PKG_CFLAGS = $(SHLIB_OPENMP_CFLAGS)", "PKG_LIBS = $(SHLIB_OPENMP_CFLAGS)"),
             file.path(folder, "Makevars"))
  system(sprintf("cd %s && %s CMD SHLIB team.c > build.log 2>&1", folder, file.path(R.home("bin"), "R")))
  file.path(folder, paste0("team", .Platform$dynlib.ext))
}
