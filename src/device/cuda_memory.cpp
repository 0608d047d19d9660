#include "device/cuda_memory.h"

#include <algorithm>

#include "base/error.h"

namespace avenir::device {

namespace {

// Of what is free at the first use: the rest is for the libraries and for others.
constexpr double kDefaultShare = 0.9;
constexpr uint64_t kGranule = 256;  // of the driver's allocation

uint64_t rounded(uint64_t bytes) { return std::max<uint64_t>((bytes + kGranule - 1) / kGranule, 1) * kGranule; }

}  // namespace

CudaMemory::CudaMemory(const CudaContext& context) : context_(context) {
  const Driver& driver = context.driver();
  size_t free = 0, total = 0;
  context.check(driver.cuMemGetInfo_v2(&free, &total), "tell its memory");
  limit_ = static_cast<uint64_t>(kDefaultShare * static_cast<double>(free));
  PoolProperties properties;
  properties.device = context.description().index;
  context.check(driver.cuMemPoolCreate(&pool_, &properties), "make a pool of memory");
  uint64_t keep = UINT64_MAX;
  context.check(driver.cuMemPoolSetAttribute(pool_, cuda::kReleaseThreshold, &keep), "keep memory");
}

void* CudaMemory::try_to_acquire(uint64_t bytes) {
  if (held_ + bytes > limit_) return nullptr;
  unsigned long long address = 0;
  const int error = context_.driver().cuMemAllocFromPoolAsync(&address, bytes, pool_, context_.stream());
  if (error == cuda::kOutOfMemory) return nullptr;
  context_.check(error, "allocate " + in_units(bytes));
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}

// Garbage on the GPU presses on nothing that R's collector watches.
void CudaMemory::collect_when_due(uint64_t bytes) {
  if (since_collected_ + bytes <= limit_ / 2 || held_ == 0) return;
  since_collected_ = 0;
  collect();
}

void* CudaMemory::acquire(uint64_t bytes) {
  context_.enter();
  bytes = rounded(bytes);
  collect_when_due(bytes);
  void* address = try_to_acquire(bytes);
  if (address == nullptr) {
    since_collected_ = 0;
    collect();
    trim();
    address = try_to_acquire(bytes);
  }
  if (address == nullptr) raise_exhausted(bytes);
  held_ += bytes;
  since_collected_ += bytes;
  ++buffers_;
  return address;
}

void CudaMemory::release(void* address, uint64_t bytes) noexcept {
  held_ -= rounded(bytes);
  --buffers_;
  if (context_.is_gone()) return;
  context_.driver().cuMemFreeAsync(device_address(address), context_.stream());
}

void CudaMemory::trim() {
  context_.sync();
  context_.check(context_.driver().cuMemPoolTrimTo(pool_, 0), "give memory back");
}

Memory CudaMemory::figures() const {
  const Driver& driver = context_.driver();
  Memory memory;
  size_t free = 0, total = 0;
  context_.enter();
  context_.check(driver.cuMemGetInfo_v2(&free, &total), "tell its memory");
  uint64_t reserved = 0;
  context_.check(driver.cuMemPoolGetAttribute(pool_, cuda::kReservedBytes, &reserved), "tell its pool");
  memory.total = total;
  memory.free = free;
  memory.held = held_;
  memory.pooled = reserved > held_ ? reserved - held_ : 0;
  memory.limit = limit_;
  memory.buffers = buffers_;
  return memory;
}

void CudaMemory::raise_exhausted(uint64_t bytes) const {
  const Memory now = figures();
  throw base::Error(
      base::ErrorKind::kOverloaded,
      context_.title() + " is out of memory: " + in_units(bytes) + " needed; of " + in_units(now.total) + " " +
          in_units(now.free) + " are free, and this session holds " + in_units(now.held) + " of the " +
          in_units(now.limit) + " that gpu_limit() allows, in " + std::to_string(now.buffers) +
          " pieces. Remove arrays with rm() and call gpu_gc(), use type = \"float\", or compute on the CPU");
}

}  // namespace avenir::device
