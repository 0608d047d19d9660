#include "net/connect.h"

#include "base/error.h"
#include "net/tcp.h"
#include "net/tls_missing.h"
#include "net/tls_peer.h"

namespace avenir::net {

namespace {

[[noreturn]] void raise_not_proved(const TlsPeer& peer, const std::string& where) {
  if (peer.refused())
    throw base::Error(base::ErrorKind::kDisconnected,
                      where +
                          " refused this node or closed the connection: its key is another one, it has joined "
                          "already, or the session does not wait for it any more");
  throw base::Error(base::ErrorKind::kDisconnected,
                    "what answers at " + where +
                        " did not prove that it has the key: it is not the session of this "
                        "ticket");
}

void prove(TlsPeer& peer, const std::string& where, base::Deadline deadline) {
  for (;;) {
    const TlsPeer::Handshake state = peer.handshake();
    if (state == TlsPeer::Handshake::kDone) return;
    if (state == TlsPeer::Handshake::kFailed) raise_not_proved(peer, where);
    if (!wait_for_socket(peer.fd(), peer.wants_write(), deadline))
      throw base::Error(base::ErrorKind::kTimeout, where + " accepted the connection but did not answer in time");
  }
}

}  // namespace

std::unique_ptr<sys::ByteStream> connect(const std::string& host, uint16_t port, const std::string& identity,
                                         const Key& key, base::Deadline deadline) {
  const std::string missing = tls_missing();
  if (!missing.empty()) throw base::Error(base::ErrorKind::kUnsupported, missing);
  if (port == 0) throw base::Error(base::ErrorKind::kInvalid, "port 0 cannot be connected to");
  std::unique_ptr<TlsPeer> peer = make_tls_client(connect_to(host, port, deadline), identity, key);
  prove(*peer, name_of(host, port), deadline);
  return peer;
}

}  // namespace avenir::net
