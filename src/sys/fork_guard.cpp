#include "sys/fork_guard.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace avenir::sys {

namespace {

struct Registry {
  std::mutex mutex;
  std::vector<ForkAware*> members;
};

// Never destroyed: a fork during exit must still find it.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void prepare() {
  registry().mutex.lock();
  for (ForkAware* member : registry().members) member->before_fork();
}

void parent() {
  for (ForkAware* member : registry().members) member->after_fork_in_parent();
  registry().mutex.unlock();
}

void child() {
  for (ForkAware* member : registry().members) member->after_fork_in_child();
  registry().mutex.unlock();
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
