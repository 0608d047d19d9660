#include <utility>

#include "base/error.h"
#include "device/device.h"

namespace avenir::device {

namespace {

std::function<void()>& collector() {
  static auto* const instance = new std::function<void()>;
  return *instance;
}

}  // namespace

void set_collector(std::function<void()> function) { collector() = std::move(function); }
void collect() {
  if (collector()) collector()();
}

const std::vector<Description>& gpus() {
  static const auto* const none = new std::vector<Description>;
  return *none;
}

const std::string& gpus_missing() {
  static const auto* const reason = new std::string("this build of avenir has no GPUs yet");
  return *reason;
}

GpuStatus gpu_status() { return {gpus_missing(), "", gpus(), {}}; }

Device& gpu_device(int) { throw base::Error(base::ErrorKind::kUnsupported, gpus_missing()); }

bool is_forked_from_gpu_user() { return false; }

}  // namespace avenir::device
