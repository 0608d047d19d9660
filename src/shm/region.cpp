#include "shm/region.h"

#include "base/error.h"

namespace avenir::shm {

sys::OwnFd publish(const void* data, size_t size, const std::string& label) {
  sys::OwnFd fd = sys::make_memory_file(label);
  sys::write_at(fd.get(), data, size, 0);
  sys::seal_against_writes(fd.get());
  return fd;
}

base::SharedBytes attach(const sys::OwnFd& fd, size_t size) {
  if (sys::file_size(fd.get()) < size)
    throw base::Error(base::ErrorKind::kDisconnected,
                      "a memory file is shorter than the " + std::to_string(size) + " bytes announced");
  if (size > 0 && !sys::is_sealed_against_shrinking(fd.get()))
    throw base::Error(base::ErrorKind::kDisconnected, "a memory file could become shorter while it is read");
  auto mapping = std::make_shared<sys::Mapping>(fd.get(), size, sys::MapMode::kReadOnly);
  const uint8_t* const data = mapping->data();
  return base::SharedBytes::view(std::move(mapping), data, size);
}

}  // namespace avenir::shm
