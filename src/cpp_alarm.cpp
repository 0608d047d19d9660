#include <Rcpp.h>
#include <dlfcn.h>
#include <signal.h>

#include <chrono>

#include "base/deadline.h"
#include "rbridge/door.h"
#include "sys/alarm.h"

namespace {

using namespace avenir;

// R's only way to be interrupted from outside. Looked up: it is not part of R's interface for packages.
int* pending_interrupt() {
  static int* const found = static_cast<int*>(::dlsym(RTLD_DEFAULT, "R_interrupts_pending"));
  return found;
}

// Of our own only: what others send is ignored where it was.
void note_interrupt(int, siginfo_t* info, void*) {
#ifdef SI_TKILL
  if (info->si_code != SI_TKILL) return;
#endif
  if (pending_interrupt() != nullptr) *pending_interrupt() = 1;
}

// SIGINT reaches R while one lives, though this process was started with SIGINT ignored (by nohup, or a script's `&`)
// or R sits in a program that does without R's handlers.
class InterruptsReachR {
 public:
  InterruptsReachR() {
    ::sigaction(SIGINT, nullptr, &before_);
    replaced_ =
        (before_.sa_flags & SA_SIGINFO) == 0 && (before_.sa_handler == SIG_IGN || before_.sa_handler == SIG_DFL);
    if (!replaced_) return;
    struct sigaction ours {};
    ours.sa_sigaction = note_interrupt;
    ours.sa_flags = SA_SIGINFO;
    ::sigaction(SIGINT, &ours, nullptr);
  }
  ~InterruptsReachR() {
    if (replaced_) ::sigaction(SIGINT, &before_, nullptr);
  }
  InterruptsReachR(const InterruptsReachR&) = delete;
  InterruptsReachR& operator=(const InterruptsReachR&) = delete;

 private:
  struct sigaction before_ {};
  bool replaced_ = false;
};

constexpr double kRepeatSeconds = 2;

// Lives as long as the process: its thread must find it.
sys::AlarmClock& alarm_clock() {
  static auto* const clock = new sys::AlarmClock(SIGINT, kRepeatSeconds);
  return *clock;
}

struct TimeLimit {
  double seconds;
  bool reached = false;
};
using TimeLimitPointer = Rcpp::XPtr<TimeLimit>;

// From its birth to its end the R thread may be interrupted because of the limit, and at no other time: what R has not
// acted on by then is taken back.
class Armed {
 public:
  explicit Armed(TimeLimit& limit) : limit_(limit), alarm_(alarm_clock().arm(limit.seconds)) { limit.reached = false; }
  ~Armed() {
    limit_.reached = alarm_clock().disarm(alarm_);
    if (limit_.reached && pending_interrupt() != nullptr) *pending_interrupt() = 0;
  }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;

 private:
  TimeLimit& limit_;
  const InterruptsReachR reach_;  // before the alarm
  const uint64_t alarm_;
};

SEXP evaluate(SEXP call, SEXP environment) {
  SEXP value = R_NilValue;
  SEXP* const target = &value;
  rbridge::guarded([=] { *target = Rf_eval(call, environment); });
  return value;
}

}  // namespace

// A limit for evaluations, to be used by one at a time.
// [[Rcpp::export(rng = false)]]
SEXP cpp_time_limit(double seconds) {
  return rbridge::door([&]() -> SEXP { return TimeLimitPointer(new TimeLimit{seconds}); });
}

// The value of `call`. When the limit is over R gets an interrupt, again and again until this returns. Code that
// handles interrupts, or ends before it is interrupted, still gives its value.
// [[Rcpp::export(rng = false)]]
SEXP cpp_evaluate_within(SEXP limit, SEXP call, SEXP environment) {
  return rbridge::door([&]() -> SEXP {
    const Armed armed(*TimeLimitPointer(limit));
    return evaluate(call, environment);
  });
}

// Whether the last evaluation within the limit reached it.
// [[Rcpp::export(rng = false)]]
SEXP cpp_limit_reached(SEXP limit) {
  return rbridge::door([&]() -> SEXP { return Rf_ScalarLogical(TimeLimitPointer(limit)->reached ? 1 : 0); });
}

// Of a clock that goes on evenly, whatever the wall's is set to; proc.time() is of that one.
// [[Rcpp::export(rng = false)]]
double cpp_monotonic_seconds() {
  return std::chrono::duration<double>(base::Deadline::Clock::now().time_since_epoch()).count();
}
