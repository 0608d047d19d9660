#include "sys/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace avenir::sys {

#ifdef AVENIR_PORTABLE

OwnFd make_memory_file(const std::string&) {
  // O_EXCL and mode 0600 keep others out during the instant in which the name exists.
  static unsigned counter = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string name = "/avenir-" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
    OwnFd fd(::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    if (fd.valid()) {
      ::shm_unlink(name.c_str());
      ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
      return fd;
    }
    if (errno != EEXIST) break;
  }
  base::raise_system_error("making a file in memory");
}

void seal_against_writes(int) {}
void seal_against_resizing(int) {}
bool is_sealed_against_shrinking(int) { return true; }

#else

OwnFd make_memory_file(const std::string& label) {
  OwnFd fd(::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) base::raise_system_error("making a file in memory");
  return fd;
}

namespace {

void seal(int fd, int seals) {
  if (::fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SEAL) < 0) base::raise_system_error("sealing a file in memory");
}

}  // namespace

void seal_against_writes(int fd) { seal(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE); }

void seal_against_resizing(int fd) { seal(fd, F_SEAL_SHRINK | F_SEAL_GROW); }

bool is_sealed_against_shrinking(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

#endif

namespace {

// Beyond the limit for files (ulimit -f) the system would send a signal that ends this process.
void check_limit(uint64_t size, const std::string& tried) {
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur)
    base::raise_system_error(tried, EFBIG);
}

std::string sizing_to(uint64_t size) { return "sizing a file in memory to " + std::to_string(size) + " bytes"; }

}  // namespace

void resize_file(int fd, uint64_t size) {
  if (size > 0) check_limit(size, sizing_to(size));
  while (::ftruncate(fd, static_cast<off_t>(size)) < 0)
    if (errno != EINTR) base::raise_system_error(sizing_to(size));
}

uint64_t file_size(int fd) {
  struct stat info;
  if (::fstat(fd, &info) < 0) base::raise_system_error("reading the size of a file in memory");
  return static_cast<uint64_t>(info.st_size);
}

OwnFd open_for_reading(const OwnFd& fd) {
  return OwnFd(::open(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), O_RDONLY | O_CLOEXEC));
}

#ifdef AVENIR_PORTABLE

void write_at(int fd, const void* data, size_t size, uint64_t offset) {
  // pwrite() fails on POSIX shared memory of some systems, a mapping never does.
  if (size == 0) return;
  if (file_size(fd) < offset + size) resize_file(fd, offset + size);
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)), begin = offset / page * page;
  Mapping mapping(fd, offset + size - begin, MapMode::kShared, begin);
  std::copy_n(static_cast<const uint8_t*>(data), size, mapping.data() + (offset - begin));
}

#else

void write_at(int fd, const void* data, size_t size, uint64_t offset) {
  const auto writing = [size] { return "writing " + std::to_string(size) + " bytes to a file in memory"; };
  if (size > 0) check_limit(offset + size, writing());
  const auto* at = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, at, std::min<size_t>(size, 1u << 30), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) base::raise_system_error(writing());
    at += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

#endif

std::string read_tail(int fd, size_t limit) {
  const uint64_t size = file_size(fd);
  const size_t length = std::min<uint64_t>(size, limit);
  std::string text(length, '\0');
  size_t have = 0;
  while (have < length) {
    const ssize_t got = ::pread(fd, text.data() + have, length - have, static_cast<off_t>(size - length + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  return text;
}

Mapping::Mapping(int fd, size_t size, MapMode mode, uint64_t offset) : size_(size) {
  if (size == 0) return;
  const int protection = mode == MapMode::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  const int kind = mode == MapMode::kPrivate ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
  void* data = ::mmap(nullptr, size, protection, kind, fd, static_cast<off_t>(offset));
  if (data == MAP_FAILED) base::raise_system_error("mapping " + std::to_string(size) + " bytes");
  data_ = static_cast<uint8_t*>(data);
}

Mapping Mapping::room(size_t size) {
  Mapping mapping;
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) base::raise_system_error("mapping " + std::to_string(size) + " bytes");
  mapping.data_ = static_cast<uint8_t*>(data);
  mapping.size_ = size;
  return mapping;
}

void Mapping::replace(size_t at, int fd, size_t size) {
  if (at > size_ || size > size_ - at)
    throw base::Error(base::ErrorKind::kInternal, "a mapping was to be replaced beyond its end");
  constexpr int kKind = MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED;
  if (::mmap(data_ + at, size, PROT_READ | PROT_WRITE, kKind, fd, 0) == MAP_FAILED)
    base::raise_system_error("mapping " + std::to_string(size) + " bytes");
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    reset();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Mapping::reset() {
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace avenir::sys
