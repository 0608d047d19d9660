/* For valgrind.R: mistakes that it has to report, and a look for leaks where a process is. */
#include <fcntl.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

void avenir_planted(int *n) {
  int *volatile lost = malloc(40 * sizeof(int));
  if (lost[3] > 0) ++*n; /* not initialised */
  *n += lost[40];        /* beyond the end */
  lost = NULL;           /* leaked */
  open("/dev/zero", O_RDONLY);
}

void look_for_leaks(int *n) {
  VALGRIND_DO_LEAK_CHECK;
  *n = 1;
}
