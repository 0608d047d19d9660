#include "sys/fork_guard.h"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "sys/signals.h"

namespace avenir::sys {

namespace {

struct Registry {
  std::mutex mutex;
  std::vector<ForkAware*> members;
  std::unique_ptr<SignalsBlocked> blocked;  // while there is a fork
};

// Never destroyed: a fork during exit must still find it.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

// A fork of much memory takes its time, and the members hold their locks meanwhile. R's handlers of some signals do not
// come back (SIGPIPE is an R error, SIGUSR1 ends the session): they wait until the locks are free.
void prepare() {
  auto blocked = std::make_unique<SignalsBlocked>();
  registry().mutex.lock();
  registry().blocked = std::move(blocked);
  for (ForkAware* member : registry().members) member->before_fork();
}

void end_of_fork() {
  const std::unique_ptr<SignalsBlocked> until_the_end = std::move(registry().blocked);
  registry().mutex.unlock();
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
