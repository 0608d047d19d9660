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

void reset_signal(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
}

}  // namespace avenir::sys
