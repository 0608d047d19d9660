#ifndef AVENIR_NO_TLS

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>

#include "net/tcp.h"
#include "tls_support.h"

using namespace avenir;
using namespace avenir::testing;
using avenir::base::Deadline;
using avenir::base::ErrorKind;
using avenir::net::Key;
using avenir::sys::IoStatus;

namespace {

const Key kNodeKey = net::random_key();

net::TlsPeer& as_peer(const Stream& stream) { return dynamic_cast<net::TlsPeer&>(*stream); }

Deadline patience() { return Deadline::in_seconds(kPatience); }

// Bytes through `from` to `to`, whole and in order.
void check_transfer(sys::ByteStream& from, sys::ByteStream& to, const std::string& bytes) {
  std::string got;
  auto writing = std::async(std::launch::async, [&] { return write_stream(from, bytes); });
  CHECK(read_stream(to, got, bytes.size()));
  CHECK(writing.get());
  CHECK((got == bytes));
}

// Writes the same pattern until the socket takes no more; how many bytes have counted as moved.
size_t fill_socket(sys::ByteStream& stream, const std::string& bytes) {
  size_t done = 0, moved = 0;
  while (done < bytes.size()) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data()) + done;
    if (stream.write(data, bytes.size() - done, moved) != IoStatus::kDone) break;
    done += moved;
  }
  return done;
}

}  // namespace

TEST_CASE("a node with the key joins, and both sides speak") {
  TlsSession session({{"plan/1/0/0", kNodeKey}});
  const Stream node = session.connect("plan/1/0/0", kNodeKey);
  const Stream other = session.joined("plan/1/0/0");
  REQUIRE(other);
  CHECK(exchange_words(*node, *other));
  CHECK(session.listener->counts().accepted == 1);
  CHECK(session.asked_count() == 1);
}

TEST_CASE("large data arrives whole in both directions at once") {
  TlsSession session({});
  auto [node, other] = session.join("big");
  REQUIRE(other);
  const std::string there = patterned(80 << 20), back = patterned((80 << 20) + 1);
  // One thread a stream: it reads and writes in turn, as the engine does.
  const auto both = [](sys::ByteStream& stream, const std::string& out, size_t size) {
    std::string in(size, '\0');
    size_t sent = 0, got = 0, moved = 0;
    while (sent < out.size() || got < size) {
      const size_t before = sent + got;
      if (sent < out.size()) {
        const auto* data = reinterpret_cast<const uint8_t*>(out.data()) + sent;
        if (stream.write(data, out.size() - sent, moved) == IoStatus::kClosed) break;
        sent += moved;
      }
      if (stream.read(reinterpret_cast<uint8_t*>(&in[got]), size - got, moved) == IoStatus::kClosed) break;
      got += moved;
      if (sent + got > before || stream.has_buffered()) continue;
      if (!net::wait_for_socket(stream.fd(), sent < out.size(), patience())) break;
    }
    return in;
  };
  auto far = std::async(std::launch::async, [&, stream = node.get()] { return both(*stream, there, back.size()); });
  const bool right = both(*other, back, there.size()) == there;
  CHECK(right);
  CHECK((far.get() == back));
}

TEST_CASE("messages of every small size arrive") {
  TlsSession session({});
  auto [node, other] = session.join("small");
  std::string got;
  for (size_t size = 1; size < 200; ++size) {
    const std::string message = patterned(size);
    REQUIRE(write_stream(*node, message));
    REQUIRE(read_stream(*other, got, size));
    REQUIRE(got == message);
  }
}

TEST_CASE("sizes around a record's arrive, and readers of any size get them") {
  TlsSession session({});
  auto [node, other] = session.join("edges");
  for (const size_t size : {16383u, 16384u, 16385u, 32768u, 100000u}) check_transfer(*node, *other, patterned(size));
  const std::string message = patterned(50000);
  REQUIRE(write_stream(*other, message));
  std::string all, part;
  for (size_t left = message.size(), step = 1; left > 0; left -= step, ++step) {
    step = std::min(step, left);
    REQUIRE(read_stream(*node, part, step));
    all += part;
  }
  CHECK((all == message));
}

TEST_CASE("what comes right behind the handshake is not lost to a waiting reader") {
  for (int i = 0; i < 20; ++i) {
    TlsSession session({{"eager", kNodeKey}});
    const Stream node = session.connect("eager", kNodeKey);
    REQUIRE(write_stream(*node, "first words"));
    const Stream other = session.joined("eager");
    std::string got;
    CHECK(read_stream(*other, got, 11));
    CHECK(got == "first words");
  }
}

TEST_CASE("a socket that is full says so, and the bytes go on where they stopped") {
  TlsSession session({});
  auto [node, other] = session.join("full");
  const std::string bytes = patterned(64 << 20);
  const size_t done = fill_socket(*node, bytes);
  REQUIRE(done < bytes.size());
  // The retries may be of another size than the attempt that was not taken.
  auto reading = std::async(std::launch::async, [&, stream = other.get()] {
    std::string got;
    read_stream(*stream, got, bytes.size());
    return got;
  });
  size_t at = done, step = 1;
  while (at < bytes.size()) {
    size_t moved = 0;
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data()) + at;
    const IoStatus status = node->write(data, std::min(step, bytes.size() - at), moved);
    REQUIRE(status != IoStatus::kClosed);
    at += moved;
    step = step % 100000 * 3 + 1;
    if (status == IoStatus::kWouldBlock) REQUIRE(net::wait_for_socket(node->fd(), true, patience()));
  }
  const bool right = reading.get() == bytes;
  CHECK(right);
}

TEST_CASE("keys are renewed on the way, in both directions") {
  TlsSession session({});
  auto [node, other] = session.join("renews");
  as_peer(node).renew_keys_every(2);
  as_peer(other).renew_keys_every(3);
  check_transfer(*node, *other, patterned(1 << 20));
  check_transfer(*other, *node, patterned(1 << 20));
  CHECK(exchange_words(*node, *other));
}

TEST_CASE("an end that closes is kClosed at the other, after all that was sent") {
  TlsSession session({});
  auto [node, other] = session.join("closes");
  REQUIRE(write_stream(*node, "last words"));
  node.reset();
  CHECK(read_to_end(*other) == "last words");
  uint8_t byte = 0;
  size_t moved = 1;
  CHECK(other->read(&byte, 1, moved) == IoStatus::kClosed);
  CHECK(moved == 0);
}

TEST_CASE("an end cut off without a goodbye is kClosed, and writing to it raises no signal") {
  TlsSession session({});
  auto [node, other] = session.join("cut");
  ::shutdown(node->fd(), SHUT_RDWR);
  CHECK(eventually_closed(*other));
  const std::string bytes = patterned(1 << 20);
  CHECK_FALSE((write_stream(*other, bytes) && write_stream(*other, bytes)));
}

TEST_CASE("a stream abandoned in a fork's child says nothing to the other side and lives on in the parent") {
  TlsSession session({});
  auto [node, other] = session.join("forks");
  const int code = exit_code_of_child([stream = &node] {
    const int fd = (*stream)->fd();
    (*stream)->abandon();
    stream->reset();
    return is_open(fd) ? 1 : 0;
  });
  CHECK(code == 0);
  CHECK(exchange_words(*node, *other));
}

TEST_CASE("the wrong key is refused on both sides") {
  TlsSession session({{"node", kNodeKey}});
  const std::string message = error_message_of([&] { session.connect("node", net::random_key()); });
  CHECK(message.find("127.0.0.1 port " + std::to_string(session.port())) != std::string::npos);
  CHECK(message.find("refused") != std::string::npos);
  CHECK(error_kind_of([&] { session.connect("node", net::random_key()); }) == ErrorKind::kDisconnected);
  CHECK(session.eventually_refused(2));
  CHECK(session.joined_count() == 0);
  CHECK(session.connect("node", kNodeKey));  // a wrong key does not use the identity up
}

TEST_CASE("the right key under another identity is refused, in the same words") {
  TlsSession session({{"node", kNodeKey}});
  const std::string wrong_key = error_message_of([&] { session.connect("node", net::random_key()); });
  const std::string wrong_name = error_message_of([&] { session.connect("other", kNodeKey); });
  CHECK(wrong_key == wrong_name);
  CHECK(session.joined_count() == 0);
}

TEST_CASE("an identity joins once") {
  TlsSession session({{"node", kNodeKey}});
  const Stream node = session.connect("node", kNodeKey);
  const Stream other = session.joined("node");
  CHECK(error_kind_of([&] { session.connect("node", kNodeKey); }) == ErrorKind::kDisconnected);
  CHECK(exchange_words(*node, *other));
  CHECK(session.joined_count() == 1);
}

TEST_CASE("of two connections half-open with one identity and key only the first to finish joins") {
  TlsSession session({{"node", kNodeKey}});
  const sys::OwnFd other = tcp_connect(session.port());
  send_bytes(other.get(), first_flight("node", kNodeKey));
  REQUIRE(eventually([&] { return session.asked_count() == 1; }));
  const Stream node = session.connect("node", kNodeKey);
  REQUIRE(session.joined("node"));
  CHECK(eventually_closed(other.get()));
  CHECK(session.asked_count() == 2);
  CHECK(session.joined_count() == 1);
  CHECK(session.listener->counts().refused == 1);
}

TEST_CASE("a node of one plan cannot join another") {
  const Key secret_a = net::random_key(), secret_b = net::random_key();
  TlsSession a({{"a/g/0/0", net::derive(secret_a, "a/g/0/0")}}), b({{"b/g/0/0", net::derive(secret_b, "b/g/0/0")}});
  CHECK(error_kind_of([&] { b.connect("a/g/0/0", net::derive(secret_a, "a/g/0/0")); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { b.connect("b/g/0/0", net::derive(secret_a, "b/g/0/0")); }) == ErrorKind::kDisconnected);
  CHECK(b.joined_count() == 0);
  CHECK(a.connect("a/g/0/0", net::derive(secret_a, "a/g/0/0")));
}

TEST_CASE("callbacks that throw refuse the peer and nobody else") {
  net::Listener::Callbacks callbacks;
  callbacks.key_of = [](const std::string& identity) -> std::optional<Key> {
    if (identity == "asks") throw base::Error(ErrorKind::kInternal, "made up");
    return kNodeKey;
  };
  callbacks.joined = [](const std::string&, Stream) { throw base::Error(ErrorKind::kInternal, "made up"); };
  const net::Listener listener("127.0.0.1", 0, callbacks);
  const auto connect = [&](const char* name) {
    return net::connect("127.0.0.1", listener.port(), name, kNodeKey, patience());
  };
  CHECK(error_kind_of([&] { connect("asks"); }) == ErrorKind::kDisconnected);
  for (int i = 0; i < 2; ++i) CHECK(eventually_closed(*connect("joins")));
}

TEST_CASE("the listener's thread runs no signal handler") {
  sigset_t seen;
  ::sigemptyset(&seen);
  net::Listener::Callbacks callbacks;
  callbacks.key_of = [&](const std::string&) -> std::optional<Key> {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &seen);
    return std::nullopt;
  };
  {
    const net::Listener listener("127.0.0.1", 0, callbacks);
    error_kind_of([&] { net::connect("127.0.0.1", listener.port(), "x", kNodeKey, patience()); });
  }
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGPIPE}) CHECK(::sigismember(&seen, signal) == 1);
}

TEST_CASE("where it cannot listen it names address and port") {
  TlsSession session({});
  const auto listen = [](const std::string& address, uint16_t port) {
    net::Listener(address, port, net::Listener::Callbacks());
  };
  const std::string taken = error_message_of([&] { listen("127.0.0.1", session.port()); });
  CHECK(taken.find("127.0.0.1 port " + std::to_string(session.port())) != std::string::npos);
  CHECK(error_kind_of([&] { listen("127.0.0.1", session.port()); }) == ErrorKind::kOverloaded);
  CHECK(error_kind_of([&] { listen("192.0.2.1", 0); }) == ErrorKind::kInvalid);
  CHECK(error_kind_of([&] { listen("no such host", 0); }) == ErrorKind::kInvalid);
}

TEST_CASE("connecting to nobody says what is wrong with which host and port") {
  uint16_t port = 0;
  net::listen_on("127.0.0.1", port);  // closed at once
  const auto connect = [](const std::string& host, uint16_t to, const std::string& identity) {
    return net::connect(host, to, identity, kNodeKey, patience());
  };
  const std::string message = error_message_of([&] { connect("127.0.0.1", port, "x"); });
  CHECK(message.find("127.0.0.1 port " + std::to_string(port)) != std::string::npos);
  CHECK(message.find("nothing listens there") != std::string::npos);
  CHECK(error_kind_of([&] { connect("127.0.0.1", port, "x"); }) == ErrorKind::kDisconnected);
  CHECK(error_message_of([&] { connect("no such host", 1, "x"); }).find("'no such host'") != std::string::npos);
  CHECK(error_kind_of([&] { connect("127.0.0.1", 0, "x"); }) == ErrorKind::kInvalid);
}

TEST_CASE("an identity that is none is our caller's error") {
  TlsSession session({});
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a\n"), std::string(257, 'a')})
    CHECK(error_kind_of([&] { session.connect(bad, kNodeKey); }) == ErrorKind::kInvalid);
  CHECK(session.join(std::string(256, 'a')).second);
}

TEST_CASE("a server that never answers is a time-out") {
  FakeServer server([](sys::OwnFd connection) { eventually_closed(connection.get()); });
  CHECK(error_kind_of([&] { net::connect("127.0.0.1", server.port(), "x", kNodeKey, Deadline::in_seconds(0.05)); }) ==
        ErrorKind::kTimeout);
}

TEST_CASE("connections send at once, are kept alive, and their time limit can be set") {
  TlsSession session({});
  auto [node, other] = session.join("options");
  for (const Stream* stream : {&node, &other}) {
    const int fd = (*stream)->fd();
    net::set_user_timeout(fd, 1.5);
    const auto option = [&](int level, int name) {
      int value = 0;
      socklen_t size = sizeof value;
      ::getsockopt(fd, level, name, &value, &size);
      return value;
    };
    CHECK(option(IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
#ifdef TCP_USER_TIMEOUT
    CHECK(option(IPPROTO_TCP, TCP_USER_TIMEOUT) == 1500);
#endif
  }
}

TEST_CASE("a fork's child has none of the listener's descriptors, and the parent goes on") {
  const auto before = open_fds();
  TlsSession session({});
  const sys::OwnFd silent = tcp_connect(session.port());
  REQUIRE(eventually([&] { return session.listener->half_open() == 1; }));
  const int code = exit_code_of_child([&] {
    std::set<int> left = open_fds();
    left.erase(silent.get());
    return left == before ? 0 : 1;
  });
  CHECK(code == 0);
  CHECK(session.still_accepts());
}

TEST_CASE("the listener of a fork's child ends there without a wait, and leaves the parent's alone") {
  auto session = std::make_unique<TlsSession>(std::map<std::string, Key>());
  const sys::OwnFd silent = tcp_connect(session->port());
  REQUIRE(eventually([&] { return session->listener->half_open() == 1; }));
  CHECK(exit_code_of_child([&] {
          session->listener.reset();
          return 0;
        }) == 0);
  CHECK(session->listener->half_open() == 1);
  CHECK(session->still_accepts());
}

TEST_CASE("a connection that is being handed over does not stay open in a fork's child") {
  std::atomic<int> code{-1};
  net::Listener::Callbacks callbacks;
  callbacks.key_of = [](const std::string&) { return kNodeKey; };
  callbacks.joined = [&](const std::string&, Stream stream) {
    const int fd = stream->fd();
    code = exit_code_of_child([&] { return is_open(fd) ? 1 : 0; });
  };
  const net::Listener listener("127.0.0.1", 0, callbacks);
  const Stream node = net::connect("127.0.0.1", listener.port(), "x", kNodeKey, patience());
  CHECK(eventually([&] { return code >= 0; }));
  CHECK(code == 0);
  CHECK(eventually_closed(*node));
}

TEST_CASE("a listener with half-open connections ends at once and closes them") {
  const auto before = open_fds();
  std::vector<sys::OwnFd> silent;
  {
    TlsSession session({});
    for (int i = 0; i < 5; ++i) silent.push_back(tcp_connect(session.port()));
    send_bytes(silent[0].get(), first_flight("good", session.good_key));
    REQUIRE(eventually([&] { return session.listener->half_open() == 5; }));
  }
  for (const sys::OwnFd& fd : silent) CHECK(eventually_closed(fd.get()));
  silent.clear();
  CHECK(open_fds() == before);
}

#endif
