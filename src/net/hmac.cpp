#include "net/hmac.h"

#include "base/error.h"
#include "net/tls_missing.h"
#ifndef AVENIR_NO_TLS
#include "net/openssl.h"
#endif

namespace avenir::net {

#ifndef AVENIR_NO_TLS

Key hmac_sha256(const Key& key, const void* data, size_t size) {
  const OpenSsl& ssl = openssl();
  Key result;
  unsigned length = 0;
  if (ssl.HMAC(ssl.EVP_sha256(), key.data(), static_cast<int>(key.size()), static_cast<const unsigned char*>(data),
               size, result.data(), &length) == nullptr ||
      length != result.size())
    throw base::Error(base::ErrorKind::kUnsupported, "this machine's OpenSSL refuses HMAC with SHA-256");
  return result;
}

#else

Key hmac_sha256(const Key&, const void*, size_t) { throw base::Error(base::ErrorKind::kUnsupported, tls_missing()); }

#endif

}  // namespace avenir::net
