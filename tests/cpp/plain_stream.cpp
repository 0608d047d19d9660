#include "plain_stream.h"

#include <vector>

#include "sys/socket_pair.h"

namespace avenir::testing {

sys::IoStatus PlainStream::read(uint8_t* target, size_t room, size_t& moved) {
  std::vector<sys::OwnFd> none;  // whatever is sent along is closed
  const sys::IoResult got = sys::receive_some(socket_.get(), target, room, none, false);
  moved = got.bytes;
  return got.status;
}

sys::IoStatus PlainStream::write(const uint8_t* data, size_t size, size_t& moved) {
  const sys::IoResult sent = sys::send_some(socket_.get(), data, size, {}, false);
  moved = sent.bytes;
  return sent.status;
}

}  // namespace avenir::testing
