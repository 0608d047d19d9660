// What the kernels' text needs to be compiled for the host: the mock of NVRTC puts this in front of it. A block's
// threads are fibers that __syncthreads() switches between. No header but this one: others take a good part of the time
// that a kernel takes to compile.
#include <ucontext.h>

extern "C" {
double exp(double), expm1(double), log(double), log1p(double), log2(double), log10(double);
double sin(double), cos(double), tan(double), asin(double), acos(double), atan(double), sinh(double), cosh(double);
double tanh(double), asinh(double), acosh(double), atanh(double), pow(double, double), atan2(double, double);
double sqrt(double), floor(double), ceil(double), trunc(double), rint(double), fmod(double, double), fabs(double);
double fma(double, double, double), frexp(double, int*);
void* malloc(unsigned long);
void free(void*);
}
#define HOST_FLOAT(name) \
  inline float name(float x) { return __builtin_##name##f(x); }
#define HOST_FLOAT2(name) \
  inline float name(float x, float y) { return __builtin_##name##f(x, y); }
HOST_FLOAT(exp)
HOST_FLOAT(expm1) HOST_FLOAT(log) HOST_FLOAT(log1p) HOST_FLOAT(log2) HOST_FLOAT(log10) HOST_FLOAT(sin) HOST_FLOAT(cos)
    HOST_FLOAT(tan) HOST_FLOAT(asin) HOST_FLOAT(acos) HOST_FLOAT(atan) HOST_FLOAT(sinh) HOST_FLOAT(cosh)
        HOST_FLOAT(tanh) HOST_FLOAT(asinh) HOST_FLOAT(acosh) HOST_FLOAT(atanh) HOST_FLOAT(sqrt) HOST_FLOAT(floor)
            HOST_FLOAT(ceil) HOST_FLOAT(trunc) HOST_FLOAT(rint) HOST_FLOAT(fabs) HOST_FLOAT2(pow) HOST_FLOAT2(atan2)
                HOST_FLOAT2(fmod) inline float fma(float x, float y, float z) {
  return __builtin_fmaf(x, y, z);
}

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __constant__ static const

struct HostIndex {
  unsigned x, y, z;
};
static HostIndex threadIdx, blockIdx, blockDim, gridDim;

inline long long __double_as_longlong(double x) {
  long long bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline double __longlong_as_double(long long bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}
inline int __float_as_int(float x) {
  int bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}
template <typename T>
T atomicOr(T* at, T value) {
  const T before = *at;
  *at |= value;
  return before;
}
template <typename T>
T atomicAdd(T* at, T value) {
  const T before = *at;
  *at += value;
  return before;
}
template <typename T>
T atomicMin(T* at, T value) {
  const T before = *at;
  if (value < before) *at = value;
  return before;
}

// ---- Launches ----

struct HostFibers {
  ucontext_t scheduler;
  ucontext_t* threads = nullptr;
  bool* done = nullptr;
  unsigned current = 0;
  void (*run)() = nullptr;
};
static HostFibers host_fibers;

static void host_fiber() {
  host_fibers.run();
  host_fibers.done[host_fibers.current] = true;
}

inline void __syncthreads() {
  const unsigned thread = host_fibers.current;
  swapcontext(&host_fibers.threads[thread], &host_fibers.scheduler);
}

constexpr unsigned long kHostStack = 32768;

// All threads of a block go from one __syncthreads() to the next in turn.
static void host_run_fibers(unsigned count, char* stacks) {
  for (unsigned i = 0; i < count; ++i) {
    host_fibers.done[i] = false;
    getcontext(&host_fibers.threads[i]);
    host_fibers.threads[i].uc_stack.ss_sp = stacks + i * kHostStack;
    host_fibers.threads[i].uc_stack.ss_size = kHostStack;
    host_fibers.threads[i].uc_link = &host_fibers.scheduler;
    makecontext(&host_fibers.threads[i], host_fiber, 0);
  }
  for (bool left = true; left;) {
    left = false;
    for (unsigned i = 0; i < count; ++i) {
      if (host_fibers.done[i]) continue;
      host_fibers.current = i;
      threadIdx.x = i;
      swapcontext(&host_fibers.scheduler, &host_fibers.threads[i]);
      left |= !host_fibers.done[i];
    }
  }
}

static void host_launch(void (*run)(), const unsigned* grid, unsigned block) {
  host_fibers.run = run;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block, 1, 1};
  char* const stacks = static_cast<char*>(malloc(block * kHostStack));
  host_fibers.threads = static_cast<ucontext_t*>(malloc(block * sizeof(ucontext_t)));
  host_fibers.done = static_cast<bool*>(malloc(block));
  for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x) host_run_fibers(block, stacks);
  free(stacks);
  free(host_fibers.threads);
  free(host_fibers.done);
}

// The arguments of a launch, by the kernel's own parameters: a launch that gives others reads nonsense here as there.
static void** host_arguments;
template <int... kIndex>
struct HostIndices {};
template <int kCount, int... kIndex>
struct HostIndicesOf : HostIndicesOf<kCount - 1, kCount - 1, kIndex...> {};
template <int... kIndex>
struct HostIndicesOf<0, kIndex...> {
  typedef HostIndices<kIndex...> type;
};
template <typename... P, int... kIndex>
void host_call(void (*kernel)(P...), HostIndices<kIndex...>) {
  kernel(*static_cast<P*>(host_arguments[kIndex])...);
}
template <typename... P>
void host_call(void (*kernel)(P...)) {
  host_call(kernel, typename HostIndicesOf<sizeof...(P)>::type());
}
#define HOST_ENTRY(name)                                                                                           \
  extern "C" __attribute__((visibility("default"))) void host_entry_##name(void** arguments, const unsigned* grid, \
                                                                           unsigned block) {                       \
    host_arguments = arguments;                                                                                    \
    host_launch([] { host_call(name); }, grid, block);                                                             \
  }
