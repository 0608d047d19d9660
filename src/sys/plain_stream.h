#pragma once

#include "sys/byte_stream.h"
#include "sys/fd.h"

namespace avenir::sys {

// The bytes of a connected socket as they are. For both ends on one machine, and for tests.
class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(OwnFd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }
  IoStatus read(uint8_t* target, size_t room, size_t& moved) override;
  IoStatus write(const uint8_t* data, size_t size, size_t& moved) override;
  bool has_buffered() const override { return false; }
  void abandon() override { socket_.reset(); }

 private:
  OwnFd socket_;
};

}  // namespace avenir::sys
