/* For LD_PRELOAD: transfers over sockets, pipes and files are cut to 1 to AVENIR_SHORT_BYTES bytes, interrupted (EINTR)
   or, where the call does not block, put off (EAGAIN), each by chance. AVENIR_SHORT_SEED: another seed, other cuts.
   What the system does not do is not done here: datagrams stay whole, and eventfds are read whole. Of R's processes
   only: the shell that starts R takes an interrupted call for an error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned long setting(const char *name, unsigned long usual) {
  const char *text = getenv(name);
  return text ? strtoul(text, NULL, 10) : usual;
}

/* xorshift64*, one a thread. */
static uint64_t draw(void) {
  static __thread uint64_t state;
  static __thread pid_t owner;
  if (state == 0 || owner != getpid()) {
    owner = getpid();
    state = (setting("AVENIR_SHORT_SEED", 1) * 0x9E3779B97F4A7C15u) ^ (uint64_t)owner ^ (uint64_t)(uintptr_t)&state;
    if (state == 0) state = 1;
  }
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (state * 0x2545F4914F6CDD1Du) >> 33;
}

enum kind { OTHER, BLOCKS, GIVES_UP };
enum way { IN, OUT };

static int socket_option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* What has arrived on a local socket is there: only of others may a receiver be put off. */
static enum kind kind_of(int fd, int flags, enum way way) {
  struct stat facts;
  const int before = errno;
  enum kind kind = OTHER;
  if (fd > 2 && fstat(fd, &facts) == 0 &&
      (S_ISSOCK(facts.st_mode) || S_ISFIFO(facts.st_mode) || S_ISREG(facts.st_mode))) {
    const int is_socket = S_ISSOCK(facts.st_mode);
    const int is_stream = !is_socket || socket_option(fd, SO_TYPE) == SOCK_STREAM;
    const int waits = S_ISREG(facts.st_mode) || ((flags & MSG_DONTWAIT) == 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
    const int gives_up = !waits && (way == OUT || (is_socket && socket_option(fd, SO_DOMAIN) != AF_UNIX));
    if (is_stream) kind = gives_up ? GIVES_UP : BLOCKS;
  }
  errno = before;
  return kind;
}

/* 0: the call fails, errno says why; else how many bytes it may move. */
static size_t allowed(int fd, int flags, enum way way, size_t size) {
  const int is_r = strcmp(program_invocation_short_name, "R") == 0;
  const enum kind kind = size == 0 || !is_r ? OTHER : kind_of(fd, flags, way);
  if (kind == OTHER) return size ? size : 1;
  const uint64_t chance = draw() % 100;
  if (chance < 15) errno = EINTR;
  if (chance >= 15 && chance < 25 && kind == GIVES_UP) errno = EAGAIN;
  if (chance < 15 || (chance < 25 && kind == GIVES_UP)) return 0;
  /* Now and then many, or large objects would take for ever. */
  const size_t most = chance < 50 ? setting("AVENIR_SHORT_BYTES", 7) : 65536 + draw() % 65536;
  const size_t cut = 1 + draw() % most;
  return cut < size ? cut : size;
}

#define REAL(name, way)                                         \
  static __typeof__(&name) real;                                \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
  const size_t most = allowed(fd, flags, way, size);            \
  if (most == 0) return -1;                                     \
  if (most < size) size = most

ssize_t read(int fd, void *data, size_t size) {
  const int flags = 0;
  REAL(read, IN);
  return real(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
  const int flags = 0;
  REAL(write, OUT);
  return real(fd, data, size);
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
  REAL(recv, IN);
  return real(fd, data, size, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  REAL(send, OUT);
  return real(fd, data, size, flags);
}

ssize_t pread(int fd, void *data, size_t size, off_t at) {
  const int flags = 0;
  REAL(pread, IN);
  return real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  const int flags = 0;
  REAL(pwrite, OUT);
  return real(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
  const int flags = 0;
  REAL(pread64, IN);
  return real(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  const int flags = 0;
  REAL(pwrite64, OUT);
  return real(fd, data, size, at);
}

ssize_t sendfile(int out, int fd, off_t *at, size_t size) {
  const int flags = 0;
  REAL(sendfile, OUT);
  return real(out, fd, at, size);
}

ssize_t splice(int fd, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  REAL(splice, OUT);
  return real(fd, from, out, to, size, flags);
}

ssize_t copy_file_range(int fd, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  REAL(copy_file_range, OUT);
  return real(fd, from, out, to, size, flags);
}

/* Of several parts the first is moved, as far as may be. */
ssize_t readv(int fd, const struct iovec *parts, int count) {
  return count > 0 ? read(fd, parts->iov_base, parts->iov_len) : 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return count > 0 ? write(fd, parts->iov_base, parts->iov_len) : 0;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  size_t size = message->msg_iovlen > 0 ? message->msg_iov->iov_len : 0;
  REAL(recvmsg, IN);
  struct iovec part = {message->msg_iovlen > 0 ? message->msg_iov->iov_base : NULL, size};
  struct iovec *const parts = message->msg_iov;
  const size_t count = message->msg_iovlen;
  if (count > 0) {
    message->msg_iov = &part;
    message->msg_iovlen = 1;
  }
  const ssize_t got = real(fd, message, flags);
  message->msg_iov = parts;
  message->msg_iovlen = count;
  return got;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  size_t size = message->msg_iovlen > 0 ? message->msg_iov->iov_len : 0;
  REAL(sendmsg, OUT);
  struct iovec part = {message->msg_iovlen > 0 ? message->msg_iov->iov_base : NULL, size};
  struct msghdr cut = *message;
  if (cut.msg_iovlen > 0) {
    cut.msg_iov = &part;
    cut.msg_iovlen = 1;
  }
  return real(fd, &cut, flags);
}
