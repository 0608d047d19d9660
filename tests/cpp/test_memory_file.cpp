#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/region.h"
#include "support.h"
#include "sys/memory_file.h"
#include "sys/memory_use.h"

using avenir::base::ErrorKind;
using namespace avenir::sys;
using namespace avenir::testing;
namespace shm = avenir::shm;

TEST_CASE("a memory file is empty, close-on-exec and has no name that another process could open") {
  const OwnFd file = make_memory_file("test");
  CHECK(file_size(file.get()) == 0);
  CHECK((::fcntl(file.get(), F_GETFD) & FD_CLOEXEC) != 0);
  const std::string name = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file.get())).string();
  CHECK(name.find("(deleted)") != std::string::npos);
}

TEST_CASE("writing at an offset makes the file longer and leaves a gap of zeros") {
  const OwnFd file = make_memory_file("test");
  write_at(file.get(), "xyz", 3, 10);
  CHECK(file_size(file.get()) == 13);
  seal_against_writes(file.get());
  const auto bytes = shm::attach(file, 13);
  CHECK(text(bytes.slice(10, 3)) == "xyz");
  CHECK(bytes.data()[9] == 0);
}

TEST_CASE("writing nothing changes nothing") {
  const OwnFd file = make_memory_file("test");
  write_at(file.get(), nullptr, 0, 100);
  CHECK(file_size(file.get()) == 0);
}

TEST_CASE("a published region can be read and, where seals exist, changed by nobody") {
  const OwnFd file = shm::publish("published", 9, "test");
  CHECK(text(shm::attach(file, 9)) == "published");
#ifndef AVENIR_PORTABLE
  CHECK_THROWS_AS(write_at(file.get(), "x", 1, 0), avenir::base::Error);
  CHECK_THROWS_AS(resize_file(file.get(), 3), avenir::base::Error);
  CHECK_THROWS_AS(Mapping(file.get(), 9, MapMode::kShared), avenir::base::Error);
#endif
}

TEST_CASE("a file that is shorter than announced is refused: reading past its end would be fatal") {
  const OwnFd file = shm::publish("short", 5, "test");
  CHECK(error_kind_of([&] { shm::attach(file, 6); }) == ErrorKind::kDisconnected);
  CHECK(error_kind_of([&] { shm::attach(file, ~size_t{0}); }) == ErrorKind::kDisconnected);
}

#ifndef AVENIR_PORTABLE
TEST_CASE("a file that could become shorter is refused: whoever reads it then would end") {
  const OwnFd file = make_memory_file("test");
  write_at(file.get(), "text", 4, 0);
  CHECK(error_kind_of([&] { shm::attach(file, 4); }) == ErrorKind::kDisconnected);
  seal_against_resizing(file.get());
  CHECK(text(shm::attach(file, 4)) == "text");
}
#endif

TEST_CASE("a region of no bytes can be published and attached") {
  const OwnFd file = shm::publish("", 0, "test");
  CHECK(shm::attach(file, 0).size() == 0);
}

TEST_CASE("attached bytes outlive the descriptor") {
  OwnFd file = shm::publish("still here", 10, "test");
  const auto bytes = shm::attach(file, 10);
  file.reset();
  CHECK(text(bytes) == "still here");
}

TEST_CASE("a shared mapping is one memory for all who map it") {
  const OwnFd file = make_memory_file("test");
  resize_file(file.get(), 4096);
  Mapping first(file.get(), 4096, MapMode::kShared);
  const Mapping second(file.get(), 4096, MapMode::kReadOnly);
  first.data()[17] = 5;
  CHECK(second.data()[17] == 5);
  const Mapping moved = std::move(first);
  CHECK(moved.data()[17] == 5);
  CHECK(first.data() == nullptr);
}

TEST_CASE("the tail of a file is its last bytes, all of it when it is short") {
  const OwnFd file = make_memory_file("test");
  CHECK(read_tail(file.get(), 10).empty());
  write_at(file.get(), "0123456789", 10, 0);
  CHECK(read_tail(file.get(), 4) == "6789");
  CHECK(read_tail(file.get(), 100) == "0123456789");
}

TEST_CASE("a process has memory in use, one that is not there has none that is known") {
  if (const auto used = avenir::sys::resident_memory(::getpid())) CHECK(*used > 100000);
  CHECK(!avenir::sys::resident_memory(-1));
}
