#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "sys/fd.h"

namespace avenir::sys {

struct SpawnSpec {
  std::string path;
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value", all of it
  std::string directory;
  std::vector<std::pair<int, int>> fds;  // ours -> the number it gets there; targets 0, 1, 2, 3, ... without gaps
};

// Starts a program in a session of its own (no terminal's Ctrl-C reaches it), with default signals and no
// descriptor but those named. Costs the same whatever this process's size. Throws when the program cannot be
// started.
pid_t spawn(const SpawnSpec& spec);

// How a process ended.
struct ExitStatus {
  bool known = false;
  int signal = 0;  // 0: it left by exit
  int code = 0;
  static ExitStatus from_wait(int wait_status);
};
std::string describe(const ExitStatus& status);

// A descriptor that becomes readable when the process ends; empty where the kernel has none. The process must
// be known to live (a child not yet reaped), or its number might belong to another one.
OwnFd open_pidfd(pid_t pid);

// Through the descriptor where there is one: a number can have been given to a stranger.
void send_signal(const OwnFd& pidfd, pid_t pid, int signal);

// Reaps this one child, and no other, if it has ended.
std::optional<ExitStatus> reap(pid_t child);
// Reaps it; kills it when the deadline passes first.
void reap_or_kill(pid_t child, base::Deadline deadline);

// Ends this process at once: nothing is flushed, no finalizer runs. For workers, which are our own processes.
[[noreturn]] void exit_at_once(int code);

// Has this process killed when its parent (the parent's thread that forked it) ends; at once when it has ended already.
// Nothing where the system has no such thing.
void end_with_parent(pid_t parent);

// Has this process go on when its parent ends, should it be stopped then (SIGSTOP): it has things to see to. Nothing
// where the system has no such thing.
void go_on_after_parent();

// Is this process stopped by a signal (SIGSTOP, SIGTSTP)? FALSE also where the system does not say.
bool is_stopped(pid_t pid);

// Threads of this process; 0 when the system does not say.
int count_threads();

// Closes every descriptor from `first` on.
void close_fds_from(int first);

// Cores that this process may run on.
unsigned usable_cores();

}  // namespace avenir::sys
