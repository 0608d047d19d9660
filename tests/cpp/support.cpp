#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

namespace avenir::testing {

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "avenir-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) base::raise_system_error("making a temporary folder");
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::set<int> open_fds() {
  std::set<int> fds;
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) base::raise_system_error("listing the open descriptors");
  while (const dirent* entry = ::readdir(folder))
    if (entry->d_name[0] != '.') fds.insert(std::atoi(entry->d_name));
  fds.erase(::dirfd(folder));
  ::closedir(folder);
  return fds;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

bool process_gone(pid_t pid) {
  if (::kill(pid, 0) < 0 && errno == ESRCH) return true;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return true;
  // The state stands behind the name, which is in parentheses and may hold anything.
  const size_t end_of_name = line.rfind(')');
  return end_of_name != std::string::npos && line.compare(end_of_name, 4, ") Z ") == 0;
}

int exit_code_of_child(int (*body)(void*), void* argument) {
  std::fflush(nullptr);  // or the child writes it a second time
  std::cout.flush();
  const pid_t child = ::fork();
  if (child < 0) base::raise_system_error("fork");
  if (child == 0) ::_exit(body(argument));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

base::SharedBytes shared(const std::string& text) { return base::SharedBytes::copy(text.data(), text.size()); }

base::Bytes bytes(const std::string& text) { return base::Bytes(text.begin(), text.end()); }

std::string text(const base::SharedBytes& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace avenir::testing
