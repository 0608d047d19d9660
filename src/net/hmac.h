#pragma once

#include "net/key.h"

namespace avenir::net {

// Throws kUnsupported with the text of tls_missing().
Key hmac_sha256(const Key& key, const void* data, size_t size);

}  // namespace avenir::net
