#pragma once

// What the tests of encrypted connections need: a session's end that knows some keys, streams with patience, and a man
// in the middle.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/connect.h"
#include "net/listener.h"
#include "net/tls_peer.h"
#include "support.h"
#include "sys/fd.h"

namespace avenir::testing {

using Stream = std::unique_ptr<sys::ByteStream>;

// A listener that accepts each of its identities once.
class TlsSession {
 public:
  explicit TlsSession(std::map<std::string, net::Key> keys, net::Listener::Limits limits = net::Listener::Limits());

  Stream connect(const std::string& identity, const net::Key& key) const;
  // The connection that joined as `identity`; nullptr when none did in time.
  Stream joined(const std::string& identity);
  // One node more: both ends of its connection.
  std::pair<Stream, Stream> join(const std::string& identity);
  size_t joined_count();
  size_t asked_count();
  // As many connections have ended before they had proved themselves.
  bool eventually_refused(uint64_t count);
  bool still_accepts();

  uint16_t port() const { return listener->port(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, net::Key> keys_;
  std::map<std::string, Stream> joined_;
  size_t joins_ = 0, asked_ = 0;

 public:
  const net::Key good_key = net::random_key();  // of the identity "good"
  std::unique_ptr<net::Listener> listener;      // goes first: its thread uses what is above
};

// A TCP connection without TLS; non-blocking.
sys::OwnFd tcp_connect(uint16_t port);
// All of it, with patience; false when the other side is gone.
bool send_bytes(int fd, const std::string& bytes);
bool read_exactly(int fd, std::string& bytes, size_t size);
// The other side closes the connection; what it sends before is thrown away.
bool eventually_closed(int fd);

// False when the stream closes first.
bool write_stream(sys::ByteStream& stream, const std::string& bytes);
bool read_stream(sys::ByteStream& stream, std::string& bytes, size_t size);
bool eventually_closed(sys::ByteStream& stream);
// All that comes until the stream closes.
std::string read_to_end(sys::ByteStream& stream);
// Bytes that differ from place to place.
std::string patterned(size_t size);
bool exchange_words(sys::ByteStream& one, sys::ByteStream& other);

// The first bytes that a node of this identity and key sends.
std::string first_flight(const std::string& identity, const net::Key& key);

// Accepts one connection and runs `serve` on it in a thread; closes it then.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(sys::OwnFd)> serve);
  ~FakeServer();
  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;
  sys::OwnFd listening_;
  std::thread thread_;
};

// Passes TLS records on between a node and a session. `change` sees each (true: towards the session, counted from 0 in
// each direction) and returns what is sent in its place; nullopt cuts the connection.
class Relay {
 public:
  using Records = std::vector<std::string>;
  using Change = std::function<std::optional<Records>(bool to_session, size_t index, const std::string& record)>;
  Relay(uint16_t session_port, Change change);
  ~Relay();
  uint16_t port() const { return server_->port(); }
  // Only when the relay has ended.
  const std::string& sent_to_session() const { return to_session_; }
  void wait();

 private:
  void pass(int from, int to, bool to_session, size_t& index, bool& open);

  uint16_t session_port_;
  Change change_;
  std::string to_session_;
  std::unique_ptr<FakeServer> server_;
};

}  // namespace avenir::testing
