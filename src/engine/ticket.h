#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/key.h"

namespace avenir::engine {

// What a group of nodes is started with, and nobody else may see: one line of text,
//
//   avenir-ticket 1 <addresses, comma separated> <port> <plan> <group> <key, 64 hex digits> <count>
//
// A node of the group proves itself as `<plan>/<group>/<rank>/<attempt>`, with a key derived from the group's.
struct Ticket {
  std::vector<std::string> addresses;  // of the session, to be tried in this order
  uint16_t port = 0;
  std::string plan, group;
  net::Key key{};
  uint32_t count = 1;  // ranks are below

  // Throws kInvalid, without repeating the text.
  static Ticket parse(const std::string& line);
  std::string line() const;
};

struct NodeIdentity {
  std::string plan, group;
  uint32_t rank = 0, attempt = 0;

  std::string text() const;
};
// Throws kInvalid.
NodeIdentity parse_identity(const std::string& text);
// Of what may be none: that is the name of a group then.
NodeIdentity identity_of(const std::string& text);

net::Key group_key(const net::Key& secret, const std::string& plan, const std::string& group);
inline net::Key node_key(const net::Key& group, const NodeIdentity& identity) {
  return net::derive(group, identity.text());
}

// A group's name: letters, digits, ".", "_", "-". Throws kInvalid.
void check_group(const std::string& name);

}  // namespace avenir::engine
