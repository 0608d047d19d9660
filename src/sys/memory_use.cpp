#include "sys/memory_use.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sys/fd.h"

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
struct Group {
  bool first_version;
  std::string folder;
};

std::vector<Group> memory_groups() {
  std::vector<Group> found;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers == "memory")
      for (const auto& part : {group, std::string()}) found.push_back({true, "/sys/fs/cgroup/memory" + part + "/"});
    if (controllers.empty())
      for (const auto& part : {group, std::string()}) found.push_back({false, "/sys/fs/cgroup" + part + "/"});
  }
  return found;
}

std::optional<uint64_t> number_of(const std::string& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

constexpr uint64_t kUnknown = ~uint64_t{0};

uint64_t from_kilobytes(const std::optional<uint64_t>& number) { return number ? *number * 1024 : kUnknown; }

// The number behind "Name:" in /proc/meminfo.
uint64_t machine_memory(const std::string& name) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0) return from_kilobytes(std::stoull(line.substr(name.size() + 1)));
  return kUnknown;
}

uint64_t group_limit(const Group& group) {
  return number_of(group.folder + (group.first_version ? "memory.limit_in_bytes" : "memory.max")).value_or(kUnknown);
}

// What the files that it has read may take is given back when it is needed.
uint64_t group_left(const Group& group) {
  const uint64_t limit = group_limit(group);
  const auto used = number_of(group.folder + (group.first_version ? "memory.usage_in_bytes" : "memory.current"));
  if (limit == kUnknown || !used) return kUnknown;
  const char* const files = group.first_version ? "total_inactive_file" : "inactive_file";
  const uint64_t reclaimable = number_in(group.folder + "memory.stat", files).value_or(0);
  const uint64_t kept = *used > reclaimable ? *used - reclaimable : 0;
  return limit > kept ? limit - kept : 0;
}

}  // namespace

namespace {

struct Pages {
  uint64_t size = 0, resident = 0, shared = 0;
};

// The first numbers of a process's statm.
std::optional<Pages> pages_of(const std::string& process) {
  std::ifstream file("/proc/" + process + "/statm");
  Pages pages;
  if (!(file >> pages.size >> pages.resident >> pages.shared)) return std::nullopt;
  return pages;
}

uint64_t in_bytes(uint64_t pages) { return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

uint64_t private_memory() {
  const auto pages = pages_of("self");
  return pages && pages->resident >= pages->shared ? in_bytes(pages->resident - pages->shared) : 0;
}

std::optional<uint64_t> resident_memory(int pid) {
  const auto pages = pages_of(std::to_string(pid));
  return pages ? std::optional<uint64_t>(in_bytes(pages->resident)) : std::nullopt;
}

std::optional<uint64_t> out_of_memory_kills() {
  for (const Group& group : memory_groups()) {
    const std::string file = group.folder + (group.first_version ? "memory.oom_control" : "memory.events");
    if (const auto number = number_in(file, "oom_kill")) return number;
  }
  return number_in("/proc/vmstat", "oom_kill");
}

uint64_t available_memory() {
  uint64_t least = machine_memory("MemAvailable");
  for (const Group& group : memory_groups()) least = std::min(least, group_left(group));
  return least;
}

uint64_t total_memory() {
  uint64_t least = machine_memory("MemTotal");
  for (const Group& group : memory_groups()) least = std::min(least, group_limit(group));
  return least;
}

namespace {

// One word a page in /proc/self/pagemap.
constexpr uint64_t kPresent = uint64_t{1} << 63, kSwapped = uint64_t{1} << 62, kOfFile = uint64_t{1} << 61;

bool is_copied(uint64_t page) { return ((page & kPresent) != 0 && (page & kOfFile) == 0) || (page & kSwapped) != 0; }

}  // namespace

Cleanness private_mapping_cleanness(const void* data, size_t size) {
  const auto page_size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const OwnFd file(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return {false, false};
  const uint64_t first = reinterpret_cast<uintptr_t>(data) / page_size;
  const uint64_t end = (reinterpret_cast<uintptr_t>(data) + size + page_size - 1) / page_size;
  std::vector<uint64_t> pages(8192);
  for (uint64_t at = first; at < end;) {
    const size_t wanted = std::min<uint64_t>(pages.size(), end - at);
    const ssize_t got =
        ::pread(file.get(), pages.data(), wanted * sizeof(uint64_t), static_cast<off_t>(at * sizeof(uint64_t)));
    if (got < static_cast<ssize_t>(sizeof(uint64_t))) return {false, false};
    const size_t count = static_cast<size_t>(got) / sizeof(uint64_t);
    if (std::any_of(pages.begin(), pages.begin() + static_cast<long>(count), is_copied)) return {true, false};
    at += count;
  }
  return {true, true};
}

}  // namespace avenir::sys
