#include <unistd.h>

#include <map>
#include <memory>
#include <utility>

#include "base/error.h"
#include "device/cuda_device.h"

namespace avenir::device {

namespace {

std::function<void()>& collector() {
  static auto* const instance = new std::function<void()>;
  return *instance;
}

// What was found at the first call, and by which process. Never destroyed: the driver may be gone before.
struct Gpus {
  std::string missing;
  std::vector<Description> all;
  std::map<int, std::unique_ptr<CudaDevice>> devices;
  pid_t process = 0;  // 0: nothing was looked for
};

Gpus& state() {
  static auto* const instance = new Gpus;
  return *instance;
}

Gpus& found() {
  Gpus& gpus = state();
  if (gpus.process != 0) return gpus;
  gpus.process = ::getpid();
  gpus.missing = missing_driver();
  if (gpus.missing.empty()) gpus.missing = missing_nvrtc();
  if (gpus.missing.empty()) gpus.all = describe_gpus();
  return gpus;
}

[[noreturn]] void raise_no_such(int index, size_t count) {
  throw base::Error(base::ErrorKind::kInvalid, "there is no GPU " + std::to_string(index) + ": the " +
                                                   std::to_string(count) + " that can be seen are counted from 0");
}

}  // namespace

void set_collector(std::function<void()> function) { collector() = std::move(function); }
void collect() {
  if (collector()) collector()();
}

const std::vector<Description>& gpus() { return found().all; }
const std::string& gpus_missing() { return found().missing; }

GpuStatus gpu_status() {
  const Gpus& gpus = found();
  return {gpus.missing, driver_version(), gpus.all, describe_libraries()};
}

Device& gpu_device(int index) {
  Gpus& gpus = found();
  if (!gpus.missing.empty()) throw base::Error(base::ErrorKind::kUnsupported, gpus.missing);
  if (is_forked_from_gpu_user())
    throw base::Error(base::ErrorKind::kDisconnected,
                      "GPUs were used before this process was forked, so they are out of reach here (CUDA allows no "
                      "other); use the CPU, or a plan whose workers are not forks of this session");
  if (index < 0 || static_cast<size_t>(index) >= gpus.all.size()) raise_no_such(index, gpus.all.size());
  auto& device = gpus.devices[index];
  if (device == nullptr) device = std::make_unique<CudaDevice>(gpus.all[static_cast<size_t>(index)]);
  return *device;
}

bool is_forked_from_gpu_user() {
  const Gpus& gpus = state();
  return gpus.process != 0 && gpus.process != ::getpid() && gpus.missing.empty();
}

void forget_gpus() {
  state() = Gpus();
  forget_libraries();
}

}  // namespace avenir::device
