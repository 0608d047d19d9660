#pragma once

// OpenSSL, loaded at its first use: linked, it would add 3 ms to the loading of avenir in every session and worker.

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

namespace avenir::net {

// The functions that avenir calls; what is not here cannot be called. All are in 1.1.1, the first that has TLS 1.3.
#define AVENIR_OPENSSL_FUNCTIONS(X)        \
  X(BIO_clear_flags)                       \
  X(BIO_get_data)                          \
  X(BIO_get_new_index)                     \
  X(BIO_meth_new)                          \
  X(BIO_meth_set_ctrl)                     \
  X(BIO_meth_set_read)                     \
  X(BIO_meth_set_write)                    \
  X(BIO_new)                               \
  X(BIO_set_data)                          \
  X(BIO_set_flags)                         \
  X(BIO_set_init)                          \
  X(ERR_clear_error)                       \
  X(ERR_peek_error)                        \
  X(EVP_sha256)                            \
  X(HMAC)                                  \
  X(OPENSSL_init_ssl)                      \
  X(OpenSSL_version_num)                   \
  X(SSL_CIPHER_find)                       \
  X(SSL_CTX_ctrl)                          \
  X(SSL_CTX_free)                          \
  X(SSL_CTX_new)                           \
  X(SSL_CTX_set_ciphersuites)              \
  X(SSL_CTX_set_client_hello_cb)           \
  X(SSL_CTX_set_num_tickets)               \
  X(SSL_CTX_set_options)                   \
  X(SSL_CTX_set_psk_find_session_callback) \
  X(SSL_CTX_set_psk_use_session_callback)  \
  X(SSL_CTX_set_verify)                    \
  X(SSL_SESSION_free)                      \
  X(SSL_SESSION_new)                       \
  X(SSL_SESSION_set1_master_key)           \
  X(SSL_SESSION_set_cipher)                \
  X(SSL_SESSION_set_protocol_version)      \
  X(SSL_client_hello_get0_ext)             \
  X(SSL_do_handshake)                      \
  X(SSL_free)                              \
  X(SSL_get_error)                         \
  X(SSL_get_ex_data)                       \
  X(SSL_key_update)                        \
  X(SSL_new)                               \
  X(SSL_pending)                           \
  X(SSL_read)                              \
  X(SSL_session_reused)                    \
  X(SSL_set_accept_state)                  \
  X(SSL_set_bio)                           \
  X(SSL_set_connect_state)                 \
  X(SSL_set_ex_data)                       \
  X(SSL_shutdown)                          \
  X(SSL_version)                           \
  X(SSL_write)                             \
  X(TLS_client_method)                     \
  X(TLS_server_method)

struct OpenSsl {
#define AVENIR_OPENSSL_MEMBER(name) decltype(&::name) name = nullptr;
  AVENIR_OPENSSL_FUNCTIONS(AVENIR_OPENSSL_MEMBER)
#undef AVENIR_OPENSSL_MEMBER
};

// Throws kUnsupported with the text of tls_missing().
const OpenSsl& openssl();

}  // namespace avenir::net
