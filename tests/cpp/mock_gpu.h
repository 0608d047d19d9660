#pragma once

#include <map>
#include <string>

#include "device/device.h"

using Settings = std::map<std::string, std::string>;

// The GPUs of tests/testthat/mock, for the length of a scope. Buffers go before it.
class MockGpu {
 public:
  // More of the environment: AVENIR_MOCK_DEVICES and so on.
  explicit MockGpu(const Settings& settings = {});
  ~MockGpu();
  MockGpu(const MockGpu&) = delete;
  MockGpu& operator=(const MockGpu&) = delete;

  void set(const std::string& name, const std::string& value);
  avenir::device::Device& device(int index = 0) { return avenir::device::gpu_device(index); }
  // "launches", "allocations" or "bytes", of what the mock saw.
  long statistic(const char* name) const;
  static std::string folder();

 private:
  Settings settings_;
};
