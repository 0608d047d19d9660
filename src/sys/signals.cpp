#include "sys/signals.h"

#include <ctime>

namespace avenir::sys {

bool drain_signal(int signal) {
  sigset_t one, before, pending;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_BLOCK, &one, &before);
  bool found = false;
  while (::sigpending(&pending) == 0 && ::sigismember(&pending, signal) == 1) {
    int taken;
    ::sigwait(&one, &taken);
    found = true;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return found;
}

namespace {

void mask_signal(int signal, int how) {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(how, &one, nullptr);
}

}  // namespace

void reset_signal(int signal) {
  ::signal(signal, SIG_DFL);
  let_in_signal(signal);
}

void hold_signal(int signal) { mask_signal(signal, SIG_BLOCK); }

void let_in_signal(int signal) { mask_signal(signal, SIG_UNBLOCK); }

}  // namespace avenir::sys
