#pragma once

#include <sys/types.h>

#include <string>

#include "device/cuda_library.h"
#include "device/device.h"

namespace avenir::device {

// What the driver says about each GPU. Throws kUnsupported without a driver.
std::vector<Description> describe_gpus();

// One GPU in this process: its primary context, the one stream in which all work is asked, and what became of it.
//
// R thread only. Never destroyed: at the end of the process the driver may be gone before.
class CudaContext {
 public:
  explicit CudaContext(const Description& description);
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  const Description& description() const { return description_; }
  void* stream() const { return stream_; }
  const Driver& driver() const { return driver_; }

  // Makes this the GPU that calls are about. Throws kDisconnected when it is lost, and in a fork of this process.
  void enter() const;
  // True when nothing may be called any more: release what lies there without a word.
  bool is_gone() const;

  // Throws when `error`, of a call of the driver, says so; `tried` is what was: "copy 80 bytes to it". Errors after
  // which the context is of no use, by CUDA's rules, are the GPU's last.
  void check(int error, const std::string& tried) const;
  // The same of another library's call.
  void check_library(int error, const char* function) const;

  void sync() const;
  // "GPU 0 (NVIDIA H200)"
  std::string title() const;

 private:
  const Driver& driver_;
  Description description_;
  void* context_ = nullptr;
  void* stream_ = nullptr;
  pid_t process_;
  mutable std::string lost_;  // the error that was its last
};

}  // namespace avenir::device
