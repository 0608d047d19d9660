#include "sys/socket_pair.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace avenir::sys {

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;
#endif
#ifdef MSG_CMSG_CLOEXEC
constexpr int kCloseOnExec = MSG_CMSG_CLOEXEC;
#else
constexpr int kCloseOnExec = 0;
#endif

void take_fds(msghdr& message, std::vector<OwnFd>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      if (kCloseOnExec == 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      fds.emplace_back(fd);
    }
  }
}

IoResult failed(const char* tried) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::kWouldBlock, 0};
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return {IoStatus::kClosed, 0};
  base::raise_system_error(tried);
}

}  // namespace

FdPair make_socket_pair() {
  int ends[2];
#ifdef SOCK_CLOEXEC
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) base::raise_system_error("making a socket pair");
#else
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) base::raise_system_error("making a socket pair");
  for (const int fd : ends) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
#ifdef SO_NOSIGPIPE
  const int on = 1;
  for (const int fd : ends) ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return {OwnFd(ends[0]), OwnFd(ends[1])};
}

IoResult send_some(int fd, const void* data, size_t size, const std::vector<int>& fds, bool block) {
  iovec part{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFdsPerMessage)] = {};
  if (fds.size() > kMaxFdsPerMessage)
    throw base::Error(base::ErrorKind::kInternal, "more descriptors than one message takes");
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(fd, &message, kNoSignal | (block ? 0 : MSG_DONTWAIT));
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return failed("sending to a socket");
  return {IoStatus::kDone, static_cast<size_t>(sent)};
}

IoResult receive_some(int fd, void* data, size_t size, std::vector<OwnFd>& fds, bool block) {
  iovec part{data, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFdsPerMessage)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = ::recvmsg(fd, &message, kCloseOnExec | (block ? 0 : MSG_DONTWAIT));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return failed("receiving from a socket");
  take_fds(message, fds);
  if ((message.msg_flags & MSG_CTRUNC) != 0) base::raise_system_error("receiving a descriptor", EMFILE);
  if (got == 0) return {IoStatus::kClosed, 0};
  return {IoStatus::kDone, static_cast<size_t>(got)};
}

}  // namespace avenir::sys
