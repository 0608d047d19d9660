#include <doctest/doctest.h>

#include <thread>

#include "support.h"
#include "sys/poller.h"
#include "sys/socket_pair.h"

using avenir::base::Deadline;
using namespace avenir::sys;
using namespace avenir::testing;

namespace {

// Waits until something has happened: a wait may also end with no event.
std::vector<Poller::Event> events_of(Poller& poller) {
  std::vector<Poller::Event> events;
  REQUIRE(eventually([&] { return !(events = poller.wait(Deadline::in_seconds(kPatience))).empty(); }));
  return events;
}

}  // namespace

TEST_CASE("a descriptor with something to read is reported with its token, again until it is read") {
  Poller poller;
  FdPair quiet = make_socket_pair(), busy = make_socket_pair();
  poller.add(quiet.first.get(), 1);
  poller.add(busy.first.get(), ~uint64_t{0} - 1);
  write_all(busy.second.get(), "x", 1);
  for (int turn = 0; turn < 2; ++turn) {
    const auto events = events_of(poller);
    REQUIRE(events.size() == 1);
    CHECK(events[0].token == ~uint64_t{0} - 1);
    CHECK(events[0].readable);
    CHECK_FALSE(events[0].writable);
  }
  char byte;
  read_all(busy.first.get(), &byte, 1);
  CHECK(poller.wait(Deadline::now()).empty());
}

TEST_CASE("the other side's end is reported as something to read") {
  Poller poller;
  FdPair ends = make_socket_pair();
  poller.add(ends.first.get(), 3);
  ends.second.reset();
  const auto events = events_of(poller);
  REQUIRE(events.size() == 1);
  CHECK(events[0].readable);
}

#ifndef AVENIR_PORTABLE
TEST_CASE("while somebody else reads a descriptor only its end is an event") {
  Poller poller;
  FdPair ends = make_socket_pair();
  poller.add(ends.first.get(), 4);
  poller.leave_reading(ends.first.get(), 4, true);
  write_all(ends.second.get(), "x", 1);
  CHECK(poller.wait(Deadline::now()).empty());
  poller.leave_reading(ends.first.get(), 4, false);
  CHECK(events_of(poller).size() == 1);
  poller.leave_reading(ends.first.get(), 4, true);
  ends.second.reset();
  CHECK(events_of(poller).size() == 1);
}
#endif

TEST_CASE("room to write is reported only while it is wanted") {
  Poller poller;
  FdPair ends = make_socket_pair();
  poller.add(ends.first.get(), 5);
  poller.want_write(ends.first.get(), 5, true);
  const auto events = events_of(poller);
  REQUIRE(events.size() == 1);
  CHECK(events[0].writable);
  CHECK_FALSE(events[0].readable);
  poller.want_write(ends.first.get(), 5, false);
  CHECK(poller.wait(Deadline::now()).empty());
}

TEST_CASE("a removed descriptor is silent") {
  Poller poller;
  FdPair ends = make_socket_pair();
  poller.add(ends.first.get(), 5);
  write_all(ends.second.get(), "x", 1);
  poller.remove(ends.first.get());
  CHECK(poller.wait(Deadline::now()).empty());
}

TEST_CASE("a descriptor that another thread adds ends a wait that has begun") {
  Poller poller;
  FdPair ends = make_socket_pair();
  write_all(ends.second.get(), "x", 1);
  std::vector<Poller::Event> events;
  std::thread waiter([&] { events = events_of(poller); });
  poller.add(ends.first.get(), 9);
  waiter.join();
  REQUIRE(events.size() == 1);
  CHECK(events[0].token == 9);
}

TEST_CASE("hundreds of descriptors that are ready are all reported in the end") {
  Poller poller;
  std::vector<FdPair> pairs(200);
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = make_socket_pair();
    poller.add(pairs[i].first.get(), i + 1);
    write_all(pairs[i].second.get(), "x", 1);
  }
  std::set<uint64_t> seen;
  CHECK(eventually([&] {
    for (const auto& event : poller.wait(Deadline::now())) {
      seen.insert(event.token);
      char byte;
      read_all(pairs[event.token - 1].first.get(), &byte, 1);
    }
    return seen.size() == pairs.size();
  }));
}

TEST_CASE("a poller leaves no descriptor behind") {
  const auto before = open_fds();
  {
    Poller used, closed;
    closed.close();
  }
  CHECK(open_fds() == before);
}

TEST_CASE("waiting for one descriptor is true when it can be read and false at the deadline") {
  FdPair ends = make_socket_pair();
  CHECK_FALSE(wait_readable(ends.first.get(), Deadline::now()));
  write_all(ends.second.get(), "x", 1);
  CHECK(wait_readable(ends.first.get(), Deadline::in_seconds(kPatience)));
}
