#ifndef AVENIR_NO_TLS

// What those do who have not the key: each is refused, and a node that has it still joins.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/scope.h"
#include "foreign_peer.h"
#include "net/client_hello.h"
#include "net/tcp.h"
#include "tls_support.h"

using namespace avenir;
using namespace avenir::testing;
using avenir::base::Deadline;
using avenir::base::ErrorKind;
using avenir::net::FirstBytes;
using avenir::net::Key;

namespace {

const Key kNodeKey = net::random_key();

Deadline patience() { return Deadline::in_seconds(kPatience); }

std::string refusal_of(uint16_t port) {
  return error_message_of([&] { net::connect("127.0.0.1", port, "good", kNodeKey, patience()); });
}

bool refuses_bytes(TlsSession& session, const std::string& bytes) {
  const sys::OwnFd fd = tcp_connect(session.port());
  send_bytes(fd.get(), bytes);
  ::shutdown(fd.get(), SHUT_WR);
  return eventually_closed(fd.get());
}

Relay::Records as_it_is(const std::string& record) { return {record}; }

// What arrives of 40 messages of 1000 bytes when a relay treats the records behind the handshake so. `what` returns the
// records in the place of one.
std::string relayed(bool to_session,
                    const std::function<std::optional<Relay::Records>(size_t, const std::string&)>& what,
                    const std::string& sent) {
  TlsSession session({{"node", kNodeKey}});
  std::atomic<bool> armed{false};
  size_t first = SIZE_MAX;  // the relay's thread only
  Relay relay(session.port(), [&](bool direction, size_t index, const std::string& record) {
    if (!armed || direction != to_session) return std::make_optional(as_it_is(record));
    if (first == SIZE_MAX) first = index;
    return what(index - first, record);
  });
  Stream node = net::connect("127.0.0.1", relay.port(), "node", kNodeKey, patience());
  Stream other = session.joined("node");
  armed = true;
  Stream& writer = to_session ? node : other;
  Stream& reader = to_session ? other : node;
  for (size_t i = 0; i < sent.size(); i += 1000)
    if (!write_stream(*writer, sent.substr(i, 1000))) break;
  writer.reset();
  return read_to_end(*reader);
}

bool begins_with(const std::string& whole, const std::string& part) {
  return part.size() < whole.size() && whole.compare(0, part.size(), part) == 0;
}

}  // namespace

TEST_CASE("plain bytes of any kind are refused before OpenSSL sees them") {
  TlsSession session({});
  const std::string bad[] = {"GET / HTTP/1.1\r\n\r\n",
                             std::string(100000, '\0'),
                             std::string(100000, '\xff'),
                             "SSH-2.0-OpenSSH_9.2\r\n",
                             std::string("\x80\x2e\x01\x00\x02", 5),
                             "\x16",
                             patterned(5000)};
  for (const std::string& bytes : bad) CHECK(refuses_bytes(session, bytes));
  CHECK(session.eventually_refused(std::size(bad)));
  CHECK(session.asked_count() == 0);
  CHECK(session.still_accepts());
}

TEST_CASE("a client of TLS 1.3 without the key is refused") {
  const SigpipeIgnored quiet;
  TlsSession session({});
  ForeignPeer peer(::TLS_client_method(), tcp_connect(session.port()));
  peer.certify();
  CHECK_FALSE(peer.handshake(::SSL_connect));
  CHECK(session.eventually_refused(1));
  CHECK(session.asked_count() == 0);
  CHECK(session.still_accepts());
}

TEST_CASE("a client of TLS 1.2 is refused") {
  const SigpipeIgnored quiet;
  TlsSession session({});
  ForeignPeer peer(::TLS_client_method(), tcp_connect(session.port()));
  SSL_CTX_set_max_proto_version(peer.context(), TLS1_2_VERSION);
  CHECK_FALSE(peer.handshake(::SSL_connect));
  CHECK(session.eventually_refused(1));
  CHECK(session.still_accepts());
}

TEST_CASE("a server with a certificate instead of the key is not spoken to") {
  const SigpipeIgnored quiet;
  FakeServer server([](sys::OwnFd connection) {
    ForeignPeer peer(::TLS_server_method(), std::move(connection));
    peer.certify();
    peer.handshake(::SSL_accept);
  });
  CHECK(refusal_of(server.port()).find("did not prove") != std::string::npos);
}

TEST_CASE("a server that answers anything, or nothing, is not spoken to") {
  for (const std::string& answer : {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), patterned(3000), std::string()}) {
    FakeServer server([&](sys::OwnFd connection) { send_bytes(connection.get(), answer); });
    CHECK(refusal_of(server.port()) != "");
  }
}

TEST_CASE("a session with another key proves nothing to a node") {
  TlsSession session({{"node", net::random_key()}});
  CHECK(error_kind_of([&] { session.connect("node", kNodeKey); }) == ErrorKind::kDisconnected);
}

TEST_CASE("while 200 connections say nothing a node still joins") {
  net::Listener::Limits limits;
  limits.grace = 0.05;
  TlsSession session({}, limits);
  std::vector<sys::OwnFd> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(tcp_connect(session.port()));
  CHECK(session.still_accepts());
  CHECK(session.listener->half_open() <= limits.half_open);
}

TEST_CASE("one that has shown the key is not closed for those that have not") {
  net::Listener::Limits limits;
  limits.half_open = 4;
  limits.grace = 0;
  TlsSession session({}, limits);
  const sys::OwnFd shown = tcp_connect(session.port());
  send_bytes(shown.get(), first_flight("good", session.good_key));
  REQUIRE(eventually([&] { return session.asked_count() == 1; }));
  std::vector<sys::OwnFd> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(tcp_connect(session.port()));
  REQUIRE(session.eventually_refused(17));
  char answer[4096];
  while (::recv(shown.get(), answer, sizeof answer, 0) > 0) {
  }
  CHECK(errno == EAGAIN);
}

TEST_CASE("a peer that sends a byte now and then is closed when its time is over") {
  net::Listener::Limits limits;
  limits.handshake = 0.3;
  TlsSession session({}, limits);
  const std::string flight = first_flight("good", session.good_key);
  const sys::OwnFd fd = tcp_connect(session.port());
  size_t sent = 0;
  pollfd polled{fd.get(), POLLIN, 0};
  while (sent < flight.size() && ::poll(&polled, 1, 20) == 0 && send_bytes(fd.get(), flight.substr(sent, 1))) ++sent;
  CHECK(sent < flight.size());
  CHECK(eventually([&] { return session.listener->counts().timed_out == 1; }));
  CHECK(session.asked_count() == 0);
}

TEST_CASE("a first message that ends at any of its bytes is refused, and so is one that then stops") {
  TlsSession session({});
  const std::string flight = first_flight("good", session.good_key);
  REQUIRE(flight.size() > 100);
  for (size_t size = 0; size <= flight.size(); ++size) REQUIRE(refuses_bytes(session, flight.substr(0, size)));
  CHECK(session.eventually_refused(flight.size() + 1));
  CHECK(session.joined_count() == 0);
  CHECK(session.listener->half_open() == 0);
  CHECK(session.still_accepts());
}

TEST_CASE("a first message with any byte changed joins nobody") {
  TlsSession session({});
  const std::string flight = first_flight("good", session.good_key);
  for (size_t i = 0; i < flight.size(); ++i)
    for (const int with : {0x01, 0xff}) {
      std::string changed = flight;
      changed[i] = static_cast<char>(changed[i] ^ with);
      REQUIRE(refuses_bytes(session, changed));
    }
  CHECK(session.joined_count() == 0);
  CHECK(session.still_accepts());
}

TEST_CASE("lengths that are too large are refused as soon as they are read") {
  const auto judge = [](std::initializer_list<int> bytes) {
    std::vector<uint8_t> data(bytes.begin(), bytes.end());
    return net::judge_first_bytes(data.data(), data.size());
  };
  CHECK(judge({22, 3, 1, 0x01, 0x04, 1, 0, 0x01, 0x00}) == FirstBytes::kClientHello);
  CHECK(judge({22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xfb}) == FirstBytes::kForeign);
  CHECK(judge({22, 3, 1, 0x01, 0x04, 1, 0xff, 0xff, 0xff}) == FirstBytes::kForeign);
  CHECK(judge({22, 3, 1, 0x00, 0x00, 1, 0, 0, 0}) == FirstBytes::kForeign);
  CHECK(judge({22, 3, 1, 0x01, 0x04, 2}) == FirstBytes::kForeign);
  CHECK(judge({23}) == FirstBytes::kForeign);
  CHECK(judge({22, 3, 1, 0x01}) == FirstBytes::kTooFew);
  CHECK(judge({}) == FirstBytes::kTooFew);
}

TEST_CASE("only a single, printable, whole identity counts") {
  const auto read = [](const std::string& bytes) {
    return net::only_identity(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  };
  const auto offer = [](const std::string& name) {
    const std::string entry = std::string(1, '\0') + static_cast<char>(name.size()) + name + std::string(4, '\0');
    return std::string(1, '\0') + static_cast<char>(entry.size()) + entry;
  };
  CHECK(read(offer("a/b")) == "a/b");
  CHECK(read(offer("a/b") + "binders") == "a/b");
  for (const std::string& bad :
       {std::string("a b"), std::string("a\n"), std::string("\x80"), std::string(1, '\0'), std::string()})
    CHECK(read(offer(bad)) == "");
  const std::string good = offer("a/b");
  for (size_t size = 0; size < good.size(); ++size) CHECK(read(good.substr(0, size)) == "");
  const std::string two =
      std::string(1, '\0') + static_cast<char>(2 * (good.size() - 2)) + good.substr(2) + good.substr(2);
  CHECK(read(two) == "");
  CHECK(read("\xff\xff\xff\xff" + good) == "");
}

TEST_CASE("a handshake cut behind any record joins nobody") {
  for (const bool to_session : {true, false})
    for (size_t cut = 0; cut < 3; ++cut) {
      TlsSession session({{"node", kNodeKey}});
      Relay relay(session.port(), [&](bool direction, size_t index, const std::string& record) {
        return direction == to_session && index == cut ? std::nullopt : std::make_optional(as_it_is(record));
      });
      std::string message;
      try {  // the node may be through before the cut: then its connection closes
        const Stream node = net::connect("127.0.0.1", relay.port(), "node", kNodeKey, patience());
        relay.wait();
        CHECK(eventually_closed(*node));
      } catch (const base::Error& error) {
        CHECK(error.kind() == ErrorKind::kDisconnected);
      }
      relay.wait();
      CHECK(eventually([&] {
        const auto counts = session.listener->counts();
        return counts.refused + counts.accepted == 1;
      }));
      CHECK(session.still_accepts());
    }
}

TEST_CASE("a handshake with a bit flipped in any record joins nobody and proves nothing") {
  for (const bool to_session : {true, false})
    for (size_t flipped = 0; flipped < 3; ++flipped)
      for (const size_t place : {5u, 60u}) {
        TlsSession session({{"node", kNodeKey}});
        std::atomic<bool> changed{false};
        {
          Relay relay(session.port(), [&](bool direction, size_t index, const std::string& record) {
            std::string passed = record;
            // A change cipher spec record means nothing in TLS 1.3.
            if (direction == to_session && index == flipped && record[0] != 20) {
              changed = true;
              passed[std::min(place, passed.size() - 1)] ^= 1;
            }
            return std::make_optional(as_it_is(passed));
          });
          try {
            const Stream node = net::connect("127.0.0.1", relay.port(), "node", kNodeKey, patience());
            if (changed) CHECK(eventually_closed(*node));
          } catch (const base::Error& error) {
            CHECK(error.kind() == ErrorKind::kDisconnected);
          }
        }
        if (changed) CHECK(session.joined_count() == 0);
      }
}

TEST_CASE("records that are flipped, dropped, swapped or repeated close the connection; no wrong byte is read") {
  const std::string sent = patterned(40000);
  for (const bool to_session : {true, false}) {
    std::string held;
    const auto flip = [](size_t i, const std::string& record) {
      std::string changed = record;
      if (i == 7) changed[changed.size() / 2] ^= 0x10;
      return std::make_optional(as_it_is(changed));
    };
    const auto drop = [](size_t i, const std::string& record) {
      return std::make_optional(i == 7 ? Relay::Records() : as_it_is(record));
    };
    const auto swap = [&held](size_t i, const std::string& record) {
      if (i == 7) held = record;
      if (i == 7) return std::make_optional(Relay::Records());
      return std::make_optional(i == 8 ? Relay::Records{record, held} : as_it_is(record));
    };
    const auto repeat = [](size_t i, const std::string& record) {
      return std::make_optional(i == 7 ? Relay::Records{record, record} : as_it_is(record));
    };
    const auto cut = [](size_t i, const std::string& record) {
      return i == 7 ? std::nullopt : std::make_optional(as_it_is(record));
    };
    const auto shorten = [](size_t i, const std::string& record) {
      return std::make_optional(as_it_is(i == 7 ? record.substr(0, 100) : record));
    };
    for (const std::string& got :
         {relayed(to_session, flip, sent), relayed(to_session, drop, sent), relayed(to_session, swap, sent),
          relayed(to_session, cut, sent), relayed(to_session, shorten, sent)}) {
      CHECK(got.size() == 7000);
      CHECK(begins_with(sent, got));
    }
    CHECK((relayed(to_session, repeat, sent) == sent.substr(0, 8000)));
    const auto nothing = [](size_t, const std::string& record) { return std::make_optional(as_it_is(record)); };
    CHECK((relayed(to_session, nothing, sent) == sent));
  }
}

TEST_CASE("what a node has sent once brings nobody in a second time") {
  net::Listener::Callbacks callbacks;
  std::atomic<int> joins{0};
  callbacks.key_of = [](const std::string&) { return kNodeKey; };  // as if the identity were not used up
  callbacks.joined = [&](const std::string&, Stream) { ++joins; };
  net::Listener::Limits limits;
  limits.handshake = 0.3;
  const net::Listener listener("127.0.0.1", 0, callbacks, limits);
  Relay relay(listener.port(),
              [](bool, size_t, const std::string& record) { return std::make_optional(as_it_is(record)); });
  {
    const Stream node = net::connect("127.0.0.1", relay.port(), "node", kNodeKey, patience());
    write_stream(*node, "secret");
    CHECK(eventually_closed(*node));
  }
  relay.wait();
  REQUIRE(joins == 1);
  const sys::OwnFd fd = tcp_connect(listener.port());
  send_bytes(fd.get(), relay.sent_to_session());
  CHECK(eventually_closed(fd.get()));
  CHECK(joins == 1);
}

TEST_CASE("when descriptors run out the listener waits, and goes on when there are some") {
  TlsSession session({{"node", kNodeKey}});
  REQUIRE(session.still_accepts());
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  sys::OwnFd node(::socket(AF_INET, SOCK_STREAM, 0));
  {
    const base::ScopeGuard restore([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
    rlimit small = before;
    small.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &small);
    std::vector<sys::OwnFd> taken;
    for (int fd; (fd = ::fcntl(node.get(), F_DUPFD_CLOEXEC, 0)) >= 0;) taken.emplace_back(fd);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(session.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(node.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK(eventually([&] { return session.listener->counts().exhausted >= 2; }));
    CHECK(session.listener->half_open() == 0);
  }
  sys::set_nonblocking(node.get());
  const auto peer = net::make_tls_client(std::move(node), "node", kNodeKey);
  while (peer->handshake() == net::TlsPeer::Handshake::kWaits)
    REQUIRE(net::wait_for_socket(peer->fd(), peer->wants_write(), patience()));
  CHECK(session.joined("node"));
}

#endif
