#pragma once

#include <cstdint>
#include <vector>

#include "base/deadline.h"
#include "sys/fd.h"
#ifdef AVENIR_PORTABLE
#include <map>
#include <mutex>
#endif

namespace avenir::sys {

// Waits for many descriptors at once: epoll, or poll() in the portable variant.
//
// One thread waits; add, want_write and remove may be called from any thread while it does.
class Poller {
 public:
  struct Event {
    uint64_t token;
    bool readable;  // also when the other side is gone: the next read tells
    bool writable;
  };

  Poller();
  void add(int fd, uint64_t token);
  void want_write(int fd, uint64_t token, bool wanted);
  void remove(int fd);
  // Somebody else reads the descriptor for a while: only that the other side is gone is an event. The portable variant
  // goes on as before.
  void leave_reading(int fd, uint64_t token, bool to_others);
  // Events of one wait; empty when the deadline passed or a signal came.
  std::vector<Event> wait(base::Deadline deadline);
  void close();

 private:
#ifdef AVENIR_PORTABLE
  struct Watch {
    uint64_t token;
    bool write;
  };
  std::mutex mutex_;
  std::map<int, Watch> watches_;
  WakeUp changed_;
#else
  OwnFd epoll_;
#endif
};

// Waits for one descriptor to become readable; false when the deadline passed or a signal came first.
bool wait_readable(int fd, base::Deadline deadline);

}  // namespace avenir::sys
