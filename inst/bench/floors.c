/* What this machine can do at best, in seconds on standard output.
 *
 *   floors pingpong BYTES TIMES   one round trip between two processes over a socket pair
 *   floors memcpy BYTES           one copy into memory that is not fresh
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "pingpong") == 0)
    printf("%.9f\n", pingpong(atol(argv[2]), atol(argv[3])));
  else if (argc == 3 && strcmp(argv[1], "memcpy") == 0)
    printf("%.9f\n", copy(atol(argv[2])));
  else
    return 2;
  return 0;
}
