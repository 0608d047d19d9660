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
// Writes at `offset`; a full memory is an Error (kOverloaded), never a signal.
void write_at(int fd, const void* data, size_t size, uint64_t offset);

// No one, this process included, can write or resize it from here on. Does nothing where seals do not exist.
void seal_against_writes(int fd);

// The last `limit` bytes of a file: what a worker wrote to its stderr.
std::string read_tail(int fd, size_t limit);

enum class MapMode { kReadOnly, kShared };

// A mapping of a whole file, unmapped when it goes.
class Mapping {
 public:
  Mapping() = default;
  Mapping(int fd, size_t size, MapMode mode);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  void reset();

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace avenir::sys
