#include "sys/library_threads.h"

#include <dlfcn.h>

namespace avenir::sys {

namespace {

// Libraries that R packages bring are loaded privately: they are found by name, and only if they are loaded already.
constexpr const char* kLibraries[] = {"libgomp.so.1", "libomp.so.5",    "libiomp5.so",  "libopenblas.so.0",
                                      "libmkl_rt.so", "libmkl_rt.so.2", "libblis.so.4", "libflexiblas.so.3"};
constexpr const char* kSetters[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads",
                                    "omp_set_num_threads", "flexiblas_set_num_threads"};

void limit_in(void* library, int threads) {
  using Setter = void (*)(int);
  for (const char* name : kSetters)
    if (const auto setter = reinterpret_cast<Setter>(::dlsym(library, name))) setter(threads);
}

}  // namespace

void limit_library_threads(int threads) {
  limit_in(RTLD_DEFAULT, threads);
  for (const char* name : kLibraries) {
    void* const library = ::dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) continue;
    limit_in(library, threads);
    ::dlclose(library);  // gives back only what dlopen() took
  }
}

}  // namespace avenir::sys
