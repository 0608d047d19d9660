#include "sys/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#include "base/error.h"
#include "sys/poller.h"

#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
#define AVENIR_HAS_CLOSEFROM_ACTION 1
#endif
#if __GLIBC_PREREQ(2, 29)
#define AVENIR_HAS_CHDIR_ACTION 1
#endif
#endif

namespace avenir::sys {

namespace {

// The numbers of this process's open descriptors.
std::vector<int> open_fds() {
  std::vector<int> fds;
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) {
    const int limit = static_cast<int>(std::min(::sysconf(_SC_OPEN_MAX), 65536L));
    for (int fd = 0; fd < limit; ++fd)
      if (::fcntl(fd, F_GETFD) >= 0) fds.push_back(fd);
    return fds;
  }
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(folder)) fds.push_back(fd);
  }
  ::closedir(folder);
  return fds;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void move_fds(const std::vector<std::pair<int, int>>& fds) {
    // First out of the way of every target, then into place.
    for (const auto& [source, target] : fds) {
      copies_.emplace_back(::fcntl(source, F_DUPFD_CLOEXEC, 100));
      if (!copies_.back().valid()) base::raise_system_error("duplicating a descriptor for a new process");
      ::posix_spawn_file_actions_adddup2(&actions_, copies_.back().get(), target);
    }
  }
  void close_from(int first) {
#ifdef AVENIR_HAS_CLOSEFROM_ACTION
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, first);
#else
    for (const int fd : open_fds())
      if (fd >= first) ::posix_spawn_file_actions_addclose(&actions_, fd);
#endif
  }
  void change_directory(const std::string& directory) {
#ifdef AVENIR_HAS_CHDIR_ACTION
    if (!directory.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
#else
    (void)directory;
#endif
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  std::vector<OwnFd> copies_;
};

class SpawnAttributes {
 public:
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
#ifdef POSIX_SPAWN_SETSID
    flags |= POSIX_SPAWN_SETSID;
#else
    flags |= POSIX_SPAWN_SETPGROUP;
#endif
    ::posix_spawnattr_setflags(&attributes_, flags);
  }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

}  // namespace

pid_t spawn(const SpawnSpec& spec) {
  FileActions actions;
  actions.change_directory(spec.directory);
  actions.move_fds(spec.fds);
  actions.close_from(static_cast<int>(spec.fds.size()));
  const SpawnAttributes attributes;
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, spec.path.c_str(), actions.get(), attributes.get(), pointers(spec.argv).data(),
                                  pointers(spec.environment).data());
  if (error != 0) base::raise_system_error("starting " + spec.path, error);
  return pid;
}

ExitStatus ExitStatus::from_wait(int wait_status) {
  ExitStatus status;
  status.known = true;
  if (WIFSIGNALED(wait_status)) status.signal = WTERMSIG(wait_status);
  if (WIFEXITED(wait_status)) status.code = WEXITSTATUS(wait_status);
  return status;
}

std::string describe(const ExitStatus& status) {
  if (!status.known) return "ended for a reason that is not known";
  if (status.signal != 0)
    return "was killed by signal " + std::to_string(status.signal) + " (" + ::strsignal(status.signal) + ")";
  return "ended with exit code " + std::to_string(status.code);
}

OwnFd open_pidfd(pid_t pid) {
#if defined(SYS_pidfd_open) && !defined(AVENIR_PORTABLE)
  return OwnFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
#else
  (void)pid;
  return OwnFd();
#endif
}

void send_signal(const OwnFd& pidfd, pid_t pid, int signal) {
#if defined(SYS_pidfd_send_signal) && !defined(AVENIR_PORTABLE)
  if (pidfd.valid()) {
    ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
    return;
  }
#endif
  (void)pidfd;
  if (pid > 0) ::kill(pid, signal);
}

std::optional<ExitStatus> reap(pid_t child) {
  int wait_status = 0;
  pid_t got;
  do {
    got = ::waitpid(child, &wait_status, WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return std::nullopt;
  if (got < 0) return ExitStatus{};
  return ExitStatus::from_wait(wait_status);
}

void reap_or_kill(pid_t child, base::Deadline deadline) {
  const OwnFd pidfd = open_pidfd(child);
  while (!reap(child)) {
    if (deadline.passed()) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      return;
    }
    if (pidfd.valid())
      wait_readable(pidfd.get(), deadline);
    else
      ::usleep(1000);
  }
}

void exit_at_once(int code) {
#if defined(SYS_exit_group)
  ::syscall(SYS_exit_group, code);
#endif
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

void end_with_parent(pid_t parent) {
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) exit_at_once(0);
#else
  (void)parent;
#endif
}

void go_on_after_parent() {
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGCONT);
#endif
}

bool is_stopped(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_ends = line.rfind(')');  // "PID (NAME) STATE ..."
  return name_ends != std::string::npos && line.compare(name_ends, 3, ") T") == 0;
}

int count_threads() {
  DIR* folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return 0;
  int count = 0;
  while (const dirent* entry = ::readdir(folder))
    if (entry->d_name[0] != '.') ++count;
  ::closedir(folder);
  return count;
}

void close_fds_from(int first) {
#if defined(SYS_close_range) && !defined(AVENIR_PORTABLE)
  if (::syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  for (const int fd : open_fds())
    if (fd >= first) ::close(fd);
}

unsigned usable_cores() {
#ifdef __linux__
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace avenir::sys
