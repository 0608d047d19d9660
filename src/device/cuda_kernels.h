#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "device/cuda_context.h"
#include "device/kernel_source.h"

namespace avenir::device {

// Compiled code as the driver takes it: for one architecture, or PTX.
//
// For the architecture of a GPU newer than NVRTC it is PTX, which the driver compiles. Throws kInternal with NVRTC's
// log, kUnsupported for a GPU that is too old for the toolkit. `log`: what ptxas says about registers and spills, on
// request.
std::string compile_kernels(const std::string& source, int architecture, bool fast, std::string* log = nullptr);

// Blocks for so many elements that are dealt out to all threads: enough to fill any GPU.
inline constexpr uint64_t kMostBlocks = 4096;
inline uint64_t blocks_of(uint64_t elements) {
  const uint64_t each = 4 * kThreads;
  return std::clamp<uint64_t>((elements + each - 1) / each, 1, kMostBlocks);
}

// How the names of the fixed kernels end.
inline const char* kernel_suffix(Type type) {
  return type == Type::kDouble ? "double" : type == Type::kFloat ? "float" : "integer";
}

// The kernels of one GPU, each compiled when it is first needed.
class CudaKernels {
 public:
  explicit CudaKernels(const CudaContext& context) : context_(context) {}

  // The function of that name.
  void* get(const KernelCode& code, bool fast, const char* name = kKernelName);
  size_t compiled() const { return modules_.size(); }

  // Asks for a launch in the context's stream; the arguments' addresses, as cuLaunchKernel() wants them.
  void launch_with(void** arguments, void* function, uint64_t blocks, uint64_t parts = 1) const;
  template <typename... A>
  void launch(void* function, uint64_t blocks, A... arguments) const {
    void* addresses[] = {&arguments...};
    launch_with(addresses, function, blocks);
  }

 private:
  struct Module {
    void* handle = nullptr;
    std::unordered_map<std::string, void*> functions;
  };
  Module load(const KernelCode& code, bool fast) const;

  const CudaContext& context_;
  std::unordered_map<std::string, Module> modules_;
};

}  // namespace avenir::device
