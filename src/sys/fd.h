#pragma once

#include <cstddef>
#include <utility>

namespace avenir::sys {

// Owns one descriptor and closes it once. Every descriptor made in this room is close-on-exec.
class OwnFd {
 public:
  OwnFd() = default;
  explicit OwnFd(int fd) : fd_(fd) {}
  OwnFd(OwnFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnFd& operator=(OwnFd&& other) noexcept;
  OwnFd(const OwnFd&) = delete;
  OwnFd& operator=(const OwnFd&) = delete;
  ~OwnFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset();
  // Gives the descriptor away unclosed. Only for handing it to something that owns it from here on.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

struct FdPair {
  OwnFd first, second;
};

void set_nonblocking(int fd);

// Another descriptor for the same open file.
OwnFd duplicate(const OwnFd& fd);

// Writes or reads all of it on a blocking descriptor; false at the other side's end. Errors throw.
bool write_all(int fd, const void* data, size_t size);
bool read_all(int fd, void* data, size_t size);

// Wakes a thread that polls the descriptor. Any thread and any number of wakes; one drain takes them all.
class WakeUp {
 public:
  WakeUp();
  int fd() const { return reader_.get(); }
  void wake();
  void drain();
  void close();

 private:
  OwnFd reader_;
  OwnFd writer_;  // empty with eventfd, where one descriptor does both
};

}  // namespace avenir::sys
