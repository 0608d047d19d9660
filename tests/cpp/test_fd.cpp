#include <doctest/doctest.h>

#include <fcntl.h>

#include "support.h"
#include "sys/fd.h"
#include "sys/memory_file.h"
#include "sys/poller.h"
#include "sys/socket_pair.h"

using avenir::base::Deadline;
using namespace avenir::sys;
using namespace avenir::testing;

TEST_CASE("a descriptor is closed once, by its last owner") {
  OwnFd first = make_memory_file("test");
  const int number = first.get();
  OwnFd second = std::move(first);
  CHECK_FALSE(first.valid());
  CHECK(is_open(number));
  second = make_memory_file("test");
  CHECK_FALSE(is_open(number));
}

TEST_CASE("moving a descriptor onto itself keeps it") {
  OwnFd fd = make_memory_file("test");
  OwnFd& same = fd;
  fd = std::move(same);
  CHECK(is_open(fd.get()));
}

TEST_CASE("a released descriptor stays open") {
  OwnFd fd = make_memory_file("test");
  const OwnFd again(fd.release());
  CHECK_FALSE(fd.valid());
  CHECK(is_open(again.get()));
}

TEST_CASE("a duplicate is another descriptor, close-on-exec, outside the standard three") {
  const OwnFd fd = make_memory_file("test");
  const OwnFd copy = duplicate(fd);
  CHECK(copy.get() != fd.get());
  CHECK(copy.get() > 2);
  CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("duplicating what is closed is an error") { CHECK_THROWS_AS(duplicate(OwnFd()), avenir::base::Error); }

TEST_CASE("write_all and read_all move all bytes; the end of the other side is false") {
  FdPair ends = make_socket_pair();
  REQUIRE(write_all(ends.first.get(), "abc", 3));
  ends.first.reset();
  char got[3];
  REQUIRE(read_all(ends.second.get(), got, 3));
  CHECK(std::string(got, 3) == "abc");
  CHECK_FALSE(read_all(ends.second.get(), got, 1));
}

TEST_CASE("many wakes are one readable descriptor, and one drain takes them all") {
  WakeUp wake;
  CHECK_FALSE(wait_readable(wake.fd(), Deadline::now()));
  for (int i = 0; i < 100000; ++i) wake.wake();
  CHECK(wait_readable(wake.fd(), Deadline::now()));
  wake.drain();
  CHECK_FALSE(wait_readable(wake.fd(), Deadline::now()));
  wake.wake();
  CHECK(wait_readable(wake.fd(), Deadline::now()));
  wake.drain();
  CHECK_FALSE(wait_readable(wake.fd(), Deadline::now()));
}

TEST_CASE("draining what nobody has woken does not wait") {
  WakeUp wake;
  wake.drain();
  CHECK_FALSE(wait_readable(wake.fd(), Deadline::now()));
}

TEST_CASE("a wake-up leaves no descriptor behind, closed by hand or not") {
  const auto before = open_fds();
  {
    WakeUp wake, closed;
    closed.close();
  }
  CHECK(open_fds() == before);
}
