#pragma once

#include "sys/byte_stream.h"
#include "sys/fd.h"

namespace avenir::testing {

// The bytes of a connected socket as they are.
class PlainStream final : public sys::ByteStream {
 public:
  explicit PlainStream(sys::OwnFd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }
  sys::IoStatus read(uint8_t* target, size_t room, size_t& moved) override;
  sys::IoStatus write(const uint8_t* data, size_t size, size_t& moved) override;
  bool has_buffered() const override { return false; }
  void abandon() override { socket_.reset(); }

 private:
  sys::OwnFd socket_;
};

}  // namespace avenir::testing
