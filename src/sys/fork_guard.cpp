#include "sys/fork_guard.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace avenir::sys {

namespace {

struct Registry {
  std::mutex mutex;
  std::vector<ForkAware*> members;
  sigset_t signals;  // those that the forking thread had blocked
};

// Never destroyed: a fork during exit must still find it.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

// A fork of much memory takes its time, and the members hold their locks meanwhile. R's handlers of some signals do not
// come back (SIGPIPE is an R error, SIGUSR1 ends the session): they wait until the locks are free.
void prepare() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  registry().mutex.lock();
  registry().signals = before;
  for (ForkAware* member : registry().members) member->before_fork();
}

void end_of_fork() {
  const sigset_t before = registry().signals;
  registry().mutex.unlock();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void parent() {
  for (ForkAware* member : registry().members) member->after_fork_in_parent();
  end_of_fork();
}

void child() {
  for (ForkAware* member : registry().members) member->after_fork_in_child();
  end_of_fork();
}

}  // namespace

ForkAware::ForkAware() {
  static const int installed = ::pthread_atfork(prepare, parent, child);
  (void)installed;
  std::lock_guard<std::mutex> lock(registry().mutex);
  registry().members.push_back(this);
}

ForkAware::~ForkAware() {
  std::lock_guard<std::mutex> lock(registry().mutex);
  auto& members = registry().members;
  members.erase(std::remove(members.begin(), members.end(), this), members.end());
}

}  // namespace avenir::sys
