#include "net/tls_peer.h"

#include <algorithm>

#include "base/error.h"
#include "net/tls_missing.h"
#ifndef AVENIR_NO_TLS
#include "net/client_hello.h"
#include "net/tls_context.h"
#endif

namespace avenir::net {

#ifndef AVENIR_NO_TLS

using sys::IoResult;
using sys::IoStatus;

namespace {

constexpr size_t kRecord = 16 * 1024;
// RFC 8446, 5.5: 2^24.5 full records of AES-GCM under one key; well below.
constexpr uint64_t kRecordsPerKey = uint64_t{1} << 22;
// What a client may send before it has proved itself; its two messages are below 1 KiB.
constexpr uint64_t kBytesBeforeProof = 16 * 1024;

class Peer final : public TlsPeer {
 public:
  explicit Peer(sys::OwnFd socket);
  Peer(sys::OwnFd socket, const std::string& identity, const Key& key);
  ~Peer() override;

  Handshake handshake() override;
  bool wants_write() const override { return socket_.keeps_output(); }
  const std::string& identity() const override { return identity_; }
  void answer(std::optional<Key> key) override;
  bool has_shown_key() const override { return server_ && asking_ == Asking::kUsed && !failed_; }
  bool refused() const override { return refused_; }
  const SharedDescriptor& descriptor() const override { return socket_.descriptor(); }
  void renew_keys_every(uint64_t records) override { records_per_key_ = records; }

  int fd() const override { return socket_.fd(); }
  IoStatus read(uint8_t* target, size_t room, size_t& moved) override;
  IoStatus write(const uint8_t* data, size_t size, size_t& moved) override;
  bool has_buffered() const override;
  void abandon() override;

 private:
  // kAsked: the owner is to say the key. kAnswered: it did. kUsed: the key was taken to check the binder.
  enum class Asking { kNot, kAsked, kAnswered, kUsed };

  Peer(sys::OwnFd socket, SSL_CTX* context, bool server);

  static int find_session(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** session);
  static int use_session(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, size_t* size,
                         SSL_SESSION** session);
  static int on_client_hello(SSL* ssl, int* alert, void*);
  static Peer& of(const SSL* ssl) { return *static_cast<Peer*>(openssl().SSL_get_ex_data(ssl, 0)); }

  Handshake check_first_bytes();
  Handshake run_handshake();
  Handshake finish();
  Handshake fail();
  IoStatus read_once(uint8_t* target, size_t room, size_t& moved);
  IoStatus write_record(const uint8_t* data, size_t size);
  IoStatus status_of(int result);

  const OpenSsl& o_;
  const bool server_;
  RecordSocket socket_;
  SSL* ssl_;
  std::string identity_;
  Key key_{};
  Asking asking_ = Asking::kNot;
  bool checked_ = false, proved_ = false, failed_ = false, refused_ = false, abandoned_ = false;
  size_t unsettled_ = 0;
  uint64_t records_ = 0, records_per_key_ = kRecordsPerKey;
};

Peer::Peer(sys::OwnFd socket, SSL_CTX* context, bool server)
    : o_(openssl()), server_(server), socket_(std::move(socket)), ssl_(make_ssl(context, socket_)) {
  o_.SSL_set_ex_data(ssl_, 0, this);
  if (server)
    o_.SSL_set_accept_state(ssl_);
  else
    o_.SSL_set_connect_state(ssl_);
}

Peer::Peer(sys::OwnFd socket)
    : Peer(std::move(socket), server_context(&Peer::find_session, &Peer::on_client_hello), true) {}

Peer::Peer(sys::OwnFd socket, const std::string& identity, const Key& key)
    : Peer(std::move(socket), client_context(&Peer::use_session), false) {
  identity_ = identity;
  key_ = key;
  checked_ = true;
}

// After abandon() OpenSSL's memory stays: another thread of the parent may have been using it during the fork.
Peer::~Peer() {
  wipe(key_);
  if (abandoned_) return;
  if (proved_ && !failed_) {
    o_.ERR_clear_error();
    o_.SSL_shutdown(ssl_);  // says goodbye when there is room for it at once
  }
  o_.SSL_free(ssl_);
}

void Peer::abandon() {
  abandoned_ = failed_ = true;
  socket_.close();
}

// ---- the handshake

TlsPeer::Handshake Peer::handshake() {
  if (failed_) return Handshake::kFailed;
  if (proved_) return finish();
  if (!checked_) {
    const Handshake so_far = check_first_bytes();
    if (!checked_) return so_far;
  }
  if (asking_ == Asking::kAsked) return Handshake::kAsks;
  return run_handshake();
}

// OpenSSL sees nothing of a peer that does not speak as ours does: it would make room by the length that is announced.
TlsPeer::Handshake Peer::check_first_bytes() {
  const IoStatus status = socket_.fill();
  if (status == IoStatus::kClosed) return fail();
  switch (judge_first_bytes(socket_.ahead(), socket_.ahead_size())) {
    case FirstBytes::kTooFew:
      return Handshake::kWaits;
    case FirstBytes::kForeign:
      return fail();
    case FirstBytes::kClientHello:
      checked_ = true;
  }
  return Handshake::kWaits;
}

TlsPeer::Handshake Peer::run_handshake() {
  o_.ERR_clear_error();
  const int result = o_.SSL_do_handshake(ssl_);
  const int error = result == 1 ? SSL_ERROR_NONE : o_.SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_CLIENT_HELLO_CB) return Handshake::kAsks;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    if (server_ && socket_.received() > kBytesBeforeProof) return fail();
    return socket_.flush() == IoStatus::kClosed ? fail() : Handshake::kWaits;
  }
  // Without a session "resumed" from the key the other side has proved nothing.
  if (error != SSL_ERROR_NONE || o_.SSL_session_reused(ssl_) != 1 || o_.SSL_version(ssl_) != TLS1_3_VERSION)
    return fail();
  wipe(key_);
  proved_ = true;
  return finish();
}

// The client's last message must be out: it may have nothing to write for long.
TlsPeer::Handshake Peer::finish() {
  switch (socket_.flush()) {
    case IoStatus::kDone:
      return Handshake::kDone;
    case IoStatus::kWouldBlock:
      return Handshake::kWaits;
    case IoStatus::kClosed:
      break;
  }
  return fail();
}

TlsPeer::Handshake Peer::fail() {
  // An alert, or an end without any; what else OpenSSL dislikes comes from somebody without the key.
  const unsigned long reason = o_.ERR_peek_error();
  refused_ = reason == 0 || ERR_GET_REASON(reason) > SSL_AD_REASON_OFFSET;
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
  refused_ = refused_ || ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
#endif
  failed_ = true;
  wipe(key_);
  socket_.flush();  // the alert, when there is room for it at once
  return Handshake::kFailed;
}

void Peer::answer(std::optional<Key> key) {
  key_ = key ? *key : random_key();
  if (key) wipe(*key);
  asking_ = Asking::kAnswered;
}

// Called before anything else of the message is looked at, and again when the owner has answered. A second message
// (after a request to try again, which our client never needs) is refused.
int Peer::on_client_hello(SSL* ssl, int* alert, void*) {
  Peer& peer = of(ssl);
  *alert = SSL_AD_HANDSHAKE_FAILURE;
  if (peer.asking_ == Asking::kAnswered) return SSL_CLIENT_HELLO_SUCCESS;
  if (peer.asking_ != Asking::kNot) return SSL_CLIENT_HELLO_ERROR;
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (peer.o_.SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &size) != 1) return SSL_CLIENT_HELLO_ERROR;
  peer.identity_ = only_identity(data, size);
  if (peer.identity_.empty()) return SSL_CLIENT_HELLO_ERROR;
  peer.asking_ = Asking::kAsked;
  return SSL_CLIENT_HELLO_RETRY;
}

int Peer::find_session(SSL* ssl, const unsigned char*, size_t, SSL_SESSION** session) {
  Peer& peer = of(ssl);
  if (peer.asking_ != Asking::kAnswered) return 0;
  peer.asking_ = Asking::kUsed;
  *session = make_session(ssl, peer.key_);
  wipe(peer.key_);
  return *session == nullptr ? 0 : 1;
}

int Peer::use_session(SSL* ssl, const EVP_MD*, const unsigned char** identity, size_t* size, SSL_SESSION** session) {
  Peer& peer = of(ssl);
  *identity = reinterpret_cast<const unsigned char*>(peer.identity_.data());
  *size = peer.identity_.size();
  *session = make_session(ssl, peer.key_);
  return *session == nullptr ? 0 : 1;
}

// ---- the stream

IoStatus Peer::status_of(int result) {
  const int error = o_.SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return IoStatus::kWouldBlock;
  failed_ = true;
  socket_.flush();  // the alert that OpenSSL may have left
  return IoStatus::kClosed;
}

IoStatus Peer::read_once(uint8_t* target, size_t room, size_t& moved) {
  o_.ERR_clear_error();
  const int got = o_.SSL_read(ssl_, target, static_cast<int>(std::min(room, kRecord)));
  if (got <= 0) return status_of(got);
  moved += static_cast<size_t>(got);
  return IoStatus::kDone;
}

// Goes on while there is more that can be had without asking the system for a first byte.
IoStatus Peer::read(uint8_t* target, size_t room, size_t& moved) {
  moved = 0;
  if (failed_ || !proved_) return IoStatus::kClosed;
  if (room == 0) return IoStatus::kDone;
  IoStatus status = IoStatus::kDone;
  do {
    status = read_once(target + moved, room - moved, moved);
  } while (status == IoStatus::kDone && moved < room && has_buffered());
  return moved > 0 ? IoStatus::kDone : status;
}

IoStatus Peer::write_record(const uint8_t* data, size_t size) {
  o_.ERR_clear_error();
  if (++records_ % records_per_key_ == 0) o_.SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED);
  const int taken = o_.SSL_write(ssl_, data, static_cast<int>(size));
  return taken > 0 ? IoStatus::kDone : status_of(taken);
}

// A record that the socket did not take whole counts as not moved until the rest is out: whoever writes comes back then
// with the same bytes, and they are passed over.
IoStatus Peer::write(const uint8_t* data, size_t size, size_t& moved) {
  moved = 0;
  if (failed_ || !proved_) return IoStatus::kClosed;
  IoStatus status = socket_.flush();
  if (status == IoStatus::kClosed) failed_ = true;
  if (status != IoStatus::kDone) return status;
  moved = std::min(size, unsettled_);
  unsettled_ -= moved;
  while (status == IoStatus::kDone && moved < size && !socket_.keeps_output()) {
    const size_t count = std::min(size - moved, kRecord);
    status = write_record(data + moved, count);
    if (status == IoStatus::kDone && socket_.keeps_output()) unsettled_ = count;
    if (status == IoStatus::kDone && !socket_.keeps_output()) moved += count;
  }
  if (moved > 0 || size == 0) return IoStatus::kDone;
  return status == IoStatus::kDone ? IoStatus::kWouldBlock : status;
}

bool Peer::has_buffered() const {
  if (failed_ || !proved_) return false;
  return socket_.ahead_size() > 0 || o_.SSL_pending(ssl_) > 0;
}

}  // namespace

std::unique_ptr<TlsPeer> make_tls_server(sys::OwnFd socket) { return std::make_unique<Peer>(std::move(socket)); }

std::unique_ptr<TlsPeer> make_tls_client(sys::OwnFd socket, const std::string& identity, const Key& key) {
  openssl();
  if (!is_identity(identity))
    throw base::Error(base::ErrorKind::kInvalid,
                      "an identity is 1 to 256 printable characters without blanks; this one is '" + identity + "'");
  return std::make_unique<Peer>(std::move(socket), identity, key);
}

#else

std::unique_ptr<TlsPeer> make_tls_server(sys::OwnFd) {
  throw base::Error(base::ErrorKind::kUnsupported, tls_missing());
}

std::unique_ptr<TlsPeer> make_tls_client(sys::OwnFd, const std::string&, const Key&) {
  throw base::Error(base::ErrorKind::kUnsupported, tls_missing());
}

#endif

}  // namespace avenir::net
