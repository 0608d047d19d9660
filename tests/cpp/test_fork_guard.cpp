#include <doctest/doctest.h>
#include <signal.h>

#include <string>
#include <thread>

#include "support.h"
#include "sys/fork_guard.h"

using namespace avenir::testing;

namespace {

class Witness : private avenir::sys::ForkAware {
 public:
  std::string seen;

 private:
  void before_fork() override { seen += "before "; }
  void after_fork_in_parent() override { seen += "parent "; }
  void after_fork_in_child() override { seen += "child "; }
};

bool takes_signals() {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return ::sigismember(&blocked, SIGPIPE) == 0 && ::sigismember(&blocked, SIGUSR1) == 0;
}

class Listener : private avenir::sys::ForkAware {
 public:
  bool took_any = false;

 private:
  void before_fork() override { listen(); }
  void after_fork_in_parent() override { listen(); }
  void after_fork_in_child() override { listen(); }
  void listen() { took_any = took_any || takes_signals(); }
};

}  // namespace

TEST_CASE("whoever is aware of forks is told before, and after in each process") {
  Witness witness;
  const int code = exit_code_of_child([&] { return witness.seen == "before child " ? 0 : 1; });
  CHECK(code == 0);
  CHECK(witness.seen == "before parent ");
}

TEST_CASE("one that has gone is told no more") {
  Witness stays;
  { const Witness goes; }
  CHECK(exit_code_of_child([&] { return stays.seen == "before child " ? 0 : 1; }) == 0);
  CHECK(stays.seen == "before parent ");
}

TEST_CASE("a child can come and go, and fork itself") {
  Witness witness;
  const int code = exit_code_of_child([&] {
    const Witness own;
    const int inner = exit_code_of_child([&] { return own.seen == "before child " ? 0 : 1; });
    return inner == 0 && own.seen == "before parent " ? 0 : 2;
  });
  CHECK(code == 0);
}

TEST_CASE("no handler of a signal runs between before and after, and every one does again then") {
  Listener listener;
  CHECK(exit_code_of_child([&] { return !listener.took_any && takes_signals() ? 0 : 1; }) == 0);
  CHECK(!listener.took_any);
  CHECK(takes_signals());
}
