#pragma once

#include <pthread.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "sys/fd.h"
#include "sys/fork_guard.h"

namespace avenir::sys {

// Raises a signal on the threads whose time is up, each on the one that asked for it and no other; on the monotonic
// clock.
//
// A thread of its own does that, from the first arm() on; no signal handler ever runs there. A process forked by
// anybody has neither that thread nor any armed alarm, and starts a thread of its own when it arms one.
class AlarmClock final : private ForkAware {
 public:
  // An alarm that has rung rings again each `repeat_seconds`: code may have caught the first, or have been in a
  // system() call, which ignores SIGINT.
  AlarmClock(int signal, double repeat_seconds);
  ~AlarmClock();
  AlarmClock(const AlarmClock&) = delete;
  AlarmClock& operator=(const AlarmClock&) = delete;

  // For the calling thread. Throws when there can be no thread to watch the time.
  uint64_t arm(double seconds);
  // By the thread that has armed it: true when it has rung. None of its signals comes after that; one that is still
  // under way is taken back.
  bool disarm(uint64_t alarm);

 private:
  struct Alarm {
    uint64_t number;
    base::Deadline at;
    pthread_t thread;
    bool rang = false;
  };

  void start_thread();
  void watch();
  base::Deadline ring();

  void before_fork() override;
  void after_fork_in_parent() override;
  void after_fork_in_child() override;

  const int signal_;
  const double repeat_seconds_;

  std::mutex mutex_;  // guards all below
  std::vector<Alarm> alarms_;
  uint64_t last_ = 0;
  bool ending_ = false;
  base::Deadline wakes_at_ = base::Deadline::never();  // of the thread
  std::optional<WakeUp> changed_;
  std::unique_ptr<std::thread> thread_;
};

}  // namespace avenir::sys
