#pragma once

// Only where OpenSSL is.

#include "net/key.h"
#include "net/openssl.h"
#include "net/record_socket.h"

namespace avenir::net {

// Made once a process, with the settings that tls_peer.h promises.
SSL_CTX* server_context(SSL_psk_find_session_cb_func find_session, SSL_client_hello_cb_fn on_client_hello);
SSL_CTX* client_context(SSL_psk_use_session_cb_func use_session);

// The connection reads and writes through `socket`, which must outlive it.
SSL* make_ssl(SSL_CTX* context, RecordSocket& socket);

// The key in the form in which OpenSSL takes external keys of TLS 1.3. Nullptr when memory ran out. OpenSSL wipes it.
SSL_SESSION* make_session(SSL* ssl, const Key& key);

}  // namespace avenir::net
