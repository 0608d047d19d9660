#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sys/fd.h"

namespace avenir::sys {

// An anonymous file in memory: no name that another process could open, gone with its last descriptor. The
// label shows in /proc only.
OwnFd make_memory_file(const std::string& label);

void resize_file(int fd, uint64_t size);
uint64_t file_size(int fd);
// Another descriptor of the same file, by which it cannot be written. Not valid where that is not possible.
OwnFd open_for_reading(const OwnFd& fd);
// Writes at `offset`; a full memory is an Error (kOverloaded), never a signal.
void write_at(int fd, const void* data, size_t size, uint64_t offset);

// No one, this process included, can write or resize it from here on. Does nothing where seals do not exist.
void seal_against_writes(int fd);
// No one can resize it or change its seals from here on; it can still be written.
void seal_against_resizing(int fd);
// Can its pages not go away under a mapping? True where seals do not exist.
bool is_sealed_against_shrinking(int fd);

// The last `limit` bytes of a file: what a worker wrote to its stderr.
std::string read_tail(int fd, size_t limit);

// kPrivate: writable, and what is written is this mapping's own (a page is copied at its first write).
enum class MapMode { kReadOnly, kShared, kPrivate };

// A mapping of a file from `offset` (a multiple of the page size) on, unmapped when it goes.
class Mapping {
 public:
  Mapping() = default;
  Mapping(int fd, size_t size, MapMode mode, uint64_t offset = 0);
  // Room in memory of this process's own.
  static Mapping room(size_t size);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  void reset();
  // A part of it, from `at` on (a multiple of the page size), becomes a private mapping of a file's beginning.
  void replace(size_t at, int fd, size_t size);

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace avenir::sys
