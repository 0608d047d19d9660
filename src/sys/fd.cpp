#include "sys/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/error.h"
#ifndef AVENIR_PORTABLE
#include <sys/eventfd.h>
#endif

namespace avenir::sys {

OwnFd& OwnFd::operator=(OwnFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void OwnFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
    base::raise_system_error("making a descriptor non-blocking");
}

OwnFd duplicate(const OwnFd& fd) {
  OwnFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) base::raise_system_error("duplicating a descriptor");
  return copy;
}

bool write_all(int fd, const void* data, size_t size) {
  const auto* at = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
    if (written < 0) base::raise_system_error("writing to a descriptor");
    at += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

bool read_all(int fd, void* data, size_t size) {
  auto* at = static_cast<uint8_t*>(data);
  while (size > 0) {
    const ssize_t got = ::read(fd, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return false;
    if (got < 0) base::raise_system_error("reading from a descriptor");
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

#ifdef AVENIR_PORTABLE

WakeUp::WakeUp() {
  int ends[2];
  if (::pipe(ends) < 0) base::raise_system_error("making a pipe");
  reader_ = OwnFd(ends[0]);
  writer_ = OwnFd(ends[1]);
  for (const int fd : ends) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    set_nonblocking(fd);
  }
}

void WakeUp::wake() {
  const char byte = 1;
  // A full pipe means that a wake is waiting already.
  while (::write(writer_.get(), &byte, 1) < 0 && errno == EINTR) {
  }
}

void WakeUp::drain() {
  char bytes[256];
  while (::read(reader_.get(), bytes, sizeof bytes) > 0) {
  }
}

#else

WakeUp::WakeUp() : reader_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!reader_.valid()) base::raise_system_error("making an eventfd");
}

void WakeUp::wake() {
  const uint64_t one = 1;
  while (::write(reader_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void WakeUp::drain() {
  uint64_t count;
  while (::read(reader_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
}

#endif

void WakeUp::close() {
  reader_.reset();
  writer_.reset();
}

}  // namespace avenir::sys
