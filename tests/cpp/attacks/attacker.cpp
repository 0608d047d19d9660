// Attacks a whole session over the network, with and without its key; tests/attacks/attacks.R runs this program.
//
//   attacker                         names the attacks
//   attacker NAME TICKET RANK HELLO  does one: prints what came of it; status 0 when that is as it must be
//   attacker between:HOW TICKET      stands between one node and the session (between.cpp): prints its port first
//
// TICKET: the file of a ticket. RANK: of its group; it and the next 999 are not used yet. HELLO: avenir's version, R's
// and the platform, each behind a "|".

#include <cstdio>
#include <fstream>
#include <sstream>

#include "attacks/attack.h"
#include "foreign_peer.h"

namespace avenir::testing {

Outcome closed(bool is) { return {is, is ? "closed" : "**still open**"}; }

Stream Target::join(uint32_t beyond) const {
  return net::connect("127.0.0.1", port(), identity(beyond).text(), key(beyond), base::Deadline::in_seconds(kPatience));
}

std::string frame(wire::FrameType type, uint64_t id, const base::Bytes& body) {
  const wire::FrameHeader header{type, 0, id, body.size()};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  return bytes.append(body.begin(), body.end());
}

}  // namespace avenir::testing

namespace {

using namespace avenir;
using namespace avenir::testing;

constexpr const char* kBetween = "between:";

engine::Ticket ticket_in(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return engine::Ticket::parse(line);
}

Target target_of(char** argv) {
  Target target;
  target.ticket = ticket_in(argv[2]);
  target.rank = static_cast<uint32_t>(std::stoul(argv[3]));
  std::stringstream words(argv[4]);
  for (std::string* text : {&target.hello.avenir, &target.hello.r, &target.hello.platform})
    std::getline(words, *text, '|');
  target.hello.host = "attacker";
  target.hello.pid = 1;
  target.hello.workers = target.hello.cores = 1;
  return target;
}

int run(const Attack& attack, const Target& target) {
  Outcome outcome{false, ""};
  try {
    outcome = attack.run(target);
  } catch (const std::exception& error) {
    outcome.words = error.what();
  }
  std::puts(outcome.words.c_str());
  return outcome.right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const SigpipeIgnored quiet;
  if (argc == 3 && name.rfind(kBetween, 0) == 0)
    return stand_between(name.substr(std::string(kBetween).size()), ticket_in(argv[2]).port) ? 0 : 1;
  for (const auto* attacks : {&attacks_from_outside(), &attacks_from_inside()})
    for (const Attack& attack : *attacks) {
      if (argc == 1) std::puts(attack.name);
      if (argc == 5 && name == attack.name) return run(attack, target_of(argv));
    }
  return argc == 1 ? 0 : 2;
}
