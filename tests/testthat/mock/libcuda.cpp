// A driver: libcuda.so.1.
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

#include <iterator>
#include <map>
#include <vector>

#include "mock.h"

namespace {

struct Allocation {
  size_t bytes;
  int device;
};

pid_t process = 0;  // that called cuInit()
int current = -1;   // the context's device
std::map<unsigned long long, Allocation> allocations;
std::vector<void*> of_contexts;  // events and pinned memory: they end with their context
long launches = 0;

void* of_context(size_t bytes) {
  void* const made = std::malloc(bytes);
  of_contexts.push_back(made);
  return made;
}

constexpr int kInvalid = 1, kOutOfMemory = 2, kNotInitialized = 3, kNoDevice = 100, kBadDevice = 101, kBadImage = 200,
              kNotFound = 500;

int devices() { return static_cast<int>(mock::number("AVENIR_MOCK_DEVICES", 1)); }
size_t memory() { return static_cast<size_t>(mock::number("AVENIR_MOCK_MEMORY", 1e9)); }

size_t used(int device) {
  size_t sum = 0;
  for (const auto& [address, allocation] : allocations)
    if (allocation.device == device) sum += allocation.bytes;
  return sum;
}

// 0 when these bytes are memory of the current context's device.
int check_range(unsigned long long address, size_t bytes) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return kInvalid;
  const auto& [begin, allocation] = *std::prev(after);
  return allocation.device == current && address + bytes <= begin + allocation.bytes ? 0 : kInvalid;
}

int state() { return process == 0 || process != ::getpid() ? kNotInitialized : 0; }

#define MOCK_BEGIN(name) \
  MOCK_MAY_FAIL(name);   \
  if (const int not_started = state(); not_started != 0) return not_started

struct Event {
  timespec time;
};
char stream, pool;

}  // namespace

// For the tests: "launches", "allocations", "bytes".
MOCK long mock_statistic(const char* name) {
  if (std::strcmp(name, "launches") == 0) return launches;
  if (std::strcmp(name, "allocations") == 0) return static_cast<long>(allocations.size());
  return static_cast<long>(used(0) + used(1));
}
MOCK void mock_reset() {
  for (const auto& [address, allocation] : allocations) std::free(reinterpret_cast<void*>(address));
  allocations.clear();
  for (void* const made : of_contexts) std::free(made);
  of_contexts.clear();
  launches = 0;
  process = 0;
}

MOCK int cuInit(unsigned) {
  MOCK_MAY_FAIL("cuInit");
  if (devices() == 0 ||
      (std::getenv("CUDA_VISIBLE_DEVICES") != nullptr && *std::getenv("CUDA_VISIBLE_DEVICES") == '\0'))
    return kNoDevice;
  process = ::getpid();
  return 0;
}
MOCK int cuDriverGetVersion(int* version) {
  *version = static_cast<int>(mock::number("AVENIR_MOCK_VERSION", 13000));
  return 0;
}
MOCK int cuGetErrorName(int error, const char** name) {
  *name = error == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OF_THE_MOCK";
  return 0;
}
MOCK int cuGetErrorString(int, const char** text) {
  *text = "as the mock was told";
  return 0;
}
MOCK int cuDeviceGetCount(int* count) {
  MOCK_BEGIN("cuDeviceGetCount");
  *count = devices();
  return 0;
}
MOCK int cuDeviceGet(int* device, int index) {
  MOCK_BEGIN("cuDeviceGet");
  *device = index;
  return index < devices() ? 0 : kBadDevice;
}
MOCK int cuDeviceGetName(char* name, int size, int) {
  std::strncpy(name, "Mock", static_cast<size_t>(size));
  return 0;
}
MOCK int cuDeviceGetUuid_v2(void* uuid, int device) {
  std::memset(uuid, device + 1, 16);
  return 0;
}
MOCK int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = memory();
  return 0;
}
MOCK int cuDeviceGetAttribute(int* value, int attribute, int) {
  const std::map<int, int> values = {{16, 132}, {75, 9}, {76, 0}, {87, 2}, {115, 1}};
  const auto found = values.find(attribute);
  *value = found == values.end() ? 0 : found->second;
  return 0;
}
MOCK int cuDevicePrimaryCtxRetain(void** context, int device) {
  MOCK_BEGIN("cuDevicePrimaryCtxRetain");
  *context = reinterpret_cast<void*>(static_cast<size_t>(device + 1));
  return 0;
}
MOCK int cuCtxSetCurrent(void* context) {
  MOCK_BEGIN("cuCtxSetCurrent");
  current = static_cast<int>(reinterpret_cast<size_t>(context)) - 1;
  return 0;
}
MOCK int cuStreamCreate(void** made, unsigned) {
  MOCK_BEGIN("cuStreamCreate");
  *made = &stream;
  return 0;
}
MOCK int cuStreamSynchronize(void*) {
  MOCK_BEGIN("cuStreamSynchronize");
  return 0;
}
MOCK int cuEventCreate(void** event, unsigned) {
  MOCK_BEGIN("cuEventCreate");
  *event = of_context(sizeof(Event));
  return 0;
}
MOCK int cuEventRecord(void* event, void*) {
  MOCK_BEGIN("cuEventRecord");
  return ::clock_gettime(CLOCK_MONOTONIC, &static_cast<Event*>(event)->time);
}
MOCK int cuEventSynchronize(void*) {
  MOCK_BEGIN("cuEventSynchronize");
  return 0;
}
MOCK int cuEventElapsedTime(float* milliseconds, void* begin, void* end) {
  const timespec a = static_cast<Event*>(begin)->time, b = static_cast<Event*>(end)->time;
  *milliseconds = static_cast<float>(static_cast<double>(b.tv_sec - a.tv_sec) * 1e3 +
                                     static_cast<double>(b.tv_nsec - a.tv_nsec) / 1e6);
  return 0;
}

MOCK int cuMemPoolCreate(void** made, const void*) {
  MOCK_BEGIN("cuMemPoolCreate");
  *made = &pool;
  return 0;
}
MOCK int cuMemPoolSetAttribute(void*, int, void*) { return state(); }
MOCK int cuMemPoolGetAttribute(void*, int, void* value) {
  const unsigned long long bytes = used(current);
  std::memcpy(value, &bytes, sizeof bytes);
  return state();
}
MOCK int cuMemPoolTrimTo(void*, size_t) {
  MOCK_BEGIN("cuMemPoolTrimTo");
  return 0;
}
MOCK int cuMemAllocFromPoolAsync(unsigned long long* address, size_t bytes, void*, void*) {
  MOCK_BEGIN("cuMemAllocFromPoolAsync");
  if (used(current) + bytes > memory()) return kOutOfMemory;
  void* const allocated = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (allocated == nullptr) return kOutOfMemory;
  std::memset(allocated, 0xa5, bytes);  // nothing may count on zeros
  *address = reinterpret_cast<unsigned long long>(allocated);
  allocations[*address] = {bytes, current};
  return 0;
}
MOCK int cuMemFreeAsync(unsigned long long address, void*) {
  MOCK_BEGIN("cuMemFreeAsync");
  if (allocations.erase(address) == 0) return kInvalid;
  std::free(reinterpret_cast<void*>(address));
  return 0;
}
MOCK int cuMemGetInfo_v2(size_t* free, size_t* total) {
  MOCK_BEGIN("cuMemGetInfo_v2");
  *total = memory();
  *free = memory() - used(current);
  return 0;
}
MOCK int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  MOCK_BEGIN("cuMemHostAlloc");
  *address = of_context(bytes);
  return 0;
}
MOCK int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void*) {
  MOCK_BEGIN("cuMemcpyHtoDAsync_v2");
  if (const int wrong = check_range(to, bytes); wrong != 0) return wrong;
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return 0;
}
MOCK int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void*) {
  MOCK_BEGIN("cuMemcpyDtoHAsync_v2");
  if (const int wrong = check_range(from, bytes); wrong != 0) return wrong;
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return 0;
}
MOCK int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void*) {
  MOCK_BEGIN("cuMemcpyDtoDAsync_v2");
  if (check_range(to, bytes) != 0 || check_range(from, bytes) != 0) return kInvalid;
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  return 0;
}
MOCK int cuMemsetD8Async(unsigned long long at, unsigned char value, size_t bytes, void*) {
  MOCK_BEGIN("cuMemsetD8Async");
  if (const int wrong = check_range(at, bytes); wrong != 0) return wrong;
  std::memset(reinterpret_cast<void*>(at), value, bytes);
  return 0;
}

MOCK int cuModuleLoadData(void** module, const void* image) {
  MOCK_BEGIN("cuModuleLoadData");
  const std::string text = static_cast<const char*>(image);
  if (text.compare(0, std::strlen(mock::kImage), mock::kImage) != 0) return kBadImage;
  *module = ::dlopen(text.c_str() + std::strlen(mock::kImage), RTLD_NOW | RTLD_LOCAL);
  return *module == nullptr ? kBadImage : 0;
}
MOCK int cuModuleGetFunction(void** function, void* module, const char* name) {
  MOCK_BEGIN("cuModuleGetFunction");
  *function = ::dlsym(module, ("host_entry_" + std::string(name)).c_str());
  return *function == nullptr ? kNotFound : 0;
}
MOCK int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned, void*, void** arguments, void**) {
  MOCK_BEGIN("cuLaunchKernel");
  if (grid_x == 0 || grid_y == 0 || grid_y > 65535 || grid_z != 1 || block_x == 0 || block_x > 1024 || block_y != 1 ||
      block_z != 1)
    return kInvalid;
  const unsigned grid[3] = {grid_x, grid_y, grid_z};
  reinterpret_cast<void (*)(void**, const unsigned*, unsigned)>(function)(arguments, grid, block_x);
  ++launches;
  return 0;
}
