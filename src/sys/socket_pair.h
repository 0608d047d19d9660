#pragma once

#include <cstddef>
#include <vector>

#include "sys/fd.h"

namespace avenir::sys {

// A pair of connected stream sockets: no name, no port, reachable only by those who hold an end.
FdPair make_socket_pair();

enum class IoStatus { kDone, kWouldBlock, kClosed };

struct IoResult {
  IoStatus status;
  size_t bytes;
};

constexpr size_t kMaxFdsPerMessage = 8;

// One send or receive call, with descriptors beside the bytes. No SIGPIPE. Received descriptors are appended
// in the order in which they were sent.
IoResult send_some(int fd, const void* data, size_t size, const std::vector<int>& fds, bool block);
IoResult receive_some(int fd, void* data, size_t size, std::vector<OwnFd>& fds, bool block);

}  // namespace avenir::sys
