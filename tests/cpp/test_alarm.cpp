#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <limits>
#include <thread>

#include "support.h"
#include "sys/alarm.h"

using avenir::sys::AlarmClock;
using namespace avenir::testing;

namespace {

constexpr double kNever = 1e6, kSeldom = 1e6, kAtOnce = 0;

std::atomic<int> rung{0};
std::atomic<pthread_t> rung_on;

void note(int) {
  rung_on = ::pthread_self();
  ++rung;
}

// SIGUSR1 is counted while one lives.
class Counted {
 public:
  Counted() {
    rung = 0;
    struct sigaction action {};
    action.sa_handler = note;
    ::sigaction(SIGUSR1, &action, &before_);
  }
  ~Counted() { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

}  // namespace

TEST_CASE("an alarm rings on the thread that has armed it, and says so") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  const auto alarm = clock.arm(0.01);
  REQUIRE(eventually([] { return rung > 0; }));
  CHECK(::pthread_equal(rung_on, ::pthread_self()) != 0);
  CHECK(clock.disarm(alarm));
}

TEST_CASE("an alarm of another thread rings there") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  bool there = false, said = false;
  std::thread other([&] {
    const auto alarm = clock.arm(kAtOnce);
    eventually([] { return rung > 0; });
    there = ::pthread_equal(rung_on, ::pthread_self()) != 0;
    said = clock.disarm(alarm);
  });
  other.join();
  CHECK(there);
  CHECK(said);
}

TEST_CASE("what is disarmed in time does not ring, and neither does what is not known") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  const auto first = clock.arm(kNever);
  CHECK_FALSE(clock.disarm(first));
  CHECK_FALSE(clock.disarm(first));
  CHECK_FALSE(clock.disarm(first + 1));
  CHECK(rung == 0);
}

TEST_CASE("a time that is never over never rings") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  const auto alarm = clock.arm(std::numeric_limits<double>::infinity());
  CHECK_FALSE(clock.disarm(alarm));
}

TEST_CASE("an alarm that was caught rings again") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, 0.005);
  const auto alarm = clock.arm(kAtOnce);
  CHECK(eventually([] { return rung >= 3; }));
  CHECK(clock.disarm(alarm));
  const int then = rung;
  const auto next = clock.arm(kAtOnce);
  CHECK(eventually([&] { return rung > then; }));
  clock.disarm(next);
}

TEST_CASE("alarms may be nested: the outer one rings too, be it first or last") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, 0.005);
  const auto outer = clock.arm(0.05);
  const auto inner = clock.arm(kAtOnce);
  REQUIRE(eventually([] { return rung > 0; }));
  CHECK(clock.disarm(inner));
  const int then = rung;
  CHECK(eventually([&] { return rung > then; }));
  CHECK(clock.disarm(outer));

  rung = 0;
  const auto early = clock.arm(kAtOnce);
  const auto late = clock.arm(kNever);
  REQUIRE(eventually([] { return rung > 0; }));
  CHECK_FALSE(clock.disarm(late));
  CHECK(clock.disarm(early));
}

TEST_CASE("a signal that has not been delivered yet is taken back") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  sigset_t one, before, pending;
  ::sigemptyset(&one);
  ::sigaddset(&one, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &one, &before);
  const auto alarm = clock.arm(kAtOnce);
  CHECK(eventually([&] { return ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGUSR1) == 1; }));
  CHECK(clock.disarm(alarm));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(rung == 0);
}

TEST_CASE("many alarms, one after the other, need no waking of the thread and all ring that should") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(clock.disarm(clock.arm(kNever)));
  for (int i = 0; i < 20; ++i) {
    const auto alarm = clock.arm(kAtOnce);
    CHECK(eventually([&] { return rung == i + 1; }));
    CHECK(clock.disarm(alarm));
  }
}

TEST_CASE("in a fork the parent's alarms are not armed, and the child's own ring") {
  const Counted counted;
  AlarmClock clock(SIGUSR1, kSeldom);
  const auto mine = clock.arm(0.02);
  const int code = exit_code_of_child([&] {
    rung = 0;
    if (clock.disarm(mine)) return 1;
    const auto own = clock.arm(kAtOnce);
    if (!eventually([] { return rung > 0; })) return 2;
    return clock.disarm(own) ? 0 : 3;
  });
  CHECK(code == 0);
  CHECK(eventually([] { return rung > 0; }));
  CHECK(clock.disarm(mine));
}
