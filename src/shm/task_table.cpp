#include "shm/task_table.h"

#include <algorithm>
#include <new>
#include <string>

#include "base/error.h"

namespace avenir::shm {

namespace {

constexpr uint64_t kMagic = 0x31454c4241545641;  // "AVTABLE1"
constexpr uint64_t kMostPositions = uint64_t{1} << 40;

size_t table_size(uint64_t positions) { return sizeof(TableHeader) + positions * sizeof(uint32_t); }

}  // namespace

TaskTable::TaskTable(sys::OwnFd fd, uint64_t positions, uint64_t units, uint32_t workers)
    : fd_(std::move(fd)),
      mapping_(fd_.get(), table_size(positions), sys::MapMode::kShared),
      positions_(positions),
      units_(units),
      workers_(workers) {}

TaskTable TaskTable::create(uint64_t positions, uint64_t units, uint32_t workers, bool keep_going) {
  sys::OwnFd fd = sys::make_memory_file("avenir-table");
  sys::resize_file(fd.get(), table_size(positions));
  TaskTable table(std::move(fd), positions, units, workers);
  auto* header = new (table.mapping_.data()) TableHeader;
  header->magic = kMagic;
  header->positions = positions;
  header->units = units;
  header->workers = workers;
  header->keep_going = keep_going ? 1 : 0;
  header->next = 0;
  header->stop_at = ~uint64_t{0};
  return table;
}

TaskTable TaskTable::attach(sys::OwnFd fd) {
  const uint64_t size = sys::file_size(fd.get());
  const auto refuse = [&] {
    throw base::Error(base::ErrorKind::kDisconnected,
                      "a task table of " + std::to_string(size) + " bytes has a broken header");
  };
  if (size < sizeof(TableHeader)) refuse();
  const sys::Mapping probe(fd.get(), sizeof(TableHeader), sys::MapMode::kReadOnly);
  const auto* header = reinterpret_cast<const TableHeader*>(probe.data());
  const uint64_t positions = header->positions, units = header->units;
  if (header->magic != kMagic || positions > kMostPositions || table_size(positions) > size || units > positions)
    refuse();
  return TaskTable(std::move(fd), positions, units, header->workers);
}

UnitRange TaskTable::claim(uint64_t count) {
  // Looked at first, so that late comers don't push `next` ever further.
  if (units_left() == 0) return {units_, units_};
  const uint64_t begin = std::min(header()->next.fetch_add(count), units_);
  return {begin, std::min(begin + count, units_)};
}

uint64_t TaskTable::units_left() const {
  const uint64_t next = header()->next.load(std::memory_order_acquire);
  return next < units_ ? units_ - next : 0;
}

void TaskTable::stop_from(uint64_t position) {
  auto& stop_at = header()->stop_at;
  uint64_t seen = stop_at.load();
  while (position < seen && !stop_at.compare_exchange_weak(seen, position)) {
  }
}

SharedSlot::SharedSlot(sys::OwnFd fd)
    : fd_(std::move(fd)), mapping_(fd_.get(), sizeof(WorkerSlot), sys::MapMode::kShared) {}

SharedSlot SharedSlot::create() {
  sys::OwnFd fd = sys::make_memory_file("avenir-slot");
  sys::resize_file(fd.get(), sizeof(WorkerSlot));
  return SharedSlot(std::move(fd));
}

SharedSlot SharedSlot::attach(sys::OwnFd fd) {
  if (sys::file_size(fd.get()) < sizeof(WorkerSlot))
    throw base::Error(base::ErrorKind::kDisconnected, "a worker's slot is too short");
  SharedSlot slot(std::move(fd));
  slot.take_fd();
  return slot;
}

}  // namespace avenir::shm
