#include "sys/library_threads.h"

#include <dlfcn.h>

#include <initializer_list>

namespace avenir::sys {

void limit_library_threads(int threads) {
  using Setter = void (*)(int);
  for (const char* name :
       {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads", "omp_set_num_threads"})
    if (const auto setter = reinterpret_cast<Setter>(::dlsym(RTLD_DEFAULT, name))) setter(threads);
}

}  // namespace avenir::sys
