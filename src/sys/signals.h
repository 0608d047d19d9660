#pragma once

#include <pthread.h>
#include <signal.h>

namespace avenir::sys {

// Blocks every signal on the calling thread for its life; a thread started meanwhile inherits the mask.
// Engine threads never run a signal handler: R's belong to the R thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// Takes a `signal` that is pending for the calling thread, without running its handler; true when there was
// one.
bool drain_signal(int signal);

// `signal` has its default action and is not blocked, whatever the parent had.
void reset_signal(int signal);

// What comes of `signal` waits, on the calling thread and in what it starts or forks, until it is let in.
void hold_signal(int signal);
void let_in_signal(int signal);

}  // namespace avenir::sys
