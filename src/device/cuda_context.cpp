#include "device/cuda_context.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/error.h"

namespace avenir::device {

namespace {

using base::Error;
using base::ErrorKind;

// After these every call of the context fails, until the process ends: illegal addresses and instructions, failed and
// timed-out launches, errors of the memory and the links, a GPU that fell off.
constexpr int kSticky[] = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999};
constexpr int kSlowDouble = 16;

bool is_sticky(int error) { return std::find(std::begin(kSticky), std::end(kSticky), error) != std::end(kSticky); }

int attribute(const Driver& driver, int device, int which) {
  int value = 0;
  driver.cuDeviceGetAttribute(&value, which, device);
  return value;
}

std::string uuid_text(const unsigned char (&uuid)[16]) {
  std::string text = "GPU-";
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", uuid[i]);
    text += digits;
  }
  return text;
}

Description describe(const Driver& driver, int index) {
  int device = 0;
  char name[256] = "";
  unsigned char uuid[16] = {};
  driver.cuDeviceGet(&device, index);
  driver.cuDeviceGetName(name, sizeof name - 1, device);
  driver.cuDeviceGetUuid_v2(uuid, device);
  Description description;
  description.index = index;
  description.name = name;
  description.uuid = uuid_text(uuid);
  description.architecture =
      attribute(driver, device, cuda::kCapabilityMajor) * 10 + attribute(driver, device, cuda::kCapabilityMinor);
  description.processors = attribute(driver, device, cuda::kProcessors);
  description.slow_double = attribute(driver, device, cuda::kSingleToDouble) >= kSlowDouble;
  return description;
}

std::string error_text(const Driver& driver, int error) {
  const char *name = nullptr, *text = nullptr;
  driver.cuGetErrorName(error, &name);
  driver.cuGetErrorString(error, &text);
  return std::string(name == nullptr ? "CUDA error" : name) + " (" + std::to_string(error) + ")" +
         (text == nullptr ? "" : ": " + std::string(text));
}

}  // namespace

std::vector<Description> describe_gpus() {
  const Driver& functions = driver();
  int count = 0;
  functions.cuDeviceGetCount(&count);
  std::vector<Description> all;
  for (int i = 0; i < count; ++i) all.push_back(describe(functions, i));
  return all;
}

CudaContext::CudaContext(const Description& description)
    : driver_(device::driver()), description_(description), process_(::getpid()) {
  int device = 0;
  check(driver_.cuDeviceGet(&device, description.index), "find it");
  if (attribute(driver_, device, cuda::kPoolsSupported) == 0)
    throw Error(ErrorKind::kUnsupported,
                title() + " has no stream-ordered memory (cuMemAllocAsync), as some virtual GPUs; avenir needs it");
  check(driver_.cuDevicePrimaryCtxRetain(&context_, device), "start it");
  check(driver_.cuCtxSetCurrent(context_), "use it");
  check(driver_.cuStreamCreate(&stream_, cuda::kNonBlocking), "make a stream");
}

bool CudaContext::is_gone() const { return !lost_.empty() || ::getpid() != process_; }

void CudaContext::enter() const {
  if (::getpid() != process_)
    throw Error(ErrorKind::kDisconnected,
                title() +
                    " was used before this process was forked, so it is out of reach here (CUDA allows no other); "
                    "use the CPU, or a plan whose workers are not forks of this session");
  if (!lost_.empty())
    throw Error(ErrorKind::kDisconnected, title() + " is lost since " + lost_ + "; what was on it is gone. Restart R");
  check(driver_.cuCtxSetCurrent(context_), "use it");
}

void CudaContext::check(int error, const std::string& tried) const {
  if (error == 0) return;
  const std::string text = error_text(driver_, error);
  if (is_sticky(error)) {
    lost_ = text;
    throw Error(ErrorKind::kDisconnected,
                title() + " is lost: it could not " + tried + ", " + text + "; what was on it is gone. Restart R");
  }
  throw Error(error == cuda::kOutOfMemory ? ErrorKind::kOverloaded : ErrorKind::kInternal,
              title() + " could not " + tried + ": " + text);
}

void CudaContext::check_library(int error, const char* function) const {
  if (error == 0) return;
  sync();  // when it was the GPU's, the driver says more
  throw Error(ErrorKind::kInternal,
              std::string(function) + "() failed on " + title() + " with status " + std::to_string(error));
}

void CudaContext::sync() const { check(driver_.cuStreamSynchronize(stream_), "finish its work"); }

std::string CudaContext::title() const {
  return "GPU " + std::to_string(description_.index) + " (" + description_.name + ")";
}

}  // namespace avenir::device
