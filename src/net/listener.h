#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/key.h"
#include "sys/byte_stream.h"

namespace avenir::net {

// Listens on one address. A thread of its own accepts, has each peer prove that it holds the key of the identity that
// it names, and hands the connection over. What fails is closed; nothing is said about it, nothing of what an
// unauthenticated peer sends is kept, logged, or decides how much memory is taken.
//
// When the half-open connections are at their limit, the oldest makes room as soon as it has had `grace` seconds; one
// that has shown a key goes last. Until then, and while descriptors are exhausted, new ones wait in the system's queue.
//
// After a fork made by anybody the child has none of its descriptors; what was handed over is the new owner's to
// abandon.
class Listener {
 public:
  // Both are called on the listener's thread, one at a time, with no lock of ours held. What they throw refuses the
  // peer. They must not destroy the listener.
  struct Callbacks {
    // Nullopt for an identity that is not awaited (or was used already). Called at most once a connection. Two
    // connections may ask for the same identity before one has proved itself, and whoever reads the network can name
    // any: so an identity is used up when `joined` is called with it, not here. Others of that identity that are
    // half-open at that moment are closed before the call.
    std::function<std::optional<Key>(const std::string& identity)> key_of;
    // Authenticated, non-blocking from here on. It may have bytes already: see has_buffered().
    std::function<void(const std::string& identity, std::unique_ptr<sys::ByteStream> stream)> joined;
  };
  struct Limits {
    unsigned half_open = 32;
    double handshake = 10;  // seconds
    double grace = 0.5;     // seconds
  };
  struct Counts {
    uint64_t accepted = 0;   // handed over
    uint64_t refused = 0;    // closed: did not prove themselves, or made room
    uint64_t timed_out = 0;  // closed: took too long
    uint64_t exhausted = 0;  // how often there was no descriptor for the next one
  };

  // Port 0: any that is free. Throws when it cannot listen, naming address and port; kUnsupported without TLS.
  Listener(const std::string& address, uint16_t port, Callbacks callbacks);
  Listener(const std::string& address, uint16_t port, Callbacks callbacks, Limits limits);
  // Stops the thread and closes everything half-open. Waits for a callback that runs: hold no lock that it takes.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const;
  Counts counts() const;
  unsigned half_open() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace avenir::net
