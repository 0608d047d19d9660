#pragma once

#include "device/cuda_context.h"

namespace avenir::device {

// A GPU's memory: a pool of the driver's of which this process takes no more than the limit, and nothing before it is
// needed. Allocation and release are in the stream's order.
class CudaMemory {
 public:
  explicit CudaMemory(const CudaContext& context);

  // Throws kOverloaded with the numbers and what may help. Before, the collector has been asked to drop what nobody
  // needs and the pool to give back what it keeps.
  void* acquire(uint64_t bytes);
  void release(void* address, uint64_t bytes) noexcept;

  Memory figures() const;
  void set_limit(uint64_t bytes) { limit_ = bytes; }
  void trim();

 private:
  void* try_to_acquire(uint64_t bytes);
  void collect_when_due(uint64_t bytes);
  [[noreturn]] void raise_exhausted(uint64_t bytes) const;

  const CudaContext& context_;
  void* pool_ = nullptr;
  uint64_t limit_ = 0, held_ = 0, buffers_ = 0;
  uint64_t since_collected_ = 0;  // bytes allocated since the collector was called
};

// Memory for the length of a scope.
class CudaScratch {
 public:
  CudaScratch(CudaMemory& memory, uint64_t bytes) : memory_(memory), bytes_(bytes), address_(memory.acquire(bytes)) {}
  CudaScratch(const CudaScratch&) = delete;
  CudaScratch& operator=(const CudaScratch&) = delete;
  ~CudaScratch() { memory_.release(address_, bytes_); }
  void* address() const { return address_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(address_);
  }

 private:
  CudaMemory& memory_;
  uint64_t bytes_;
  void* address_;
};

inline unsigned long long device_address(const void* address) { return reinterpret_cast<uintptr_t>(address); }

}  // namespace avenir::device
