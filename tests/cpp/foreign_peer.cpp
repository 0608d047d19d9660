#ifndef AVENIR_NO_TLS

#include "foreign_peer.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "support.h"

namespace avenir::testing {

ForeignPeer::ForeignPeer(const SSL_METHOD* method, sys::OwnFd connection)
    : socket_(std::move(connection)), context_(::SSL_CTX_new(method)) {
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) & ~O_NONBLOCK);
  const timeval limit{static_cast<time_t>(kPatience), 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

ForeignPeer::~ForeignPeer() {
  ::SSL_free(ssl_);
  ::SSL_CTX_free(context_);
}

bool ForeignPeer::handshake(int (*step)(SSL*), const std::string& greeting) {
  ssl_ = ::SSL_new(context_);
  ::SSL_set_fd(ssl_, socket_.get());
  if (step(ssl_) != 1) return false;
  if (!greeting.empty() && ::SSL_write(ssl_, greeting.data(), static_cast<int>(greeting.size())) <= 0) return false;
  char byte;
  return ::SSL_read(ssl_, &byte, 1) > 0;
}

void ForeignPeer::certify() {
  EVP_PKEY* key = nullptr;
  EVP_PKEY_CTX* const maker = ::EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr);
  ::EVP_PKEY_keygen_init(maker);
  ::EVP_PKEY_keygen(maker, &key);
  X509* const certificate = ::X509_new();
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -1000);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 100000);
  ::X509_set_pubkey(certificate, key);
  ::X509_sign(certificate, key, nullptr);
  ::SSL_CTX_use_certificate(context_, certificate);
  ::SSL_CTX_use_PrivateKey(context_, key);
  ::X509_free(certificate);
  ::EVP_PKEY_free(key);
  ::EVP_PKEY_CTX_free(maker);
}

SigpipeIgnored::SigpipeIgnored() : before_(::signal(SIGPIPE, SIG_IGN)) {}
SigpipeIgnored::~SigpipeIgnored() { ::signal(SIGPIPE, before_); }

}  // namespace avenir::testing

#endif
