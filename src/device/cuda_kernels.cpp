#include "device/cuda_kernels.h"

#include <algorithm>

#include "base/error.h"
#include "base/scope.h"

namespace avenir::device {

namespace {

using base::Error;
using base::ErrorKind;

[[noreturn]] void raise_nvrtc(const char* function, int error, const std::string& log) {
  throw Error(ErrorKind::kInternal, std::string("avenir's code for the GPU was refused: ") + function + "() gave " +
                                        std::to_string(error) + (log.empty() ? "" : "; the compiler says: " + log));
}

void check(int error, const char* function) {
  if (error != 0) raise_nvrtc(function, error, "");
}

std::vector<int> supported_architectures(const Nvrtc& functions) {
  int count = 0;
  check(functions.nvrtcGetNumSupportedArchs(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> all(static_cast<size_t>(count));
  check(functions.nvrtcGetSupportedArchs(all.data()), "nvrtcGetSupportedArchs");
  std::sort(all.begin(), all.end());
  return all;
}

[[noreturn]] void raise_too_old(int architecture, int oldest) {
  const auto dotted = [](int x) { return std::to_string(x / 10) + "." + std::to_string(x % 10); };
  throw Error(ErrorKind::kUnsupported, "the GPU's compute capability is " + dotted(architecture) +
                                           ", and this CUDA toolkit compiles for " + dotted(oldest) +
                                           " and later; an older toolkit may do");
}

// The newest that NVRTC knows and the GPU understands.
int target_of(const std::vector<int>& supported, int architecture) {
  const auto above = std::upper_bound(supported.begin(), supported.end(), architecture);
  if (above == supported.begin()) raise_too_old(architecture, supported.empty() ? 0 : supported.front());
  return *(above - 1);
}

std::string log_of(const Nvrtc& functions, void* program) {
  size_t size = 0;
  if (functions.nvrtcGetProgramLogSize(program, &size) != 0 || size == 0) return "";
  std::string log(size, '\0');
  functions.nvrtcGetProgramLog(program, log.data());
  log.resize(size - 1);
  return log;
}

using SizeOf = int (*)(void*, size_t*);
using ImageOf = int (*)(void*, char*);

std::string image_of(void* program, SizeOf size_of, ImageOf image) {
  size_t size = 0;
  check(size_of(program, &size), "nvrtcGetCUBINSize");
  std::string bytes(size, '\0');
  check(image(program, bytes.data()), "nvrtcGetCUBIN");
  return bytes;
}

}  // namespace

std::string compile_kernels(const std::string& source, int architecture, bool fast, std::string* log) {
  const Nvrtc& functions = nvrtc();
  const int target = target_of(supported_architectures(functions), architecture);
  const bool own = target == architecture;
  const std::string option = "--gpu-architecture=" + std::string(own ? "sm_" : "compute_") + std::to_string(target);
  std::vector<const char*> options = {option.c_str(), "--std=c++17", "--disable-warnings"};
  options.push_back(fast ? "--use_fast_math" : "--fmad=false");
  if (log != nullptr) options.push_back("--ptxas-options=-v");
  void* program = nullptr;
  check(functions.nvrtcCreateProgram(&program, source.c_str(), "avenir.cu", 0, nullptr, nullptr), "nvrtcCreateProgram");
  const base::ScopeGuard destroy([&] { functions.nvrtcDestroyProgram(&program); });
  const int error = functions.nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  if (error != 0) raise_nvrtc("nvrtcCompileProgram", error, log_of(functions, program));
  if (log != nullptr) *log = log_of(functions, program);
  return own ? image_of(program, functions.nvrtcGetCUBINSize, functions.nvrtcGetCUBIN)
             : image_of(program, functions.nvrtcGetPTXSize, functions.nvrtcGetPTX);
}

CudaKernels::Module CudaKernels::load(const KernelCode& code, bool fast) const {
  const std::string image = compile_kernels(code.source(), context_.description().architecture, fast);
  Module module;
  context_.check(context_.driver().cuModuleLoadData(&module.handle, image.c_str()), "load a kernel");
  return module;
}

void* CudaKernels::get(const KernelCode& code, bool fast, const char* name) {
  const std::string key = code.key();
  auto found = modules_.find(key);
  if (found == modules_.end()) found = modules_.emplace(key, load(code, fast)).first;
  void*& function = found->second.functions[name];
  if (function == nullptr)
    context_.check(context_.driver().cuModuleGetFunction(&function, found->second.handle, name), "find a kernel");
  return function;
}

void CudaKernels::launch_with(void** arguments, void* function, uint64_t blocks, uint64_t parts) const {
  context_.check(context_.driver().cuLaunchKernel(function, static_cast<unsigned>(blocks), static_cast<unsigned>(parts),
                                                  1, kThreads, 1, 1, 0, context_.stream(), arguments, nullptr),
                 "launch a kernel");
}

}  // namespace avenir::device
