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

// What the address sanitizer has to be told of switches: on which stack the next lines run. Each fiber has the frames
// that the sanitizer keeps for it (null: none yet).
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HOST_ADDRESS_SANITIZER
#endif
#ifdef HOST_ADDRESS_SANITIZER
extern "C" void __sanitizer_start_switch_fiber(void** frames, const void* stack, unsigned long size);
extern "C" void __sanitizer_finish_switch_fiber(void* frames, const void** left_stack, unsigned long* left_size);
#else
inline void __sanitizer_start_switch_fiber(void**, const void*, unsigned long) {}
inline void __sanitizer_finish_switch_fiber(void*, const void**, unsigned long*) {}
#endif

constexpr unsigned long kHostStack = 65536;

struct HostFiber {
  ucontext_t context;
  void* frames;
  bool done;
};
struct HostFibers {
  HostFiber scheduler;
  const void* scheduler_stack = nullptr;
  unsigned long scheduler_size = 0;
  HostFiber* threads = nullptr;
  char* stacks = nullptr;
  unsigned current = 0;
  void (*run)() = nullptr;
};
static HostFibers host_fibers;

// In a fiber, when it has been switched to.
static void host_enter(void* frames) {
  __sanitizer_finish_switch_fiber(frames, &host_fibers.scheduler_stack, &host_fibers.scheduler_size);
}

static void host_fiber() {
  host_enter(nullptr);
  host_fibers.run();
  host_fibers.threads[host_fibers.current].done = true;
  __sanitizer_start_switch_fiber(nullptr, host_fibers.scheduler_stack, host_fibers.scheduler_size);
}

inline void __syncthreads() {
  HostFiber& fiber = host_fibers.threads[host_fibers.current];
  __sanitizer_start_switch_fiber(&fiber.frames, host_fibers.scheduler_stack, host_fibers.scheduler_size);
  swapcontext(&fiber.context, &host_fibers.scheduler.context);
  host_enter(fiber.frames);
}

static void host_switch_to(unsigned thread) {
  HostFiber& scheduler = host_fibers.scheduler;
  host_fibers.current = thread;
  threadIdx.x = thread;
  __sanitizer_start_switch_fiber(&scheduler.frames, host_fibers.stacks + thread * kHostStack, kHostStack);
  swapcontext(&scheduler.context, &host_fibers.threads[thread].context);
  __sanitizer_finish_switch_fiber(scheduler.frames, nullptr, nullptr);
}

static void host_begin(unsigned thread) {
  HostFiber& fiber = host_fibers.threads[thread];
  fiber.done = false;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = host_fibers.stacks + thread * kHostStack;
  fiber.context.uc_stack.ss_size = kHostStack;
  fiber.context.uc_link = &host_fibers.scheduler.context;
  makecontext(&fiber.context, host_fiber, 0);
}

// All threads of a block go from one __syncthreads() to the next in turn.
static void host_run_fibers(unsigned count) {
  for (unsigned i = 0; i < count; ++i) host_begin(i);
  for (bool left = true; left;) {
    left = false;
    for (unsigned i = 0; i < count; ++i) {
      if (host_fibers.threads[i].done) continue;
      host_switch_to(i);
      left |= !host_fibers.threads[i].done;
    }
  }
}

static void host_launch(void (*run)(), const unsigned* grid, unsigned block) {
  host_fibers.run = run;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block, 1, 1};
  host_fibers.stacks = static_cast<char*>(malloc(block * kHostStack));
  host_fibers.threads = static_cast<HostFiber*>(malloc(block * sizeof(HostFiber)));
  for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x) host_run_fibers(block);
  free(host_fibers.stacks);
  free(host_fibers.threads);
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
