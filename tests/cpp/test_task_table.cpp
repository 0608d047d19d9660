#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "shm/region.h"
#include "shm/task_table.h"
#include "support.h"

using avenir::base::ErrorKind;
using namespace avenir::shm;
using namespace avenir::testing;
namespace sys = avenir::sys;

namespace {

TaskTable attach_to(const TaskTable& table) { return TaskTable::attach(sys::duplicate(table.fd())); }

// A table file with these header fields, and `size` bytes.
sys::OwnFd forged(uint64_t positions, uint64_t size, uint64_t units = 4) {
  const TaskTable good = TaskTable::create(4, 4, 1, false);
  sys::OwnFd fd = sys::duplicate(good.fd());
  sys::write_at(fd.get(), &positions, sizeof positions, offsetof(TableHeader, positions));
  sys::write_at(fd.get(), &units, sizeof units, offsetof(TableHeader, units));
  sys::resize_file(fd.get(), size);
  return fd;
}

}  // namespace

TEST_CASE("a table is the same for all who attach it") {
  TaskTable table = TaskTable::create(10, 5, 3, true);
  TaskTable other = attach_to(table);
  CHECK(other.positions() == 10);
  CHECK(other.units() == 5);
  CHECK(other.workers() == 3);
  CHECK(other.keep_going());
  CHECK(table.state(9) == kStateFree);
  other.mark(9, kStateStarted, 7);
  CHECK(table.state(9) == (kStateStarted | 7));
}

TEST_CASE("claims are disjoint and end with the last unit") {
  TaskTable table = TaskTable::create(10, 10, 1, false), other = attach_to(table);
  CHECK(table.claim(4).begin == 0);
  CHECK(other.claim(4).begin == 4);
  const UnitRange last = table.claim(4);
  CHECK(last.begin == 8);
  CHECK(last.end == 10);
  CHECK(table.units_left() == 0);
  for (int i = 0; i < 3; ++i) {
    const UnitRange none = other.claim(4);
    CHECK(none.begin == none.end);
  }
}

TEST_CASE("many threads claim every unit exactly once") {
  constexpr uint64_t kUnits = 20000;
  const TaskTable table = TaskTable::create(kUnits, kUnits, 4, false);
  std::vector<std::vector<uint64_t>> claimed(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < claimed.size(); ++i)
    threads.emplace_back([&, i] {
      TaskTable mine = attach_to(table);
      for (;;) {
        const UnitRange units = mine.claim(1 + i * 3);
        if (units.begin == units.end) return;
        for (uint64_t unit = units.begin; unit < units.end; ++unit) claimed[i].push_back(unit);
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::vector<uint64_t> all;
  for (const auto& part : claimed) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  REQUIRE(all.size() == kUnits);
  for (uint64_t unit = 0; unit < kUnits; ++unit) REQUIRE(all[unit] == unit);
}

TEST_CASE("a table without positions has nothing to claim") {
  TaskTable table = TaskTable::create(0, 0, 1, false);
  CHECK(attach_to(table).units_left() == 0);
  const UnitRange none = table.claim(1);
  CHECK(none.begin == none.end);
}

TEST_CASE("the stop moves down only, and counts for all") {
  TaskTable table = TaskTable::create(10, 10, 1, false), other = attach_to(table);
  CHECK_FALSE(table.stopped(9));
  table.stop_from(6);
  other.stop_from(8);
  CHECK_FALSE(other.stopped(5));
  CHECK(other.stopped(6));
  other.stop_from(0);
  CHECK(table.stopped(0));
}

TEST_CASE("a file that is no table, or announces more than it holds, is refused") {
  const auto refused = [](sys::OwnFd fd) {
    return error_kind_of([&] { TaskTable::attach(std::move(fd)); }) == ErrorKind::kDisconnected;
  };
  CHECK(refused(sys::make_memory_file("test")));
  CHECK(refused(publish(std::string(1000, 'x').data(), 1000, "test")));
  CHECK(refused(forged(4, sizeof(TableHeader) + 15)));
  CHECK(refused(forged(5, sizeof(TableHeader) + 16)));
  CHECK(refused(forged(uint64_t{1} << 62, sizeof(TableHeader) + 16)));
  CHECK(refused(forged(~uint64_t{0}, sizeof(TableHeader) + 16)));
  CHECK(refused(forged(4, sizeof(TableHeader) + 16, 5)));
  CHECK(TaskTable::attach(forged(4, sizeof(TableHeader) + 16)).units() == 4);
}

TEST_CASE("a slot is shared between the session and its worker") {
  const SharedSlot mine = SharedSlot::create();
  mine->worker = 12;
  const SharedSlot theirs = SharedSlot::attach(sys::duplicate(mine.fd()));
  CHECK(theirs->worker == 12);
  CHECK(theirs->job == 0);
  theirs->job = 99;
  CHECK(mine->job == 99);
}

TEST_CASE("a slot that is too short is refused") {
  CHECK(error_kind_of([] { SharedSlot::attach(sys::make_memory_file("test")); }) == ErrorKind::kDisconnected);
}
