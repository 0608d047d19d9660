#ifndef AVENIR_NO_TLS

#include "net/tls_context.h"

#include "base/error.h"

namespace avenir::net {

namespace {

constexpr const char* kSuite = "TLS_AES_128_GCM_SHA256";
constexpr unsigned char kSuiteId[2] = {0x13, 0x01};

void require(bool done, const char* what) {
  if (done) return;
  const OpenSsl& o = openssl();
  o.ERR_clear_error();
  throw base::Error(base::ErrorKind::kUnsupported,
                    "this machine's OpenSSL refuses " + std::string(what) +
                        ", which avenir's connections need (a restricted configuration?)");
}

// The system's openssl.cnf has been applied by SSL_CTX_new(): what matters is set after it. One group: with more, a
// client could guess another than the server wants, and the handshake would take a further round.
SSL_CTX* make_context(const SSL_METHOD* method) {
  const OpenSsl& o = openssl();
  SSL_CTX* const context = o.SSL_CTX_new(method);
  require(context != nullptr, "a TLS context");
  require(o.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, nullptr) == 1, "TLS 1.3");
  require(o.SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_3_VERSION, nullptr) == 1, "TLS 1.3");
  require(o.SSL_CTX_set_ciphersuites(context, kSuite) == 1, kSuite);
  char group[] = "P-256";
  require(o.SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, group) == 1, group);
  o.SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  o.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
  o.SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, nullptr);
  return context;
}

// ---- OpenSSL's input and output: a RecordSocket

int read_socket(BIO* bio, char* target, int size) {
  const OpenSsl& o = openssl();
  auto& socket = *static_cast<RecordSocket*>(o.BIO_get_data(bio));
  o.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  const sys::IoResult got = socket.take(reinterpret_cast<uint8_t*>(target), static_cast<size_t>(size));
  if (got.status == sys::IoStatus::kDone) return static_cast<int>(got.bytes);
  if (got.status == sys::IoStatus::kClosed) return 0;
  o.BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
  return -1;
}

int write_socket(BIO* bio, const char* data, int size) {
  const OpenSsl& o = openssl();
  auto& socket = *static_cast<RecordSocket*>(o.BIO_get_data(bio));
  o.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  const sys::IoStatus status = socket.put(reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size));
  if (status == sys::IoStatus::kDone) return size;
  if (status == sys::IoStatus::kWouldBlock) o.BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
  return -1;
}

// RecordSocket keeps what it could not send, so that there is nothing that a flush could wait for.
long control_socket(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    const OpenSsl& o = openssl();
    BIO_METHOD* const made = o.BIO_meth_new(o.BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "avenir socket");
    require(made != nullptr, "a BIO method");
    o.BIO_meth_set_read(made, read_socket);
    o.BIO_meth_set_write(made, write_socket);
    o.BIO_meth_set_ctrl(made, control_socket);
    return made;
  }();
  return method;
}

}  // namespace

SSL_CTX* server_context(SSL_psk_find_session_cb_func find_session, SSL_client_hello_cb_fn on_client_hello) {
  static SSL_CTX* const context = [&] {
    const OpenSsl& o = openssl();
    SSL_CTX* const made = make_context(o.TLS_server_method());
    o.SSL_CTX_set_num_tickets(made, 0);
    o.SSL_CTX_set_psk_find_session_callback(made, find_session);
    o.SSL_CTX_set_client_hello_cb(made, on_client_hello, nullptr);
    return made;
  }();
  return context;
}

// A server with a certificate instead of the key fails already at the certificate: none is trusted.
SSL_CTX* client_context(SSL_psk_use_session_cb_func use_session) {
  static SSL_CTX* const context = [&] {
    const OpenSsl& o = openssl();
    SSL_CTX* const made = make_context(o.TLS_client_method());
    o.SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
    o.SSL_CTX_set_psk_use_session_callback(made, use_session);
    return made;
  }();
  return context;
}

SSL* make_ssl(SSL_CTX* context, RecordSocket& socket) {
  const OpenSsl& o = openssl();
  SSL* const ssl = o.SSL_new(context);
  BIO* const bio = ssl == nullptr ? nullptr : o.BIO_new(socket_method());
  if (bio == nullptr) {
    o.SSL_free(ssl);
    throw base::Error(base::ErrorKind::kOverloaded, "no memory for an encrypted connection");
  }
  o.BIO_set_data(bio, &socket);
  o.BIO_set_init(bio, 1);
  o.SSL_set_bio(ssl, bio, bio);
  return ssl;
}

SSL_SESSION* make_session(SSL* ssl, const Key& key) {
  const OpenSsl& o = openssl();
  const SSL_CIPHER* const suite = o.SSL_CIPHER_find(ssl, kSuiteId);
  SSL_SESSION* const session = o.SSL_SESSION_new();
  if (suite != nullptr && session != nullptr && o.SSL_SESSION_set1_master_key(session, key.data(), key.size()) == 1 &&
      o.SSL_SESSION_set_cipher(session, suite) == 1 && o.SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
    return session;
  o.SSL_SESSION_free(session);
  return nullptr;
}

}  // namespace avenir::net

#endif
