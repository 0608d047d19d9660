#include <doctest/doctest.h>

#include "engine/cluster_port.h"
#include "engine/node_channel.h"
#include "engine/ticket.h"
#include "fake_worker.h"
#include "net/connect.h"
#include "net/tls_missing.h"
#include "support.h"
#include "sys/poller.h"
#include "test_session.h"

// Tickets, and the way of a node to its session through TLS.

using avenir::base::Deadline;
using avenir::base::ErrorKind;
using namespace avenir::testing;
namespace base = avenir::base;
namespace engine = avenir::engine;
namespace net = avenir::net;
namespace wire = avenir::wire;

namespace {

std::unique_ptr<avenir::sys::ByteStream> connect(const engine::Ticket& ticket, const engine::NodeIdentity& identity) {
  return net::connect(ticket.addresses[0], ticket.port, identity.text(), engine::node_key(ticket.key, identity),
                      Deadline::in_seconds(kPatience));
}

}  // namespace

TEST_SUITE_BEGIN("cluster port");

TEST_CASE("a ticket says what it was made of, and what is none is refused without being repeated") {
  engine::Ticket ticket;
  ticket.addresses = {"10.0.0.1", "host"};
  ticket.port = 65535;
  ticket.plan = "0123abcd";
  ticket.group = "g-1";
  ticket.key = net::random_key();
  ticket.count = 7;
  const engine::Ticket read = engine::Ticket::parse(ticket.line() + "\r\n");
  CHECK(read.line() == ticket.line());
  CHECK(read.addresses == ticket.addresses);
  CHECK(read.key == ticket.key);
  const std::string key = net::to_hex(ticket.key);
  for (const std::string& bad : {std::string(), std::string("avenir-ticket"), "avenir-ticket 2 a 1 p g " + key + " 1",
                                 "avenir-ticket 1 a 65536 p g " + key + " 1", "avenir-ticket 1 a -1 p g " + key + " 1",
                                 "avenir-ticket 1 a 1 p g/h " + key + " 1", "avenir-ticket 1 a 1 p g " + key + "0 1",
                                 "avenir-ticket 1 a 1 p g " + key + " x", ticket.line() + " more"}) {
    const std::string message = error_message_of([&] { engine::Ticket::parse(bad); });
    CHECK(!message.empty());
    CHECK(message.find(key) == std::string::npos);
  }
}

TEST_CASE("an identity is written in one way") {
  const engine::NodeIdentity identity{"p", "g", 3, 1};
  CHECK(engine::parse_identity("p/g/3/1").text() == identity.text());
  for (const char* bad : {"", "p/g/3", "p/g/03/1", "p/g/3/1/", "p/g/+3/1", "p/g/-3/1", "p/g/3/1x"})
    CHECK(error_kind_of([&] { engine::parse_identity(bad); }) == ErrorKind::kInvalid);
}

TEST_CASE("a node with a ticket is let in once; others, and those of a forgotten group, are not") {
  if (!net::tls_missing().empty()) return;
  TestSession session(options_for_nodes());
  const auto port = std::make_shared<engine::ClusterPort>(session.engine(), "127.0.0.1", 0);
  session.engine().set_port(port);
  const engine::Ticket ticket = port->ticket("g", 2, {"127.0.0.1"});
  engine::NodeChannel node(connect(ticket, {ticket.plan, "g", 1, 0}));
  node.push(wire::FrameType::kNodeHello, 0, fake_node_hello().encode());
  node.flush();
  std::vector<wire::Frame> frames;
  CHECK(eventually([&] {
    node.receive(frames);
    return !frames.empty();
  }));
  CHECK(frames[0].header.type == wire::FrameType::kNodeWelcome);
  CHECK(session.engine().node_infos().size() == 1);
  CHECK_FALSE(error_message_of([&] { connect(ticket, {ticket.plan, "g", 1, 0}); }).empty());
  CHECK_FALSE(error_message_of([&] { connect(ticket, {ticket.plan, "g", 2, 0}); }).empty());
  CHECK_FALSE(error_message_of([&] { connect(ticket, {"other", "g", 0, 0}); }).empty());
  port->forget("g");
  CHECK_FALSE(error_message_of([&] { connect(ticket, {ticket.plan, "g", 0, 0}); }).empty());
}
