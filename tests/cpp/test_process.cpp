#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include "support.h"
#include "sys/memory_file.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "sys/socket_pair.h"

using avenir::base::Deadline;
using avenir::base::ErrorKind;
using namespace avenir::sys;
using namespace avenir::testing;

namespace {

struct ShellRun {
  std::string output;
  ExitStatus status;
};

SpawnSpec shell(const std::string& script) {
  SpawnSpec spec;
  spec.path = "/bin/sh";
  spec.argv = {"sh", "-c", script};
  spec.environment = {"PATH=/usr/bin:/bin", "GREETING=hello"};
  return spec;
}

ExitStatus wait_for(pid_t child) {
  std::optional<ExitStatus> status;
  REQUIRE(eventually([&] { return (status = reap(child)).has_value(); }));
  return *status;
}

// Its standard output and standard error go to a memory file.
ShellRun run(SpawnSpec spec) {
  const OwnFd output = make_memory_file("test");
  const OwnFd null = make_memory_file("test");
  spec.fds = {{null.get(), 0}, {output.get(), 1}, {output.get(), 2}};
  ShellRun result;
  result.status = wait_for(spawn(spec));
  result.output = read_tail(output.get(), 10000);
  return result;
}

}  // namespace

TEST_CASE("a program runs with its arguments, its environment and nothing else") {
  const ShellRun result = run(shell("echo $GREETING $HOME from $0"));
  CHECK(result.output == "hello from sh\n");
  CHECK(result.status.known);
  CHECK(result.status.signal == 0);
  CHECK(result.status.code == 0);
}

TEST_CASE("a program starts in its folder") {
  const TempFolder folder;
  SpawnSpec spec = shell("pwd -P");
  spec.directory = folder.path();
  CHECK(run(spec).output == std::filesystem::canonical(folder.path()).string() + "\n");
}

TEST_CASE("a program gets no descriptor but those named") {
  const FdPair inherited_by_nobody = make_socket_pair();
  OwnFd leaky(::dup(inherited_by_nobody.first.get()));  // not close-on-exec
  const ShellRun result = run(shell("ls /proc/self/fd | wc -l"));
  // Three, and the one with which ls reads the folder.
  CHECK(std::stoi(result.output) == 4);
}

TEST_CASE("descriptors reach their numbers whatever their numbers were") {
  const OwnFd first = make_memory_file("test"), second = make_memory_file("test");
  const OwnFd null = make_memory_file("test");
  SpawnSpec spec = shell("echo to three >&3; echo to four >&4");
  spec.fds = {{null.get(), 0}, {null.get(), 1}, {null.get(), 2}, {second.get(), 3}, {first.get(), 4}};
  wait_for(spawn(spec));
  CHECK(read_tail(second.get(), 100) == "to three\n");
  CHECK(read_tail(first.get(), 100) == "to four\n");
}

TEST_CASE("a program starts with default signals, none blocked, in a session of its own") {
  const SignalsBlocked blocked;
  const auto before = ::signal(SIGTERM, SIG_IGN);
  SpawnSpec spec = shell("grep ^SigBlk /proc/self/status; kill -TERM $$; echo survived");
  const ShellRun result = run(spec);
  ::signal(SIGTERM, before);
  CHECK(result.output == "SigBlk:\t0000000000000000\n");
  CHECK(result.status.signal == SIGTERM);
}

TEST_CASE("a program that is not there, or a folder, is an error that names it, and leaves no process") {
  SpawnSpec spec = shell("");
  spec.path = "/no/such/program";
  CHECK(error_message_of([&] { spawn(spec); }) == "starting /no/such/program: No such file or directory");
  spec = shell("");
  spec.directory = "/no/such/folder";
  CHECK_THROWS_AS(spawn(spec), avenir::base::Error);
}

TEST_CASE("how a process ended is told in words") {
  CHECK(describe(run(shell("exit 3")).status) == "ended with exit code 3");
  CHECK(describe(run(shell("kill -9 $$")).status) == "was killed by signal 9 (Killed)");
  CHECK(describe(ExitStatus{}) == "ended for a reason that is not known");
}

TEST_CASE("reaping takes one child only, and says when there is none") {
  const pid_t lives = spawn(shell("kill -STOP $$")), ends = spawn(shell("exit 1"));
  CHECK(wait_for(ends).code == 1);
  const auto again = reap(ends);
  REQUIRE(again.has_value());
  CHECK_FALSE(again->known);
  CHECK_FALSE(process_gone(lives));
  reap_or_kill(lives, Deadline::now());
  CHECK(process_gone(lives));
}

TEST_CASE("a pidfd, where there is one, becomes readable when the process ends, and takes signals") {
  const FdPair gate = make_socket_pair();
  SpawnSpec spec = shell("read line");
  spec.fds = {{gate.second.get(), 0}, {gate.second.get(), 1}, {gate.second.get(), 2}};
  const pid_t child = spawn(spec);
  const OwnFd pidfd = open_pidfd(child);
#ifdef AVENIR_PORTABLE
  CHECK_FALSE(pidfd.valid());
#else
  REQUIRE(pidfd.valid());
  CHECK_FALSE(wait_readable(pidfd.get(), Deadline::now()));
#endif
  send_signal(pidfd, child, SIGKILL);
  if (pidfd.valid()) CHECK(wait_readable(pidfd.get(), Deadline::in_seconds(kPatience)));
  CHECK(wait_for(child).signal == SIGKILL);
  send_signal(pidfd, -1, SIGKILL);  // it is gone, and nobody else is hit
}

TEST_CASE("closing all descriptors from one on closes those and no other") {
  const int code = exit_code_of_child([] {
    const OwnFd kept(::dup2(1, 10)), gone(::dup2(1, 11)), far(::dup2(1, 500));
    close_fds_from(11);
    return is_open(10) && !is_open(11) && !is_open(500) ? 0 : 1;
  });
  CHECK(code == 0);
}

TEST_CASE("a pending signal can be taken back before its handler runs") {
  static volatile sig_atomic_t handled;
  handled = 0;
  const auto before = ::signal(SIGUSR1, [](int) { handled = 1; });
  CHECK_FALSE(drain_signal(SIGUSR1));
  {
    const SignalsBlocked blocked;
    ::raise(SIGUSR1);
    CHECK(drain_signal(SIGUSR1));
    CHECK_FALSE(drain_signal(SIGUSR1));
  }
  CHECK(handled == 0);
  ::signal(SIGUSR1, before);
}

TEST_CASE("blocked signals come back with the mask of before") {
  sigset_t before, after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    const SignalsBlocked blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    CHECK(::sigismember(&after, SIGINT) == 1);
  }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(::sigismember(&after, SIGINT) == ::sigismember(&before, SIGINT));
}
