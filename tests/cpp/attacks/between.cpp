// Who stands between one node and the session, and passes records on: all but one as they are. Or in the session's
// place, without its key.
//
//   flip drop repeat swap cut   of a node's records the 40th (of 0)
//   pause halt                  the same, for 1 s and for 6 s: nothing passes
//   replay                      cuts, and says all that the node has said to the session again
//   rogue garbage               a session with another key; one that speaks no TLS

#include <poll.h>

#include <atomic>
#include <cstdio>

#include "attacks/attack.h"

namespace avenir::testing {

namespace {

using Passed = std::optional<Relay::Records>;

constexpr size_t kChosen = 40;

void tell(uint16_t port) {
  std::printf("%d\n", static_cast<int>(port));
  std::fflush(stdout);
}

void rest(int seconds) { ::poll(nullptr, 0, 1000 * seconds); }

// `held` waits for the next.
Passed treat(const std::string& how, size_t index, const std::string& record, std::string& held) {
  const Relay::Records as_it_is{record};
  if (index == kChosen + 1 && how == "swap") return Relay::Records{record, held};
  if (index != kChosen) return as_it_is;
  if (how == "cut") return std::nullopt;
  if (how == "drop") return Relay::Records{};
  if (how == "repeat") return Relay::Records{record, record};
  if (how == "pause") rest(1);
  if (how == "halt") rest(6);
  if (how == "pause" || how == "halt") return as_it_is;
  held = record;
  if (how == "swap") return Relay::Records{};
  held[held.size() / 2] ^= 1;
  return Relay::Records{held};
}

bool change_records(const std::string& how, uint16_t session) {
  std::string held;
  std::atomic<bool> reached{false};
  Relay relay(session, [&](bool to_session, size_t index, const std::string& record) -> Passed {
    if (!to_session) return Relay::Records{record};
    reached = reached || index == kChosen;
    return treat(how, index, record, held);
  });
  tell(relay.port());
  relay.wait();
  return reached;
}

bool replay(uint16_t session) {
  Relay relay(session, [&](bool to_session, size_t index, const std::string& record) -> Passed {
    if (to_session && index == kChosen) return std::nullopt;
    return Relay::Records{record};
  });
  tell(relay.port());
  relay.wait();
  const sys::OwnFd again = tcp_connect(session);
  send_bytes(again.get(), relay.sent_to_session());
  return eventually_closed(again.get());
}

// True: the node has tried, and was not content.
bool rogue() {
  net::Listener::Callbacks callbacks;
  callbacks.key_of = [](const std::string&) { return net::random_key(); };
  callbacks.joined = [](const std::string&, Stream) {};
  const net::Listener listener("127.0.0.1", 0, callbacks);
  tell(listener.port());
  eventually([&] { return listener.counts().refused + listener.counts().accepted > 0; });
  rest(5);  // the node tries again
  return listener.counts().refused > 0 && listener.counts().accepted == 0;
}

bool garbage() {
  bool ended = false;
  {
    FakeServer server([&](sys::OwnFd node) {
      send_bytes(node.get(), patterned(3000));
      ended = eventually_closed(node.get());
    });
    tell(server.port());
  }
  return ended;
}

}  // namespace

bool stand_between(const std::string& how, uint16_t session) {
  if (how == "replay") return replay(session);
  if (how == "rogue") return rogue();
  if (how == "garbage") return garbage();
  return change_records(how, session);
}

}  // namespace avenir::testing
