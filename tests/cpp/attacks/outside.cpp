// Those who have not the key, or not the right one, or have it and want less than TLS gives.

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "attacks/attack.h"
#include "foreign_peer.h"

namespace avenir::testing {

namespace {

using Connections = std::vector<sys::OwnFd>;

// ---- plain bytes

Outcome sends(const Target& target, const std::string& bytes) {
  const sys::OwnFd fd = tcp_connect(target.port());
  send_bytes(fd.get(), bytes);
  return closed(eventually_closed(fd.get()));
}

// A record and in it the beginning of a first message, as long as they say.
std::string long_first_message() {
  const std::string head("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9);
  return head + std::string(0x3ffc, '\0');
}

Connections connect_all(const Target& target, size_t count, const std::string& bytes = "") {
  Connections all;
  for (size_t i = 0; i < count; ++i) {
    all.push_back(tcp_connect(target.port()));
    send_bytes(all.back().get(), bytes);
  }
  return all;
}

Outcome all_closed(const Connections& connections) {
  return closed(std::all_of(connections.begin(), connections.end(),
                            [](const sys::OwnFd& fd) { return eventually_closed(fd.get()); }));
}

Outcome half_closed(const Target& target) {
  const Connections all = connect_all(target, 200);
  for (const sys::OwnFd& fd : all) ::shutdown(fd.get(), SHUT_WR);
  return all_closed(all);
}

Outcome reset(const Target& target) {
  for (int round = 0; round < 10; ++round) {
    const Connections all = connect_all(target, 100, "\x16\x03\x01");
    const linger at_once{1, 0};
    for (const sys::OwnFd& fd : all) ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  return {true, "1,000 connections"};
}

Outcome flood(const Target& target) {
  for (int round = 0; round < 20; ++round) connect_all(target, 500);
  return {true, "10,000 connections"};
}

Outcome bytewise(const Target& target) {
  const std::string bytes = target.first_message();
  const sys::OwnFd fd = tcp_connect(target.port());
  pollfd polled{fd.get(), POLLIN, 0};
  size_t sent = 0;
  while (::poll(&polled, 1, 100) == 0 && sent < bytes.size() && send_bytes(fd.get(), bytes.substr(sent, 1))) ++sent;
  return {sent < bytes.size() && eventually_closed(fd.get()),
          "closed after " + std::to_string(sent) + " of " + std::to_string(bytes.size()) + " bytes"};
}

// The first message of a node, cut before each of its bytes or with that byte changed.
Outcome damaged(const Target& target, bool cut) {
  const std::string message = target.first_message();
  for (size_t i = 0; i < message.size(); ++i) {
    std::string sent = message;
    if (cut) sent.resize(i);
    if (!cut) sent[i] = static_cast<char>(sent[i] ^ 0x40);
    const sys::OwnFd fd = tcp_connect(target.port());
    send_bytes(fd.get(), sent);
    ::shutdown(fd.get(), SHUT_WR);
    if (!eventually_closed(fd.get())) return closed(false);
  }
  return {true, "closed, " + std::to_string(message.size()) + " times"};
}

// ---- TLS by OpenSSL itself

Outcome refused(bool joined) { return {!joined, joined ? "**joined**" : "refused"}; }

Outcome without_key(const Target& target, int newest) {
  ForeignPeer peer(::TLS_client_method(), tcp_connect(target.port()));
  SSL_CTX_set_max_proto_version(peer.context(), newest);
  peer.certify();
  return refused(peer.handshake(::SSL_connect, greeting(target)));
}

std::string pre_shared_name;
net::Key pre_shared_key;

unsigned give_key(SSL*, const char*, char* identity, unsigned room, unsigned char* key, unsigned key_room) {
  if (pre_shared_name.size() >= room || pre_shared_key.size() > key_room) return 0;
  std::strcpy(identity, pre_shared_name.c_str());
  std::copy(pre_shared_key.begin(), pre_shared_key.end(), key);
  return static_cast<unsigned>(pre_shared_key.size());
}

// Who has the key of a node, and sets OpenSSL up as `demand` says.
bool joins_with_key(const Target& target, void (*demand)(SSL_CTX*)) {
  ForeignPeer peer(::TLS_client_method(), tcp_connect(target.port()));
  pre_shared_name = target.identity().text();
  pre_shared_key = target.key();
  SSL_CTX_set_psk_client_callback(peer.context(), give_key);
  SSL_CTX_set1_groups_list(peer.context(), "P-256");
  demand(peer.context());
  return peer.handshake(::SSL_connect, greeting(target));
}

void tls_1_2(SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); }
void other_cipher(SSL_CTX* context) { SSL_CTX_set_ciphersuites(context, "TLS_CHACHA20_POLY1305_SHA256"); }
void other_group(SSL_CTX* context) {
  SSL_CTX_set1_groups_list(context, "X25519");
  SSL_CTX_set_options(context, SSL_OP_ALLOW_NO_DHE_KEX);  // no exchange of keys at all would do, too
}

// ---- keys and names

Outcome proves(const Target& target, const engine::NodeIdentity& identity, const net::Key& group) {
  try {
    net::connect("127.0.0.1", target.port(), identity.text(), engine::node_key(group, identity),
                 base::Deadline::in_seconds(kPatience));
    return refused(true);
  } catch (const base::Error&) {
    return refused(false);
  }
}

Outcome proves_as(const Target& target, const engine::NodeIdentity& identity) {
  return proves(target, identity, target.ticket.key);
}

// ---- nodes that join all the same

Outcome joins_beside(const Target& target, const Connections&) {
  const Stream stream = target.join();
  std::string welcome;
  const bool joined =
      write_stream(*stream, greeting(target)) && read_stream(*stream, welcome, sizeof(wire::FrameHeader));
  return {joined, joined ? "joined" : "**not welcome**"};
}

}  // namespace

const std::vector<Attack>& attacks_from_outside() {
  static const std::vector<Attack> attacks{
      {"outsider: HTTP", [](const Target& t) { return sends(t, "GET / HTTP/1.1\r\n\r\n"); }},
      {"outsider: 100 kB of garbage", [](const Target& t) { return sends(t, patterned(100000)); }},
      {"outsider: a first record of 64 KiB announced",
       [](const Target& t) { return sends(t, "\x16\x03\x01\xff\xff\x01\xff\xff\xff"); }},
      {"outsider: a first message of 16 KiB", [](const Target& t) { return sends(t, long_first_message()); }},
      {"outsider: TLS 1.3 with a certificate, no key", [](const Target& t) { return without_key(t, TLS1_3_VERSION); }},
      {"outsider: TLS 1.2", [](const Target& t) { return without_key(t, TLS1_2_VERSION); }},
      {"outsider: 200 connections that say nothing", [](const Target& t) { return all_closed(connect_all(t, 200)); }},
      {"outsider: 200 connections, half closed", half_closed},
      {"outsider: 1,000 connections, begun and reset", reset},
      {"outsider: 10,000 connections, 500 at a time", flood},
      {"outsider: a captured first message, a byte each 0.1 s", bytewise},
      {"outsider: a captured first message, 64 copies, then silence",
       [](const Target& t) { return all_closed(connect_all(t, 64, t.first_message())); }},
      {"outsider: a captured first message, cut at each byte", [](const Target& t) { return damaged(t, true); }},
      {"outsider: a captured first message, each byte changed", [](const Target& t) { return damaged(t, false); }},
      {"peer: a key of another plan", [](const Target& t) { return proves(t, t.identity(), net::random_key()); }},
      {"peer: the key, but the name of another plan",
       [](const Target& t) {
         return proves_as(t, {"0123456789abcdef", t.ticket.group, t.rank, 0});
       }},
      {"peer: the key, but another group",
       [](const Target& t) {
         return proves_as(t, {t.ticket.plan, "elsewhere", t.rank, 0});
       }},
      {"peer: the key, but a rank beyond the group",
       [](const Target& t) {
         return proves_as(t, {t.ticket.plan, t.ticket.group, t.ticket.count, 0});
       }},
      {"peer: the key, downgraded to TLS 1.2", [](const Target& t) { return refused(joins_with_key(t, tls_1_2)); }},
      {"peer: the key, without the session's Diffie-Hellman group",
       [](const Target& t) { return refused(joins_with_key(t, other_group)); }},
      {"peer: the key, another cipher", [](const Target& t) { return refused(joins_with_key(t, other_cipher)); }},
      {"beside: OpenSSL itself with the key, as it must be",
       [](const Target& t) {
         const bool joined = joins_with_key(t, [](SSL_CTX*) {});
         return Outcome{joined, joined ? "joined" : "**refused**"};
       }},
      {"beside: a node joins while 500 connections say nothing",
       [](const Target& t) { return joins_beside(t, connect_all(t, 500)); }},
      {"beside: a node joins while 64 copies of its first message wait",
       [](const Target& t) { return joins_beside(t, connect_all(t, 64, t.first_message())); }},
  };
  return attacks;
}

}  // namespace avenir::testing
