#include "device/buffer.h"

#include "device/device.h"

namespace avenir::device {

Buffer::Buffer(Device& device, Type type, uint64_t length, void* address)
    : memory_(std::make_shared<Memory>(device, type, length, address)) {}

Buffer::Memory::~Memory() { device.release(address, length * linalg::size_of(type)); }

Buffer Device::allocate(Type type, uint64_t length) {
  void* const address = acquire(length * linalg::size_of(type));
  try {
    return Buffer(*this, type, length, address);
  } catch (...) {
    release(address, length * linalg::size_of(type));
    throw;
  }
}

std::string Device::name() const { return is_cpu() ? "cpu" : "gpu:" + std::to_string(description().index); }

}  // namespace avenir::device
