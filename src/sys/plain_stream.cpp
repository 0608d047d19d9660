#include "sys/plain_stream.h"

#include <vector>

#include "sys/socket_pair.h"

namespace avenir::sys {

IoStatus PlainStream::read(uint8_t* target, size_t room, size_t& moved) {
  std::vector<OwnFd> none;  // whatever is sent along is closed
  const IoResult got = receive_some(socket_.get(), target, room, none, false);
  moved = got.bytes;
  return got.status;
}

IoStatus PlainStream::write(const uint8_t* data, size_t size, size_t& moved) {
  const IoResult sent = send_some(socket_.get(), data, size, {}, false);
  moved = sent.bytes;
  return sent.status;
}

}  // namespace avenir::sys
