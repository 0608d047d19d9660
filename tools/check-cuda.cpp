// Compares src/device/cuda_api.h with CUDA's headers; `configure` compiles this (without making anything) where it
// finds them. An error names the function whose declaration differs.
#include <cublas_v2.h>
#include <cuda.h>
#include <cusolverDn.h>
#include <nvrtc.h>

#include <type_traits>

#include "device/cuda_api.h"

namespace {

// Numbers and enumerations by size, pointers whatever they point at: handles are opaque.
template <typename Ours, typename Theirs>
constexpr bool same_argument() {
  if (std::is_pointer<Ours>::value != std::is_pointer<Theirs>::value) return false;
  if (std::is_floating_point<Ours>::value != std::is_floating_point<Theirs>::value) return false;
  return sizeof(Ours) == sizeof(Theirs);
}

template <typename Ours, typename Theirs>
struct Same : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
struct Same<R (*)(A...), S (*)(B...)> {
  static constexpr bool compare() {
    if constexpr (sizeof...(A) != sizeof...(B))
      return false;
    else
      return (same_argument<A, B>() && ...) && sizeof(R) == sizeof(S);
  }
  static constexpr bool value = compare();
};

using namespace avenir::device;

#define CHECK_OF(Library, name) \
  static_assert(Same<decltype(Library::name), decltype(&::name)>::value, "the declaration of " #name " differs");
#define CHECK_DRIVER(name, arguments) CHECK_OF(Driver, name)
#define CHECK_NVRTC(name, arguments) CHECK_OF(Nvrtc, name)
#define CHECK_CUBLAS(name, arguments) CHECK_OF(Cublas, name)
#define CHECK_CUSOLVER(name, arguments) CHECK_OF(Cusolver, name)
#define CHECK_CONSTANT(name, value, theirs) static_assert(static_cast<int>(theirs) == value, #theirs " differs");

AVENIR_CUDA_DRIVER(CHECK_DRIVER)
AVENIR_CUDA_NVRTC(CHECK_NVRTC)
AVENIR_CUDA_CUBLAS(CHECK_CUBLAS)
AVENIR_CUDA_CUSOLVER(CHECK_CUSOLVER)
#if CUSOLVER_VERSION >= 11701
AVENIR_CUDA_CUSOLVER_NEWER(CHECK_CUSOLVER)
#endif
AVENIR_CUDA_CONSTANTS(CHECK_CONSTANT)

static_assert(sizeof(PoolProperties) == sizeof(CUmemPoolProps) &&
                  offsetof(PoolProperties, device) == offsetof(CUmemPoolProps, location.id) &&
                  offsetof(PoolProperties, most) == offsetof(CUmemPoolProps, maxSize),
              "CUmemPoolProps differs");

}  // namespace
