#pragma once

#include <openssl/ssl.h>

#include <string>

#include "sys/fd.h"

namespace avenir::testing {

// A peer that speaks TLS through OpenSSL itself, on a socket that blocks.
class ForeignPeer {
 public:
  ForeignPeer(const SSL_METHOD* method, sys::OwnFd connection);
  ~ForeignPeer();
  ForeignPeer(const ForeignPeer&) = delete;
  ForeignPeer& operator=(const ForeignPeer&) = delete;

  SSL_CTX* context() { return context_; }
  // With a certificate of its own making.
  void certify();
  // `step`: SSL_connect or SSL_accept. True: both sides are content, and something came in answer to `greeting`.
  bool handshake(int (*step)(SSL*), const std::string& greeting = "");

 private:
  sys::OwnFd socket_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

// OpenSSL's own sockets raise it.
class SigpipeIgnored {
 public:
  SigpipeIgnored();
  ~SigpipeIgnored();

 private:
  void (*before_)(int);
};

}  // namespace avenir::testing
