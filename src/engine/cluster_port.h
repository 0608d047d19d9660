#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/ticket.h"
#include "net/key.h"
#include "net/listener.h"

namespace avenir::engine {

// Where a plan's nodes come in: listens, knows the groups that are awaited, hands over who has proved itself.
//
// The R thread's; the listener's thread asks for keys and hands over. Goes before the engine does.
class ClusterPort {
 public:
  ClusterPort(Engine& engine, const std::string& address, uint16_t port);
  ~ClusterPort();

  uint16_t port() const { return listener_->port(); }
  // A number that nobody needs to keep secret.
  const std::string& plan() const { return plan_; }
  // Makes the group known; `addresses` are those that its nodes try.
  Ticket ticket(const std::string& group, uint32_t count, std::vector<std::string> addresses);
  // Nobody of it is taken any more.
  void forget(const std::string& group);

 private:
  std::optional<net::Key> key_of(const std::string& identity);
  void joined(const std::string& identity, std::unique_ptr<sys::ByteStream> stream);

  Engine& engine_;
  const net::KeptKey secret_{net::random_key()};
  const std::string plan_;
  std::mutex mutex_;                        // guards the two below
  std::map<std::string, uint32_t> groups_;  // how many of each
  std::set<std::string> used_;
  std::unique_ptr<net::Listener> listener_;  // last: its thread uses the others
};

}  // namespace avenir::engine
