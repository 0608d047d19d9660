#include "mock_gpu.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

using namespace avenir;

namespace {

void* driver() { return ::dlopen((MockGpu::folder() + "/libcuda.so.1").c_str(), RTLD_NOW | RTLD_LOCAL); }

}  // namespace

std::string MockGpu::folder() {
  char path[4096] = "";
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  const std::string program(path, size < 0 ? 0 : static_cast<size_t>(size));
  return program.substr(0, program.rfind('/')) + "/mock";
}

MockGpu::MockGpu(const Settings& settings) {
  set("AVENIR_CUDA_LIB", folder());
  set("AVENIR_MOCK_CACHE", folder());
  for (const auto& [name, value] : settings) set(name, value);
  device::forget_gpus();
}

MockGpu::~MockGpu() {
  device::set_collector({});
  device::forget_gpus();
  if (void* const library = driver()) reinterpret_cast<void (*)()>(::dlsym(library, "mock_reset"))();
  for (const auto& [name, value] : settings_) ::unsetenv(name.c_str());
}

void MockGpu::set(const std::string& name, const std::string& value) {
  settings_[name] = value;
  ::setenv(name.c_str(), value.c_str(), 1);
}

long MockGpu::statistic(const char* name) const {
  return reinterpret_cast<long (*)(const char*)>(::dlsym(driver(), "mock_statistic"))(name);
}
