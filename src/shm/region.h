#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "sys/fd.h"
#include "sys/memory_file.h"

namespace avenir::shm {

// Bytes of this size and more travel as a sealed memory file instead of through the socket.
constexpr size_t kLargePayload = 256 * 1024;

// Copies the bytes into a sealed memory file.
sys::OwnFd publish(const void* data, size_t size, const std::string& label);

// The first `size` bytes of a memory file that came from another process, mapped read-only and unmapped with
// the last view. A file that is shorter is refused: reading past its end would be a SIGBUS.
base::SharedBytes attach(const sys::OwnFd& fd, size_t size);

}  // namespace avenir::shm
