#pragma once

#include <cstddef>
#include <cstdint>

// The functions of CUDA that avenir calls, by their names in the shared objects: own declarations, so that one build
// runs with and without GPU, driver and toolkit, and no header of CUDA is needed. What is not here cannot be called.
// tools/check-cuda.cpp compares each with CUDA's headers, where `configure` finds them.
//
// X(name, arguments): all return int, 0 for success. Handles are void*, enumerations int.
// clang-format off
#define AVENIR_CUDA_DRIVER(X)                                                                                          \
  X(cuInit, (unsigned flags))                                                                                          \
  X(cuDriverGetVersion, (int* version))                                                                                \
  X(cuGetErrorName, (int error, const char** name))                                                                    \
  X(cuGetErrorString, (int error, const char** text))                                                                  \
  X(cuDeviceGetCount, (int* count))                                                                                    \
  X(cuDeviceGet, (int* device, int index))                                                                             \
  X(cuDeviceGetName, (char* name, int size, int device))                                                               \
  X(cuDeviceGetUuid_v2, (void* uuid, int device))                                                                      \
  X(cuDeviceTotalMem_v2, (size_t* bytes, int device))                                                                  \
  X(cuDeviceGetAttribute, (int* value, int attribute, int device))                                                     \
  X(cuDevicePrimaryCtxRetain, (void** context, int device))                                                            \
  X(cuCtxSetCurrent, (void* context))                                                                                  \
  X(cuStreamCreate, (void** stream, unsigned flags))                                                                   \
  X(cuStreamSynchronize, (void* stream))                                                                               \
  X(cuEventCreate, (void** event, unsigned flags))                                                                     \
  X(cuEventRecord, (void* event, void* stream))                                                                        \
  X(cuEventSynchronize, (void* event))                                                                                 \
  X(cuEventElapsedTime, (float* milliseconds, void* begin, void* end))                                                 \
  X(cuMemPoolCreate, (void** pool, const void* properties))                                                            \
  X(cuMemPoolSetAttribute, (void* pool, int attribute, void* value))                                                   \
  X(cuMemPoolGetAttribute, (void* pool, int attribute, void* value))                                                   \
  X(cuMemPoolTrimTo, (void* pool, size_t keep))                                                                        \
  X(cuMemAllocFromPoolAsync, (unsigned long long* address, size_t bytes, void* pool, void* stream))                    \
  X(cuMemFreeAsync, (unsigned long long address, void* stream))                                                        \
  X(cuMemGetInfo_v2, (size_t* free, size_t* total))                                                                    \
  X(cuMemHostAlloc, (void** address, size_t bytes, unsigned flags))                                                    \
  X(cuMemcpyHtoDAsync_v2, (unsigned long long to, const void* from, size_t bytes, void* stream))                       \
  X(cuMemcpyDtoHAsync_v2, (void* to, unsigned long long from, size_t bytes, void* stream))                             \
  X(cuMemcpyDtoDAsync_v2, (unsigned long long to, unsigned long long from, size_t bytes, void* stream))                \
  X(cuMemsetD8Async, (unsigned long long at, unsigned char value, size_t bytes, void* stream))                         \
  X(cuModuleLoadData, (void** module, const void* image))                                                              \
  X(cuModuleGetFunction, (void** function, void* module, const char* name))                                            \
  X(cuLaunchKernel, (void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,              \
                     unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream, void** arguments,        \
                     void** extra))

#define AVENIR_CUDA_NVRTC(X)                                                                                           \
  X(nvrtcVersion, (int* major, int* minor))                                                                            \
  X(nvrtcGetNumSupportedArchs, (int* count))                                                                           \
  X(nvrtcGetSupportedArchs, (int* architectures))                                                                      \
  X(nvrtcCreateProgram, (void** program, const char* source, const char* name, int headers,                            \
                         const char* const* header_texts, const char* const* header_names))                            \
  X(nvrtcDestroyProgram, (void** program))                                                                             \
  X(nvrtcCompileProgram, (void* program, int count, const char* const* options))                                       \
  X(nvrtcGetProgramLogSize, (void* program, size_t* size))                                                             \
  X(nvrtcGetProgramLog, (void* program, char* log))                                                                    \
  X(nvrtcGetCUBINSize, (void* program, size_t* size))                                                                  \
  X(nvrtcGetCUBIN, (void* program, char* image))                                                                       \
  X(nvrtcGetPTXSize, (void* program, size_t* size))                                                                    \
  X(nvrtcGetPTX, (void* program, char* image))

// Of the two functions of each name one takes doubles, the other floats.
#define AVENIR_CUBLAS_OF(X, D, Number)                                                                                 \
  X(cublas##D##gemm_v2_64, (void* handle, int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,           \
                            const Number* alpha, const Number* a, int64_t lda, const Number* b, int64_t ldb,           \
                            const Number* beta, Number* c, int64_t ldc))                                               \
  X(cublas##D##syrk_v2_64, (void* handle, int triangle, int transpose, int64_t n, int64_t k, const Number* alpha,      \
                            const Number* a, int64_t lda, const Number* beta, Number* c, int64_t ldc))                 \
  X(cublas##D##trsm_v2_64, (void* handle, int side, int triangle, int transpose, int diagonal, int64_t m, int64_t n,   \
                            const Number* alpha, const Number* a, int64_t lda, Number* b, int64_t ldb))

#define AVENIR_CUDA_CUBLAS(X)                                                                                          \
  X(cublasCreate_v2, (void** handle))                                                                                  \
  X(cublasGetVersion_v2, (void* handle, int* version))                                                                 \
  X(cublasSetStream_v2, (void* handle, void* stream))                                                                  \
  X(cublasSetMathMode, (void* handle, int mode))                                                                       \
  AVENIR_CUBLAS_OF(X, D, double)                                                                                       \
  AVENIR_CUBLAS_OF(X, S, float)

#define AVENIR_CUSOLVER_OF(X, D, Number)                                                                               \
  X(cusolverDn##D##ormqr_bufferSize, (void* handle, int side, int transpose, int m, int n, int k, const Number* a,     \
                                      int lda, const Number* tau, const Number* c, int ldc, int* size))                \
  X(cusolverDn##D##ormqr, (void* handle, int side, int transpose, int m, int n, int k, const Number* a, int lda,       \
                           const Number* tau, Number* c, int ldc, Number* work, int size, int* info))

#define AVENIR_CUDA_CUSOLVER(X)                                                                                        \
  X(cusolverDnCreate, (void** handle))                                                                                 \
  X(cusolverDnSetStream, (void* handle, void* stream))                                                                 \
  X(cusolverDnCreateParams, (void** parameters))                                                                       \
  X(cusolverGetVersion, (int* version))                                                                                \
  X(cusolverDnXpotrf_bufferSize, (void* handle, void* parameters, int triangle, int64_t n, int type, const void* a,    \
                                  int64_t lda, int compute, size_t* device_bytes, size_t* host_bytes))                 \
  X(cusolverDnXpotrf, (void* handle, void* parameters, int triangle, int64_t n, int type, void* a, int64_t lda,        \
                       int compute, void* on_device, size_t device_bytes, void* on_host, size_t host_bytes,            \
                       int* info))                                                                                     \
  X(cusolverDnXgetrf_bufferSize, (void* handle, void* parameters, int64_t m, int64_t n, int type, const void* a,       \
                                  int64_t lda, int compute, size_t* device_bytes, size_t* host_bytes))                 \
  X(cusolverDnXgetrf, (void* handle, void* parameters, int64_t m, int64_t n, int type, void* a, int64_t lda,           \
                       int64_t* pivots, int compute, void* on_device, size_t device_bytes, void* on_host,              \
                       size_t host_bytes, int* info))                                                                  \
  X(cusolverDnXgetrs, (void* handle, void* parameters, int transpose, int64_t n, int64_t columns, int type_a,          \
                       const void* a, int64_t lda, const int64_t* pivots, int type_b, void* b, int64_t ldb,            \
                       int* info))                                                                                     \
  X(cusolverDnXgeqrf_bufferSize, (void* handle, void* parameters, int64_t m, int64_t n, int type, const void* a,       \
                                  int64_t lda, int type_tau, const void* tau, int compute, size_t* device_bytes,       \
                                  size_t* host_bytes))                                                                 \
  X(cusolverDnXgeqrf, (void* handle, void* parameters, int64_t m, int64_t n, int type, void* a, int64_t lda,           \
                       int type_tau, void* tau, int compute, void* on_device, size_t device_bytes, void* on_host,      \
                       size_t host_bytes, int* info))                                                                  \
  X(cusolverDnXgesvd_bufferSize, (void* handle, void* parameters, signed char job_u, signed char job_vt, int64_t m,    \
                                  int64_t n, int type, const void* a, int64_t lda, int type_s, const void* s,          \
                                  int type_u, const void* u, int64_t ldu, int type_vt, const void* vt, int64_t ldvt,   \
                                  int compute, size_t* device_bytes, size_t* host_bytes))                              \
  X(cusolverDnXgesvd, (void* handle, void* parameters, signed char job_u, signed char job_vt, int64_t m, int64_t n,    \
                       int type, void* a, int64_t lda, int type_s, void* s, int type_u, void* u, int64_t ldu,          \
                       int type_vt, void* vt, int64_t ldvt, int compute, void* on_device, size_t device_bytes,         \
                       void* on_host, size_t host_bytes, int* info))                                                   \
  X(cusolverDnXsyevd_bufferSize, (void* handle, void* parameters, int vectors, int triangle, int64_t n, int type,      \
                                  const void* a, int64_t lda, int type_w, const void* w, int compute,                  \
                                  size_t* device_bytes, size_t* host_bytes))                                           \
  X(cusolverDnXsyevd, (void* handle, void* parameters, int vectors, int triangle, int64_t n, int type, void* a,        \
                       int64_t lda, int type_w, void* w, int compute, void* on_device, size_t device_bytes,            \
                       void* on_host, size_t host_bytes, int* info))                                                   \
  AVENIR_CUSOLVER_OF(X, D, double)                                                                                     \
  AVENIR_CUSOLVER_OF(X, S, float)

// Since CUDA 12.6.
#define AVENIR_CUDA_CUSOLVER_NEWER(X)                                                                                  \
  X(cusolverDnXgeev_bufferSize, (void* handle, void* parameters, int left, int right, int64_t n, int type,             \
                                 const void* a, int64_t lda, int type_w, const void* w, int type_vl, const void* vl,   \
                                 int64_t ldvl, int type_vr, const void* vr, int64_t ldvr, int compute,                 \
                                 size_t* device_bytes, size_t* host_bytes))                                            \
  X(cusolverDnXgeev, (void* handle, void* parameters, int left, int right, int64_t n, int type, void* a, int64_t lda,  \
                      int type_w, void* w, int type_vl, void* vl, int64_t ldvl, int type_vr, void* vr, int64_t ldvr,   \
                      int compute, void* on_device, size_t device_bytes, void* on_host, size_t host_bytes,             \
                      int* info))
// clang-format on

namespace avenir::device {

#define AVENIR_CUDA_MEMBER(name, arguments) int(*name) arguments = nullptr;
struct Driver {
  AVENIR_CUDA_DRIVER(AVENIR_CUDA_MEMBER)
};
struct Nvrtc {
  AVENIR_CUDA_NVRTC(AVENIR_CUDA_MEMBER)
};
struct Cublas {
  AVENIR_CUDA_CUBLAS(AVENIR_CUDA_MEMBER)
};
struct Cusolver {
  AVENIR_CUDA_CUSOLVER(AVENIR_CUDA_MEMBER)
  AVENIR_CUDA_CUSOLVER_NEWER(AVENIR_CUDA_MEMBER)
};
#undef AVENIR_CUDA_MEMBER

// Their constants: X(ours, value, CUDA's name).
#define AVENIR_CUDA_CONSTANTS(X)                                                    \
  X(kOutOfMemory, 2, CUDA_ERROR_OUT_OF_MEMORY)                                      \
  X(kStubLibrary, 34, CUDA_ERROR_STUB_LIBRARY)                                      \
  X(kNoDevice, 100, CUDA_ERROR_NO_DEVICE)                                           \
  X(kNonBlocking, 1, CU_STREAM_NON_BLOCKING)                                        \
  X(kProcessors, 16, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)                      \
  X(kCapabilityMajor, 75, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)             \
  X(kCapabilityMinor, 76, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)             \
  X(kSingleToDouble, 87, CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO) \
  X(kPoolsSupported, 115, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)               \
  X(kReleaseThreshold, 4, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)                        \
  X(kReservedBytes, 5, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)                        \
  X(kPinned, 1, CU_MEM_ALLOCATION_TYPE_PINNED)                                      \
  X(kOnDevice, 1, CU_MEM_LOCATION_TYPE_DEVICE)                                      \
  X(kFloats, 0, CUDA_R_32F)                                                         \
  X(kDoubles, 1, CUDA_R_64F)                                                        \
  X(kComplexFloats, 4, CUDA_C_32F)                                                  \
  X(kComplexDoubles, 5, CUDA_C_64F)                                                 \
  X(kPlain, 0, CUBLAS_OP_N)                                                         \
  X(kTransposed, 1, CUBLAS_OP_T)                                                    \
  X(kLower, 0, CUBLAS_FILL_MODE_LOWER)                                              \
  X(kUpper, 1, CUBLAS_FILL_MODE_UPPER)                                              \
  X(kLeft, 0, CUBLAS_SIDE_LEFT)                                                     \
  X(kRight, 1, CUBLAS_SIDE_RIGHT)                                                   \
  X(kNonUnit, 0, CUBLAS_DIAG_NON_UNIT)                                              \
  X(kUnit, 1, CUBLAS_DIAG_UNIT)                                                     \
  X(kDefaultMath, 0, CUBLAS_DEFAULT_MATH)                                           \
  X(kTf32Math, 3, CUBLAS_TF32_TENSOR_OP_MATH)                                       \
  X(kNoVectors, 0, CUSOLVER_EIG_MODE_NOVECTOR)                                      \
  X(kVectors, 1, CUSOLVER_EIG_MODE_VECTOR)

namespace cuda {
#define AVENIR_CUDA_CONSTANT(name, value, theirs) inline constexpr int name = value;
AVENIR_CUDA_CONSTANTS(AVENIR_CUDA_CONSTANT)
#undef AVENIR_CUDA_CONSTANT
}  // namespace cuda

// CUmemPoolProps.
struct PoolProperties {
  int kind = cuda::kPinned;
  int handles = 0;  // none: not to be exported
  int place = cuda::kOnDevice;
  int device = 0;
  void* security = nullptr;
  size_t most = 0;
  unsigned char reserved[56] = {};
};

}  // namespace avenir::device
