/* Faults that only C code has. Built with R CMD SHLIB by rig.R, called by .C(). */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

void fault_crash(void) { *(volatile int *)0 = 1; }

/* Sleeps and never looks at R's interrupts. */
void fault_stuck(void) {
  for (;;) pause();
}

static volatile int sink_;

int fault_depth(int n) {
  volatile char room[4096];
  room[n % 4096] = (char)n;
  return fault_depth(n + 1) + room[(n + 1) % 4096];
}

void fault_deep(void) { sink_ = fault_depth(0); }

static int opened_[65536], count_ = 0;

/* Takes all descriptors of this process but `leave`. */
void fault_take_descriptors(int *leave) {
  int fd;
  while (count_ < 65536 && (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0) opened_[count_++] = fd;
  for (int i = 0; i < *leave && count_ > 0; ++i) close(opened_[--count_]);
}

void fault_give_descriptors_back(void) {
  while (count_ > 0) close(opened_[--count_]);
}
