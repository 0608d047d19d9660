#include "sys/memory_use.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace avenir::sys {

namespace {

// The number behind `name` in a file of "name number" lines.
std::optional<uint64_t> number_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  uint64_t number = 0;
  while (file >> word >> number)
    if (word == name) return number;
  return std::nullopt;
}

// Where the memory controller tells of this process's group, as the group is named outside and inside a container.
// Lines of /proc/self/cgroup: "4:memory:/group" (version 1), "0::/group" (version 2).
std::vector<std::string> memory_event_files() {
  std::vector<std::string> files;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers == "memory")
      for (const auto& part : {group, std::string()})
        files.push_back("/sys/fs/cgroup/memory" + part + "/memory.oom_control");
    if (controllers.empty())
      for (const auto& part : {group, std::string()}) files.push_back("/sys/fs/cgroup" + part + "/memory.events");
  }
  return files;
}

}  // namespace

// /proc/self/statm: size, resident, shared, ... in pages.
uint64_t private_memory() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0, shared = 0;
  if (!(file >> size >> resident >> shared) || resident < shared) return 0;
  return (resident - shared) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<uint64_t> out_of_memory_kills() {
  for (const std::string& path : memory_event_files())
    if (const auto number = number_in(path, "oom_kill")) return number;
  return number_in("/proc/vmstat", "oom_kill");
}

}  // namespace avenir::sys
