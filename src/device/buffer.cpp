#include "device/buffer.h"

#include <cstdio>

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

std::string in_units(uint64_t bytes) {
  static const char* const kUnits[] = {"B", "KB", "MB", "GB", "TB"};
  double number = static_cast<double>(bytes);
  int unit = 0;
  for (; number >= 1000 && unit < 4; ++unit) number /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, number < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", number, kUnits[unit]);
  return text;
}

}  // namespace avenir::device
