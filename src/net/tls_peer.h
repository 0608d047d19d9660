#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/key.h"
#include "net/record_socket.h"
#include "sys/byte_stream.h"

namespace avenir::net {

// One end of a TLS 1.3 connection whose two sides prove to each other that they hold the same key, without
// certificates: PSK with (EC)DHE, TLS_AES_128_GCM_SHA256, P-256, nothing else and no way to have less. No tickets, no
// early data, no renegotiation. Keys are renewed before AES-GCM's limit.
//
// handshake() until kDone; it is a stream of bytes only then. One thread at a time.
class TlsPeer : public sys::ByteStream {
 public:
  enum class Handshake {
    kWaits,   // for fd() to be readable, or writable when wants_write()
    kAsks,    // server: whose key? identity() names it, answer() gives it, then go on
    kDone,    // the other side has the key
    kFailed,  // close it; refused() tells a client why
  };
  virtual Handshake handshake() = 0;
  virtual bool wants_write() const = 0;
  // Of the client, 1 to 256 printable ASCII characters. kAsks comes at most once a connection.
  virtual const std::string& identity() const = 0;
  // Nullopt: not awaited. The other side cannot tell that from a wrong key.
  virtual void answer(std::optional<Key> key) = 0;
  // Server: it has shown, by the binder of its first message, that somebody with the key has made that message.
  virtual bool has_shown_key() const = 0;
  // Client, after kFailed: the other side refused us, or went; else it could not prove that it has the key.
  virtual bool refused() const = 0;
  virtual const SharedDescriptor& descriptor() const = 0;
  // How many records go out under one key, from here on.
  virtual void renew_keys_every(uint64_t records) = 0;
};

// They own a connected, non-blocking socket. Throw kUnsupported with the text of tls_missing(); the client also
// kInvalid for an identity that is none.
std::unique_ptr<TlsPeer> make_tls_server(sys::OwnFd socket);
std::unique_ptr<TlsPeer> make_tls_client(sys::OwnFd socket, const std::string& identity, const Key& key);

}  // namespace avenir::net
