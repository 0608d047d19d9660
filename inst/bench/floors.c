/* What this machine can do at best, in seconds on standard output.
 *
 *   floors pingpong BYTES TIMES   one round trip between two processes over a socket pair
 *   floors memcpy BYTES           one copy into memory that is not fresh
 *   floors copy BYTES THREADS     the same on several threads, the median of 5
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

static double copy_on(long bytes, long threads) {
  char *from = malloc(bytes), *to = malloc(bytes);
  if (from == NULL || to == NULL || threads < 1 || threads > 64) exit(1);
  memset(from, 1, bytes);
  memset(to, 2, bytes);
  double seconds[5];
  for (int run = 0; run < 5; ++run) {
    pthread_t ids[64];
    struct part parts[64];
    const double start = now();
    for (long i = 0; i < threads; ++i) {
      const long begin = bytes / threads * i, end = i + 1 == threads ? bytes : bytes / threads * (i + 1);
      parts[i] = (struct part){to + begin, from + begin, end - begin};
      if (pthread_create(&ids[i], NULL, copy_part, &parts[i]) != 0) exit(1);
    }
    for (long i = 0; i < threads; ++i) pthread_join(ids[i], NULL);
    seconds[run] = now() - start;
  }
  qsort(seconds, 5, sizeof *seconds, by_size);
  return seconds[2];
}

static void* fill_part(void* of) {
  const struct part* p = of;
  memset(p->to, 1, p->bytes);
  return NULL;
}

static double fill(long bytes, long threads) {
  pthread_t ids[64];
  struct part parts[64];
  if (threads < 1 || threads > 64) exit(1);
  const double start = now();
  char* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) exit(1);
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  for (long i = 0; i < threads; ++i) {
    parts[i] = (struct part){memory + bytes / threads * i, NULL, bytes / threads};
    if (pthread_create(&ids[i], NULL, fill_part, &parts[i]) != 0) exit(1);
  }
  for (long i = 0; i < threads; ++i) pthread_join(ids[i], NULL);
  return now() - start;
}

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "pingpong") == 0)
    printf("%.9f\n", pingpong(atol(argv[2]), atol(argv[3])));
  else if (argc == 3 && strcmp(argv[1], "memcpy") == 0)
    printf("%.9f\n", copy(atol(argv[2])));
  else if (argc == 4 && strcmp(argv[1], "copy") == 0)
    printf("%.9f\n", copy_on(atol(argv[2]), atol(argv[3])));
  else if (argc == 4 && strcmp(argv[1], "fill") == 0)
    printf("%.9f\n", fill(atol(argv[2]), atol(argv[3])));
  else
    return 2;
  return 0;
}
