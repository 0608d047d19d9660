#pragma once

#include <cstdlib>
#include <cstring>
#include <string>

// CUDA's libraries for machines without a GPU: memory is the machine's, kernels are compiled for the host, linear
// algebra is LAPACK's. The environment says how they behave:
//
//   AVENIR_MOCK_DEVICES  how many GPUs there are (1)
//   AVENIR_MOCK_MEMORY   bytes of each (1e9)
//   AVENIR_MOCK_VERSION  of the driver (13000)
//   AVENIR_MOCK_NVRTC    of the compiler (13.0)
//   AVENIR_MOCK_FAIL     "cuLaunchKernel:700": that function gives this error
//   AVENIR_MOCK_CXX      the command that compiles kernels (c++)
//   AVENIR_MOCK_CACHE    folder of the compiled kernels (the temporary one)
namespace mock {

inline std::string text(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}
inline double number(const char* name, double otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : std::strtod(value, nullptr);
}

// The error that `function` is to give; 0: none.
inline int failure(const char* function) {
  const std::string wanted = text("AVENIR_MOCK_FAIL", "");
  const size_t colon = wanted.find(':');
  if (colon == std::string::npos || wanted.compare(0, colon, function) != 0) return 0;
  return std::atoi(wanted.c_str() + colon + 1);
}

inline constexpr const char* kImage = "avenir mock image:";  // then the path of a shared object

}  // namespace mock

#define MOCK extern "C" __attribute__((visibility("default")))
#define MOCK_MAY_FAIL(name) \
  if (const int mock_error = mock::failure(name); mock_error != 0) return mock_error
