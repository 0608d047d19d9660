#pragma once

// Those who attack a whole session over the network; attacker.cpp runs one of them.

#include <memory>
#include <string>
#include <vector>

#include "engine/ticket.h"
#include "tls_support.h"
#include "wire/frame.h"
#include "wire/node_message.h"

namespace avenir::testing {

struct Outcome {
  bool right;
  std::string words;
};

Outcome closed(bool is);

// A session with a group of nodes; `rank` and those behind it are not used yet.
struct Target {
  engine::Ticket ticket;
  uint32_t rank;
  wire::NodeHello hello;

  uint16_t port() const { return ticket.port; }
  engine::NodeIdentity identity(uint32_t beyond = 0) const { return {ticket.plan, ticket.group, rank + beyond, 0}; }
  net::Key key(uint32_t beyond = 0) const { return engine::node_key(ticket.key, identity(beyond)); }
  std::string first_message() const { return first_flight(identity().text(), key()); }
  Stream join(uint32_t beyond = 0) const;
};

std::string frame(wire::FrameType type, uint64_t id, const base::Bytes& body);
inline std::string greeting(const Target& target) {
  return frame(wire::FrameType::kNodeHello, 0, target.hello.encode());
}

struct Attack {
  const char* name;  // begins with who does it: "outsider", "peer" (who has some key), "beside" (a node joins all the
                     // same), "node"
  Outcome (*run)(const Target& target);
};
const std::vector<Attack>& attacks_from_outside();
const std::vector<Attack>& attacks_from_inside();

// Between a node and the session, or in the session's place. Prints the port for the node; true: as it must be.
bool stand_between(const std::string& how, uint16_t session);

}  // namespace avenir::testing
