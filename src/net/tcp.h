#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "sys/fd.h"

namespace avenir::net {

// Listens on the first address of that name; `port` becomes what the system gave. Non-blocking. Throws kInvalid,
// kOverloaded (the port is taken) or as the system says, naming address and port.
sys::OwnFd listen_on(const std::string& address, uint16_t& port);

enum class AcceptResult { kAccepted, kNone, kTryAgain, kExhausted };

// The next connection of the queue, non-blocking. kTryAgain: that one is gone already. kExhausted: it stays in the
// queue since descriptors or memory ran out.
AcceptResult accept_next(int listener, sys::OwnFd& connection);

// "host port 1234", as messages name it.
std::string name_of(const std::string& host, uint16_t port);

// Connects to one address after the other; non-blocking from then on. Throws kTimeout or kDisconnected, naming what
// failed at each. The system's resolver has time limits of its own: `deadline` cannot shorten them.
sys::OwnFd connect_to(const std::string& host, uint16_t port, base::Deadline deadline);

// The address of this machine from which the way leads to `address`, a number; empty when there is no way. Nothing is
// sent.
std::string source_toward(const std::string& address);

// Waits until the socket can be read (or, with `or_write`, written); false when the deadline passed. Any signal: goes
// on waiting.
bool wait_for_socket(int fd, bool or_write, base::Deadline deadline);

// A connection whose other side does not acknowledge what was sent for so long is cut by the system. Without effect
// where there is no TCP_USER_TIMEOUT.
void set_user_timeout(int fd, double seconds);

}  // namespace avenir::net
