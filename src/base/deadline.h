#pragma once

#include <algorithm>
#include <chrono>

namespace avenir::base {

// A point on the monotonic clock: steps of the wall clock never move it.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline never() { return Deadline(Clock::time_point::max()); }
  static Deadline now() { return Deadline(Clock::now()); }

  // Negative, NaN and huge values are allowed: "now" and "never".
  static Deadline in_seconds(double seconds) {
    if (!(seconds < 1e9)) return never();
    return Deadline(Clock::now() +
                    std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::max(seconds, 0.0))));
  }

  bool is_never() const { return at_ == Clock::time_point::max(); }
  bool passed() const { return !is_never() && Clock::now() >= at_; }

  // For poll() and epoll_wait(): -1 for never, else rounded up, so that a wait does not end just before the
  // deadline.
  int poll_timeout_ms() const {
    if (is_never()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 1 << 30));
  }

  friend bool operator<(const Deadline& a, const Deadline& b) { return a.at_ < b.at_; }

 private:
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

}  // namespace avenir::base
