#include "engine/cluster_port.h"

#include "base/error.h"

namespace avenir::engine {

ClusterPort::ClusterPort(Engine& engine, const std::string& address, uint16_t port)
    : engine_(engine), plan_(net::to_hex(net::random_key()).substr(0, 16)) {
  listener_ = std::make_unique<net::Listener>(
      address, port,
      net::Listener::Callbacks{[this](const std::string& identity) { return key_of(identity); },
                               [this](const std::string& identity, std::unique_ptr<sys::ByteStream> stream) {
                                 joined(identity, std::move(stream));
                               }});
}

ClusterPort::~ClusterPort() { listener_.reset(); }

Ticket ClusterPort::ticket(const std::string& group, uint32_t count, std::vector<std::string> addresses) {
  check_group(group);
  Ticket ticket;
  ticket.addresses = std::move(addresses);
  ticket.port = port();
  ticket.plan = plan_;
  ticket.group = group;
  ticket.key = group_key(secret_.get(), plan_, group);
  ticket.count = count;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    groups_[group] = count;
  }
  engine_.open_group(group);
  return ticket;
}

void ClusterPort::forget(const std::string& group) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    groups_.erase(group);
  }
  engine_.close_group(group);
}

// ---- the listener's thread

std::optional<net::Key> ClusterPort::key_of(const std::string& text) {
  try {
    const NodeIdentity identity = parse_identity(text);
    std::lock_guard<std::mutex> lock(mutex_);
    const auto group = groups_.find(identity.group);
    if (identity.plan != plan_ || group == groups_.end() || identity.rank >= group->second || used_.count(text) > 0)
      return std::nullopt;
    return node_key(group_key(secret_.get(), plan_, identity.group), identity);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

void ClusterPort::joined(const std::string& identity, std::unique_ptr<sys::ByteStream> stream) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!used_.insert(identity).second) throw base::Error(base::ErrorKind::kInvalid, "it was used already");
  }
  engine_.add_node(identity, std::move(stream));
}

}  // namespace avenir::engine
