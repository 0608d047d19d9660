#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "sys/fd.h"
#include "sys/socket_pair.h"

namespace avenir::net {

// The descriptor of a connection, shared with whoever must close it in a fork's child while another object is between
// two owners. -1 once it is closed.
using SharedDescriptor = std::shared_ptr<std::atomic<int>>;

// A TCP socket as TLS uses it: asked for a record's header and then for its body, given one record at a time.
//
// Reading a header takes what has arrived behind it as well, reading a body takes the next header: one system call for
// a small message, one a record for large ones, whose bytes go straight to where they are decrypted. What the system
// does not take is kept (a record at most), so that a record that was begun is always finished. Never blocks, no
// SIGPIPE.
class RecordSocket {
 public:
  explicit RecordSocket(sys::OwnFd fd);
  ~RecordSocket() { close(); }
  RecordSocket(const RecordSocket&) = delete;
  RecordSocket& operator=(const RecordSocket&) = delete;

  int fd() const { return *fd_; }
  const SharedDescriptor& descriptor() const { return fd_; }
  void close();

  sys::IoResult take(uint8_t* target, size_t size);
  // All of it is sent or kept, or (kWouldBlock) nothing.
  sys::IoStatus put(const uint8_t* data, size_t size);
  // Sends what is kept; kDone when nothing is left.
  sys::IoStatus flush();
  bool keeps_output() const { return kept_begin_ < kept_end_; }

  // Reads ahead only; kDone: something came.
  sys::IoStatus fill();
  const uint8_t* ahead() const { return ahead_.data() + ahead_begin_; }
  size_t ahead_size() const { return ahead_end_ - ahead_begin_; }
  uint64_t received() const { return received_; }

 private:
  sys::IoResult receive(uint8_t* target, size_t size, size_t ahead);
  size_t send_now(const uint8_t* data, size_t size);

  SharedDescriptor fd_;
  bool broken_ = false;
  uint64_t received_ = 0;
  std::array<uint8_t, 4096> ahead_;
  size_t ahead_begin_ = 0, ahead_end_ = 0;
  std::array<uint8_t, 20 * 1024> kept_;  // a record of 16 KiB, its frame, and some small ones
  size_t kept_begin_ = 0, kept_end_ = 0;
};

}  // namespace avenir::net
