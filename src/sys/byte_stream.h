#pragma once

#include <cstddef>
#include <cstdint>

#include "sys/socket_pair.h"

namespace avenir::sys {

// A connected stream of bytes that never blocks: plain, or encrypted (net/). Who waits for it waits for its descriptor.
//
// One thread at a time.
class ByteStream {
 public:
  ByteStream() = default;
  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  virtual int fd() const = 0;
  // kDone: some bytes were moved, as many as `moved` says. kWouldBlock: wait first. kClosed: the other side is gone,
  // or what it sent is not to be trusted.
  virtual IoStatus read(uint8_t* target, size_t room, size_t& moved) = 0;
  virtual IoStatus write(const uint8_t* data, size_t size, size_t& moved) = 0;
  // Bytes have arrived that the descriptor does not tell of any more: read before waiting.
  virtual bool has_buffered() const = 0;
  // After a fork, in the child: closes the descriptor and says nothing to the other side.
  virtual void abandon() = 0;
};

}  // namespace avenir::sys
