#pragma once

#include <cstdint>
#include <memory>

#include "linalg/program.h"

namespace avenir::device {

using linalg::Type;

class Device;

// Memory of a device: elements of one type, one after the other. Matrices lie in it column by column, without gaps.
// Copies of a Buffer are the same memory, which goes back to its device with the last of them: at once, in the order
// of the device's work, so that nobody need wait for what still uses it.
//
// R thread only. Default-constructed it is none.
class Buffer {
 public:
  Buffer() = default;
  // Takes ownership of `address`, which device.release() takes back.
  Buffer(Device& device, Type type, uint64_t length, void* address);

  bool is_none() const { return memory_ == nullptr; }
  Device& device() const { return memory_->device; }
  Type type() const { return memory_->type; }
  uint64_t length() const { return memory_->length; }
  uint64_t bytes() const { return length() * linalg::size_of(type()); }
  void* address() const { return memory_->address; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(memory_->address);
  }
  // True when nobody else has it: then it may be written to in place.
  bool is_unshared() const { return memory_.use_count() == 1; }
  bool is_same(const Buffer& other) const { return memory_ == other.memory_; }

 private:
  struct Memory {
    Memory(Device& of, Type elements, uint64_t count, void* at)
        : device(of), type(elements), length(count), address(at) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();
    Device& device;
    Type type;
    uint64_t length;
    void* address;
  };
  std::shared_ptr<Memory> memory_;
};

}  // namespace avenir::device
