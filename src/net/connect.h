#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "net/key.h"
#include "sys/byte_stream.h"

namespace avenir::net {

// The node's side: resolves, connects, proves itself and checks that the other side has the same key. The stream is
// non-blocking. Blocks until then, through signals; any thread.
//
// Throws kDisconnected or kTimeout, naming host, port and what failed; kUnsupported without TLS; kInvalid for an
// identity or a port that is none. A session with many half-open connections may have closed ours: kDisconnected is
// worth another attempt.
std::unique_ptr<sys::ByteStream> connect(const std::string& host, uint16_t port, const std::string& identity,
                                         const Key& key, base::Deadline deadline);

}  // namespace avenir::net
