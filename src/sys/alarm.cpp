#include "sys/alarm.h"

#include <algorithm>

#include "base/error.h"
#include "sys/poller.h"
#include "sys/signals.h"
#include "sys/thread.h"

namespace avenir::sys {

AlarmClock::AlarmClock(int signal, double repeat_seconds) : signal_(signal), repeat_seconds_(repeat_seconds) {}

AlarmClock::~AlarmClock() {
  std::unique_ptr<std::thread> thread;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
    thread = std::move(thread_);
    if (thread) changed_->wake();
  }
  if (thread) thread->join();
}

uint64_t AlarmClock::arm(double seconds) {
  const auto at = base::Deadline::in_seconds(seconds);
  std::lock_guard<std::mutex> lock(mutex_);
  if (!thread_) start_thread();
  alarms_.push_back({++last_, at, ::pthread_self()});
  // As a rule the thread sleeps no longer than that anyway: the alarm before this one has left it so.
  if (at < wakes_at_) changed_->wake();
  return last_;
}

bool AlarmClock::disarm(uint64_t alarm) {
  bool rang = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found =
        std::find_if(alarms_.begin(), alarms_.end(), [&](const Alarm& one) { return one.number == alarm; });
    if (found == alarms_.end()) return false;
    rang = found->rang;
    alarms_.erase(found);
  }
  if (rang) drain_signal(signal_);
  return rang;
}

// mutex_ held.
void AlarmClock::start_thread() {
  changed_.emplace();
  wakes_at_ = base::Deadline::never();
  thread_ = std::make_unique<std::thread>(sys::start_thread("a time limit", [this] { watch(); }));
}

void AlarmClock::watch() {
  for (;;) {
    auto until = base::Deadline::never();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (ending_) return;
      changed_->drain();
      until = wakes_at_ = ring();
    }
    wait_readable(changed_->fd(), until);
  }
}

// mutex_ held, so that no alarm is disarmed meanwhile. The next time.
base::Deadline AlarmClock::ring() {
  auto next = base::Deadline::never();
  for (Alarm& alarm : alarms_) {
    if (alarm.at.passed()) {
      alarm.rang = true;
      alarm.at = base::Deadline::in_seconds(repeat_seconds_);
      ::pthread_kill(alarm.thread, signal_);
    }
    next = std::min(next, alarm.at);
  }
  return next;
}

void AlarmClock::before_fork() { mutex_.lock(); }

void AlarmClock::after_fork_in_parent() { mutex_.unlock(); }

void AlarmClock::after_fork_in_child() {
  alarms_.clear();
  changed_.reset();
  (void)thread_.release();  // there is nothing behind it that could be joined or detached
  mutex_.unlock();
}

}  // namespace avenir::sys
