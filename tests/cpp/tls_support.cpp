#ifndef AVENIR_NO_TLS

#include "tls_support.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "net/tcp.h"

namespace avenir::testing {

using base::Deadline;
using net::Key;
using sys::IoStatus;

namespace {

constexpr size_t kHeader = 5;

// False when the deadline passes first.
bool wait_for(int fd, short what) {
  const auto deadline = Deadline::in_seconds(kPatience);
  pollfd polled{fd, what, 0};
  while (::poll(&polled, 1, deadline.poll_timeout_ms()) <= 0)
    if (deadline.passed()) return false;
  return true;
}

}  // namespace

TlsSession::TlsSession(std::map<std::string, Key> keys, net::Listener::Limits limits) : keys_(std::move(keys)) {
  keys_["good"] = good_key;
  net::Listener::Callbacks callbacks;
  callbacks.key_of = [this](const std::string& identity) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++asked_;
    const auto found = keys_.find(identity);
    return found == keys_.end() ? std::nullopt : std::make_optional(found->second);
  };
  callbacks.joined = [this](const std::string& identity, Stream stream) {
    std::lock_guard<std::mutex> lock(mutex_);
    keys_.erase(identity);
    joined_[identity] = std::move(stream);
    ++joins_;
    changed_.notify_all();
  };
  listener = std::make_unique<net::Listener>("127.0.0.1", 0, std::move(callbacks), limits);
}

Stream TlsSession::connect(const std::string& identity, const Key& key) const {
  return net::connect("127.0.0.1", port(), identity, key, Deadline::in_seconds(kPatience));
}

Stream TlsSession::joined(const std::string& identity) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool there =
      changed_.wait_for(lock, std::chrono::duration<double>(kPatience), [&] { return joined_.count(identity) == 1; });
  if (!there) return nullptr;
  Stream stream = std::move(joined_[identity]);
  joined_.erase(identity);
  return stream;
}

std::pair<Stream, Stream> TlsSession::join(const std::string& identity) {
  const Key key = net::random_key();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    keys_[identity] = key;
  }
  Stream node = connect(identity, key);
  return {std::move(node), joined(identity)};
}

size_t TlsSession::joined_count() {
  std::lock_guard<std::mutex> lock(mutex_);
  return joins_;
}

size_t TlsSession::asked_count() {
  std::lock_guard<std::mutex> lock(mutex_);
  return asked_;
}

bool TlsSession::eventually_refused(uint64_t count) {
  return eventually([&] { return listener->counts().refused + listener->counts().timed_out >= count; });
}

bool TlsSession::still_accepts() {
  auto [node, session] = join("extra");
  return node && session && exchange_words(*node, *session);
}

sys::OwnFd tcp_connect(uint16_t port) { return net::connect_to("127.0.0.1", port, Deadline::in_seconds(kPatience)); }

bool send_bytes(int fd, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t sent = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent > 0) done += static_cast<size_t>(sent);
    if (sent < 0 && (errno != EAGAIN || !wait_for(fd, POLLOUT))) return false;
  }
  return true;
}

bool read_exactly(int fd, std::string& bytes, size_t size) {
  bytes.assign(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::recv(fd, &bytes[done], size - done, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got > 0) done += static_cast<size_t>(got);
    if (got < 0 && !wait_for(fd, POLLIN)) return false;
  }
  return true;
}

bool eventually_closed(int fd) {
  char thrown_away[4096];
  for (;;) {
    const ssize_t got = ::recv(fd, thrown_away, sizeof thrown_away, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    if (got < 0 && !wait_for(fd, POLLIN)) return false;
  }
}

bool write_stream(sys::ByteStream& stream, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    size_t moved = 0;
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data()) + done;
    const IoStatus status = stream.write(data, std::min<size_t>(bytes.size() - done, 1 << 20), moved);
    if (status == IoStatus::kClosed) return false;
    done += moved;
    if (status == IoStatus::kWouldBlock && !wait_for(stream.fd(), POLLOUT)) return false;
  }
  return true;
}

namespace {

// What `stream` gives, up to `size` bytes; less when it closes or nothing comes in time.
std::string receive(sys::ByteStream& stream, size_t size) {
  std::string bytes;
  std::vector<uint8_t> buffer(std::min<size_t>(size, 1 << 20));
  while (bytes.size() < size) {
    size_t moved = 0;
    const IoStatus status = stream.read(buffer.data(), std::min(buffer.size(), size - bytes.size()), moved);
    bytes.append(reinterpret_cast<const char*>(buffer.data()), moved);
    if (status == IoStatus::kClosed) break;
    if (status == IoStatus::kWouldBlock && (stream.has_buffered() || !wait_for(stream.fd(), POLLIN))) break;
  }
  return bytes;
}

}  // namespace

bool read_stream(sys::ByteStream& stream, std::string& bytes, size_t size) {
  bytes = receive(stream, size);
  return bytes.size() == size;
}

std::string read_to_end(sys::ByteStream& stream) { return receive(stream, SIZE_MAX); }

bool eventually_closed(sys::ByteStream& stream) {
  uint8_t buffer[4096];
  size_t moved = 0;
  for (;;) {
    const IoStatus status = stream.read(buffer, sizeof buffer, moved);
    if (status == IoStatus::kClosed) return true;
    if (status == IoStatus::kWouldBlock && !wait_for(stream.fd(), POLLIN)) return false;
  }
}

std::string patterned(size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = 1;
  for (size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) state = state * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = static_cast<char>(state >> (8 * (i % 8)));
  }
  return bytes;
}

bool exchange_words(sys::ByteStream& one, sys::ByteStream& other) {
  std::string there, back;
  return write_stream(one, "there") && read_stream(other, there, 5) && there == "there" &&
         write_stream(other, "back") && read_stream(one, back, 4) && back == "back";
}

FakeServer::FakeServer(std::function<void(sys::OwnFd)> serve) : listening_(net::listen_on("127.0.0.1", port_)) {
  thread_ = std::thread([this, serve] {
    sys::OwnFd connection;
    if (!wait_for(listening_.get(), POLLIN)) return;
    if (net::accept_next(listening_.get(), connection) == net::AcceptResult::kAccepted) serve(std::move(connection));
  });
}

FakeServer::~FakeServer() { thread_.join(); }

std::string first_flight(const std::string& identity, const Key& key) {
  std::string flight;
  {
    FakeServer server([&](sys::OwnFd connection) {
      std::string header, body;
      if (!read_exactly(connection.get(), header, kHeader)) return;
      const size_t size = static_cast<uint8_t>(header[3]) << 8 | static_cast<uint8_t>(header[4]);
      if (read_exactly(connection.get(), body, size)) flight = header + body;
    });
    error_kind_of([&] { net::connect("127.0.0.1", server.port(), identity, key, Deadline::in_seconds(kPatience)); });
  }
  return flight;
}

Relay::Relay(uint16_t session_port, Change change) : session_port_(session_port), change_(std::move(change)) {
  server_ = std::make_unique<FakeServer>([this](sys::OwnFd node) {
    const sys::OwnFd session = tcp_connect(session_port_);
    size_t from_node = 0, from_session = 0;
    bool open = true;
    const auto deadline = Deadline::in_seconds(kPatience);
    while (open && !deadline.passed()) {
      pollfd polled[2] = {{node.get(), POLLIN, 0}, {session.get(), POLLIN, 0}};
      if (::poll(polled, 2, deadline.poll_timeout_ms()) <= 0) continue;
      if (polled[0].revents != 0) pass(node.get(), session.get(), true, from_node, open);
      if (open && polled[1].revents != 0) pass(session.get(), node.get(), false, from_session, open);
    }
  });
}

Relay::~Relay() { wait(); }

void Relay::wait() { server_.reset(); }

void Relay::pass(int from, int to, bool to_session, size_t& index, bool& open) {
  std::string header, body;
  open = false;
  if (!read_exactly(from, header, kHeader)) return;
  const size_t size = static_cast<uint8_t>(header[3]) << 8 | static_cast<uint8_t>(header[4]);
  if (!read_exactly(from, body, size)) return;
  const auto records = change_(to_session, index++, header + body);
  if (!records) return;
  for (const std::string& record : *records) {
    if (to_session) to_session_ += record;
    if (!send_bytes(to, record)) return;
  }
  open = true;
}

}  // namespace avenir::testing

#endif
