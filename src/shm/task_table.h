#pragma once

// The shared task table of one map: workers claim positions from it without a message.
//
//   TableHeader, then one 32-bit state word a position (kFree, or the worker's number with kClaimed or
//   kStarted).
//
// A position is the place of an element in the processing order. `next` counts claim units: single positions
// (adaptive chunks), or the explicit chunks whose ends stand in the job's data. A worker marks a unit's
// positions claimed, and each one started before it evaluates it; so when it dies the session knows which
// elements were lost and which were only claimed. Between the fetch_add and the marks there is a gap of
// nanoseconds: what falls into it is found when no worker is left in the map.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "sys/fd.h"
#include "sys/memory_file.h"

namespace avenir::shm {

constexpr uint32_t kStateFree = 0;
constexpr uint32_t kStateClaimed = 1u << 30;
constexpr uint32_t kStateStarted = 2u << 30;
constexpr uint32_t kStateKind = 3u << 30;

struct TableHeader {
  uint64_t magic;
  uint64_t positions;
  uint64_t units;
  uint32_t workers;     // of the plan: claim sizes follow
  uint32_t keep_going;  // 1: an error does not stop later positions
  std::atomic<uint64_t> next;
  std::atomic<uint64_t> stop_at;  // positions from here on are not to be started
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);
static_assert(sizeof(TableHeader) == 48);

struct UnitRange {
  uint64_t begin, end;
};

class TaskTable {
 public:
  static TaskTable create(uint64_t positions, uint64_t units, uint32_t workers, bool keep_going);
  // A table that came from another process; its size and header are checked.
  static TaskTable attach(sys::OwnFd fd);

  const sys::OwnFd& fd() const { return fd_; }
  // Gives the file away; the mapping stays.
  sys::OwnFd take_fd() { return std::move(fd_); }
  uint64_t positions() const { return positions_; }
  uint64_t units() const { return units_; }
  uint32_t workers() const { return workers_; }
  bool keep_going() const { return header()->keep_going != 0; }

  // The next `count` units, fewer at the end; empty when all are taken.
  UnitRange claim(uint64_t count);
  uint64_t units_left() const;

  void mark(uint64_t position, uint32_t kind, uint32_t worker) {
    states()[position].store(kind | worker, std::memory_order_release);
  }
  uint32_t state(uint64_t position) const { return states()[position].load(std::memory_order_acquire); }

  // Positions from this one on are not to be started any more; never moves up.
  void stop_from(uint64_t position);
  uint64_t stopped_from() const { return std::min(positions_, header()->stop_at.load(std::memory_order_acquire)); }
  bool stopped(uint64_t position) const { return position >= header()->stop_at.load(std::memory_order_acquire); }

 private:
  TaskTable(sys::OwnFd fd, uint64_t positions, uint64_t units, uint32_t workers);
  TableHeader* header() const { return reinterpret_cast<TableHeader*>(mapping_.data()); }
  std::atomic<uint32_t>* states() const {
    return reinterpret_cast<std::atomic<uint32_t>*>(mapping_.data() + sizeof(TableHeader));
  }

  sys::OwnFd fd_;
  sys::Mapping mapping_;
  uint64_t positions_, units_;  // our own copies: the mapping is writable by others
  uint32_t workers_;
};

constexpr size_t kBatchCapacity = 64 * 1024;

// What one worker does, for the session: written by the worker before it evaluates, read when it has died.
struct WorkerSlot {
  uint64_t worker;                 // its number, written by the session before the worker exists
  uint64_t memory_limit;           // so is this: bytes; 0: none
  std::atomic<uint64_t> job;       // 0: none
  std::atomic<uint64_t> position;  // of that job, when it is a map
  std::atomic<uint64_t> began;     // when, in nanoseconds of the monotonic clock, if the job has a time limit
  std::atomic<uint64_t> quit;      // 1 when the code has called quit()
  std::atomic<uint32_t> threads;   // of libraries, for the next job: the session's to change
  uint32_t reserved;
  // Answers that are not sent yet (AnswerHead and bytes, as in a kAnswer frame): a worker that dies takes none with it.
  std::atomic<uint64_t> batch_job;
  std::atomic<uint64_t> batch_size;
  uint8_t batch[kBatchCapacity];
};

class SharedSlot {
 public:
  static SharedSlot create();
  static SharedSlot attach(sys::OwnFd fd);
  const sys::OwnFd& fd() const { return fd_; }
  // Gives the file away; the mapping stays.
  sys::OwnFd take_fd() { return std::move(fd_); }
  WorkerSlot& operator*() const { return *reinterpret_cast<WorkerSlot*>(mapping_.data()); }
  WorkerSlot* operator->() const { return &**this; }

 private:
  explicit SharedSlot(sys::OwnFd fd);
  sys::OwnFd fd_;
  sys::Mapping mapping_;
};

}  // namespace avenir::shm
