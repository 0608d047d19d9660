#include "net/record_socket.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace avenir::net {

using sys::IoResult;
using sys::IoStatus;

namespace {

constexpr size_t kRecordHeader = 5;
#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;  // SO_NOSIGPIPE does it there
#endif

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

RecordSocket::RecordSocket(sys::OwnFd fd) : fd_(std::make_shared<std::atomic<int>>(fd.release())) {}

void RecordSocket::close() {
  const int fd = fd_->exchange(-1);
  if (fd >= 0) ::close(fd);
}

IoResult RecordSocket::receive(uint8_t* target, size_t size, size_t ahead) {
  iovec parts[2] = {{target, size}, {ahead_.data(), ahead}};
  msghdr message{};
  message.msg_iov = size > 0 ? parts : parts + 1;
  message.msg_iovlen = size > 0 ? 2 : 1;
  ssize_t got;
  do {
    got = ::recvmsg(fd(), &message, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && would_block()) return {IoStatus::kWouldBlock, 0};
  if (got <= 0) return {IoStatus::kClosed, 0};
  const auto count = static_cast<size_t>(got);
  received_ += count;
  ahead_begin_ = 0;
  ahead_end_ = count > size ? count - size : 0;
  return {IoStatus::kDone, std::min(count, size)};
}

IoResult RecordSocket::take(uint8_t* target, size_t size) {
  if (ahead_size() == 0) return receive(target, size, size <= kRecordHeader ? ahead_.size() : kRecordHeader);
  const size_t count = std::min(size, ahead_size());
  std::memcpy(target, ahead(), count);
  ahead_begin_ += count;
  return {IoStatus::kDone, count};
}

// Only for the first bytes of all: what is there must fit behind one another.
IoStatus RecordSocket::fill() {
  std::memmove(ahead_.data(), ahead(), ahead_size());
  const size_t before = ahead_size();
  if (before == ahead_.size()) return IoStatus::kDone;
  ssize_t got;
  do {
    got = ::recv(fd(), ahead_.data() + before, ahead_.size() - before, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  ahead_begin_ = 0;
  ahead_end_ = before + static_cast<size_t>(std::max<ssize_t>(got, 0));
  if (got > 0) received_ += static_cast<size_t>(got);
  if (got < 0 && would_block()) return IoStatus::kWouldBlock;
  return got > 0 ? IoStatus::kDone : IoStatus::kClosed;
}

size_t RecordSocket::send_now(const uint8_t* data, size_t size) {
  ssize_t sent;
  do {
    sent = ::send(fd(), data, size, kNoSignal | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && !would_block()) broken_ = true;
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

IoStatus RecordSocket::put(const uint8_t* data, size_t size) {
  if (size > kept_.size() - (kept_end_ - kept_begin_)) return IoStatus::kWouldBlock;
  const size_t sent = keeps_output() ? 0 : send_now(data, size);
  if (broken_) return IoStatus::kClosed;
  if (sent == size) return IoStatus::kDone;
  std::memmove(kept_.data(), kept_.data() + kept_begin_, kept_end_ - kept_begin_);
  kept_end_ -= kept_begin_;
  kept_begin_ = 0;
  std::memcpy(kept_.data() + kept_end_, data + sent, size - sent);
  kept_end_ += size - sent;
  return IoStatus::kDone;
}

IoStatus RecordSocket::flush() {
  while (keeps_output()) {
    const size_t sent = send_now(kept_.data() + kept_begin_, kept_end_ - kept_begin_);
    if (broken_) return IoStatus::kClosed;
    if (sent == 0) return IoStatus::kWouldBlock;
    kept_begin_ += sent;
  }
  return broken_ ? IoStatus::kClosed : IoStatus::kDone;
}

}  // namespace avenir::net
