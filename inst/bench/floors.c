/* What this machine can do at best, in seconds on standard output.
 *
 *   floors pingpong BYTES TIMES   one round trip between two processes over a socket pair
 *   floors memcpy BYTES           one copy into memory that is not fresh
 *   floors copy BYTES THREADS     the same on several threads, the median of 5
 *   floors copyfresh BYTES THREADS
 *                                 the same into fresh memory, in large pages where there are any
 *   floors read BYTES THREADS     memory read once by several threads, the median of 5
 *   floors fill BYTES THREADS     fresh memory, in large pages where there are any, filled by so many threads
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static int read_all(int fd, char* bytes, long size) {
  for (long have = 0; have < size;) {
    const ssize_t got = read(fd, bytes + have, size - have);
    if (got <= 0) return 0;
    have += got;
  }
  return 1;
}

static double pingpong(long bytes, long times) {
  int ends[2];
  char* buffer = calloc(1, bytes);
  if (buffer == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) exit(1);
  if (fork() == 0) {
    close(ends[0]);
    while (read_all(ends[1], buffer, bytes) && write(ends[1], buffer, bytes) == bytes) {
    }
    _exit(0);
  }
  close(ends[1]);
  const double start = now();
  for (long i = 0; i < times; ++i)
    if (write(ends[0], buffer, bytes) != bytes || !read_all(ends[0], buffer, bytes)) exit(1);
  const double each = (now() - start) / times;
  close(ends[0]);
  wait(NULL);
  return each;
}

static double copy(long bytes) {
  char *from = malloc(bytes), *to = malloc(bytes);
  if (from == NULL || to == NULL) exit(1);
  memset(from, 1, bytes);
  memset(to, 2, bytes);
  const double start = now();
  memcpy(to, from, bytes);
  const double seconds = now() - start;
  if (to[bytes - 1] != 1) exit(1);
  return seconds;
}

struct part {
  char* to;
  const char* from;
  long bytes;
};

static void* copy_part(void* of) {
  const struct part* p = of;
  memcpy(p->to, p->from, p->bytes);
  return NULL;
}

static int by_size(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static volatile long read_sum;

/* In eight sums, so that no addition waits for another. */
static void* read_part(void* of) {
  const struct part* p = of;
  const long* words = (const long*)p->from;
  long sums[8] = {0};
  for (long i = 0; i + 8 <= p->bytes / 8; i += 8) {
    __builtin_prefetch(words + i + 1024);
    for (int k = 0; k < 8; ++k) sums[k] += words[i + k];
  }
  for (int k = 1; k < 8; ++k) sums[0] += sums[k];
  read_sum = sums[0];
  return NULL;
}

static void* fill_part(void* of) {
  const struct part* p = of;
  memset(p->to, 1, p->bytes);
  return NULL;
}

static void on_threads(void* (*work)(void*), char* to, const char* from, long bytes, long threads) {
  pthread_t ids[64];
  struct part parts[64];
  for (long i = 0; i < threads; ++i) {
    const long begin = bytes / threads * i, end = i + 1 == threads ? bytes : bytes / threads * (i + 1);
    parts[i] = (struct part){to + begin, from + begin, end - begin};
    if (pthread_create(&ids[i], NULL, work, &parts[i]) != 0) exit(1);
  }
  for (long i = 0; i < threads; ++i) pthread_join(ids[i], NULL);
}

static char* fresh(long bytes) {
  char* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) exit(1);
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

static char* filled(long bytes, int with) {
  char* memory = fresh(bytes);
  memset(memory, with, bytes);
  return memory;
}

/* The median of five. `to` is fresh each time when it is NULL. */
static double often(void* (*work)(void*), char* to, const char* from, long bytes, long threads) {
  double seconds[5];
  if (threads < 1 || threads > 64) exit(1);
  for (int run = 0; run < 5; ++run) {
    const double start = now();
    char* here = to == NULL ? fresh(bytes) : to;
    on_threads(work, here, from, bytes, threads);
    seconds[run] = now() - start;
    if (to == NULL) munmap(here, bytes);
  }
  qsort(seconds, 5, sizeof *seconds, by_size);
  return seconds[2];
}

static double copy_on(long bytes, long threads, int into_fresh) {
  return often(copy_part, into_fresh ? NULL : filled(bytes, 2), filled(bytes, 1), bytes, threads);
}

static double read_on(long bytes, long threads) {
  char* memory = filled(bytes, 1);
  return often(read_part, memory, memory, bytes, threads);
}

static double fill(long bytes, long threads) {
  if (threads < 1 || threads > 64) exit(1);
  const double start = now();
  char* memory = fresh(bytes);
  on_threads(fill_part, memory, memory, bytes, threads);
  return now() - start;
}

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "pingpong") == 0)
    printf("%.9f\n", pingpong(atol(argv[2]), atol(argv[3])));
  else if (argc == 3 && strcmp(argv[1], "memcpy") == 0)
    printf("%.9f\n", copy(atol(argv[2])));
  else if (argc == 4 && strcmp(argv[1], "copy") == 0)
    printf("%.9f\n", copy_on(atol(argv[2]), atol(argv[3]), 0));
  else if (argc == 4 && strcmp(argv[1], "copyfresh") == 0)
    printf("%.9f\n", copy_on(atol(argv[2]), atol(argv[3]), 1));
  else if (argc == 4 && strcmp(argv[1], "read") == 0)
    printf("%.9f\n", read_on(atol(argv[2]), atol(argv[3])));
  else if (argc == 4 && strcmp(argv[1], "fill") == 0)
    printf("%.9f\n", fill(atol(argv[2]), atol(argv[3])));
  else
    return 2;
  return 0;
}
