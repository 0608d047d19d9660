#include "net/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace avenir::net {

namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses resolve(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status == 0) return Addresses(found, ::freeaddrinfo);
  const std::string reason = status == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(status);
  throw base::Error(base::ErrorKind::kDisconnected, "the host name '" + host + "' has no address here: " + reason);
}

void set_option(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

// Invalid, with errno, when the system refuses.
sys::OwnFd open_socket(const addrinfo& address) {
  sys::OwnFd fd(::socket(address.ai_family, address.ai_socktype, address.ai_protocol));
  if (!fd.valid()) return fd;
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  sys::set_nonblocking(fd.get());
  return fd;
}

void prepare_connection(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef SO_NOSIGPIPE
  set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
}

uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0)
    base::raise_system_error("reading a socket's port");
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

[[noreturn]] void raise_cannot_listen(const std::string& where, int error_number) {
  const std::string tried = "cannot listen on " + where + ": " + std::strerror(error_number);
  if (error_number == EADDRINUSE)
    throw base::Error(base::ErrorKind::kOverloaded, tried + "; port 0 takes any that is free");
  if (error_number == EADDRNOTAVAIL)
    throw base::Error(base::ErrorKind::kInvalid, tried + "; it must be an address of this machine");
  if (error_number == EACCES)
    throw base::Error(base::ErrorKind::kInvalid, tried + "; ports below 1024 are the system's");
  base::raise_system_error("listening on " + where, error_number);
}

// 0, or the error's number.
int error_of_connection(int fd) {
  int error_number = 0;
  socklen_t size = sizeof error_number;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size) < 0) return errno;
  return error_number;
}

// 0, or the error's number.
int connect_within(const addrinfo& address, base::Deadline deadline, sys::OwnFd& fd) {
  fd = open_socket(address);
  if (!fd.valid()) return errno;
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  pollfd polled{fd.get(), POLLOUT, 0};
  while (::poll(&polled, 1, deadline.poll_timeout_ms()) <= 0)
    if (deadline.passed()) return ETIMEDOUT;
  return error_of_connection(fd.get());
}

// An address that swallows everything leaves time for the next.
base::Deadline share_of(base::Deadline deadline, bool last) {
  if (last) return deadline;
  constexpr int kLongest = 10000;
  const int left = deadline.is_never() ? kLongest : std::min(deadline.poll_timeout_ms() / 2, kLongest);
  return base::Deadline::in_seconds(left / 1000.0);
}

[[noreturn]] void raise_cannot_connect(const std::string& where, int error_number) {
  const std::string tried = "cannot connect to " + where + ": " + std::strerror(error_number);
  switch (error_number) {
    case ETIMEDOUT:
      throw base::Error(base::ErrorKind::kTimeout, tried + "; is a firewall between?");
    case ECONNREFUSED:
      throw base::Error(base::ErrorKind::kDisconnected, tried + "; nothing listens there");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      base::raise_system_error("connecting to " + where, error_number);
    default:
      throw base::Error(base::ErrorKind::kDisconnected, tried);
  }
}

}  // namespace

std::string name_of(const std::string& host, uint16_t port) { return host + " port " + std::to_string(port); }

sys::OwnFd listen_on(const std::string& address, uint16_t& port) {
  const std::string where = name_of(address, port);
  Addresses found(nullptr, ::freeaddrinfo);
  try {
    found = resolve(address, port, AI_PASSIVE);
  } catch (const base::Error& error) {
    throw base::Error(base::ErrorKind::kInvalid, "cannot listen on " + where + ": " + error.what());
  }
  sys::OwnFd fd = open_socket(*found);
  if (!fd.valid()) raise_cannot_listen(where, errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (found->ai_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) < 0 || ::listen(fd.get(), SOMAXCONN) < 0)
    raise_cannot_listen(where, errno);
  port = port_of(fd.get());
  return fd;
}

AcceptResult accept_next(int listener, sys::OwnFd& connection) {
  connection = sys::OwnFd(::accept(listener, nullptr, nullptr));
  if (connection.valid()) {
    ::fcntl(connection.get(), F_SETFD, FD_CLOEXEC);
    sys::set_nonblocking(connection.get());
    prepare_connection(connection.get());
    return AcceptResult::kAccepted;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return AcceptResult::kNone;
  const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  return exhausted ? AcceptResult::kExhausted : AcceptResult::kTryAgain;
}

sys::OwnFd connect_to(const std::string& host, uint16_t port, base::Deadline deadline) {
  const std::string where = name_of(host, port);
  const Addresses found = resolve(host, port, 0);
  int failure = 0;
  for (const addrinfo* address = found.get(); address != nullptr; address = address->ai_next) {
    sys::OwnFd fd;
    failure = connect_within(*address, share_of(deadline, address->ai_next == nullptr), fd);
    if (failure == 0) {
      prepare_connection(fd.get());
      return fd;
    }
    if (deadline.passed()) break;
  }
  raise_cannot_connect(where, failure);
}

bool wait_for_socket(int fd, bool or_write, base::Deadline deadline) {
  pollfd polled{fd, static_cast<short>(POLLIN | (or_write ? POLLOUT : 0)), 0};
  int count;
  do {
    count = ::poll(&polled, 1, deadline.poll_timeout_ms());
    if (count < 0 && errno != EINTR) base::raise_system_error("waiting for a connection");
  } while (count <= 0 && !deadline.passed());
  return count > 0;
}

#ifdef TCP_USER_TIMEOUT
void set_user_timeout(int fd, double seconds) {
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::clamp(seconds, 0.0, 1e6) * 1000));
}
#else
void set_user_timeout(int, double) {}
#endif

// Connecting a datagram's socket only looks the way up.
std::string source_toward(const std::string& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), "9", &hints, &found) != 0) return "";
  const Addresses targets(found, ::freeaddrinfo);
  const sys::OwnFd fd = open_socket(*targets);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  auto* const source = reinterpret_cast<sockaddr*>(&own);
  char text[NI_MAXHOST] = "";
  if (!fd.valid() || ::connect(fd.get(), targets->ai_addr, targets->ai_addrlen) != 0 ||
      ::getsockname(fd.get(), source, &size) != 0)
    return "";
  ::getnameinfo(source, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

}  // namespace avenir::net
