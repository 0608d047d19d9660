#include "sys/library_threads.h"

#include <dlfcn.h>
#ifndef __APPLE__
#include <link.h>
#endif

#include <cstring>
#include <string>
#include <vector>

namespace avenir::sys {

namespace {

// How the file names begin. Libraries that R packages bring are loaded privately: they are found among those that are
// loaded.
constexpr const char* kLibraries[] = {"libgomp.",   "libomp.", "libiomp5.",   "libopenblas",
                                      "libmkl_rt.", "libblis", "libflexiblas"};
constexpr const char* kSetters[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads",
                                    "omp_set_num_threads", "flexiblas_set_num_threads"};

void limit_in(void* library, int threads) {
  using Setter = void (*)(int);
  for (const char* name : kSetters)
    if (const auto setter = reinterpret_cast<Setter>(::dlsym(library, name))) setter(threads);
}

bool is_known(const char* path) {
  const char* const slash = std::strrchr(path, '/');
  const char* const file = slash == nullptr ? path : slash + 1;
  for (const char* name : kLibraries)
    if (std::strncmp(file, name, std::strlen(name)) == 0) return true;
  return false;
}

// To ask dlopen() for each name would search all folders for those that are not there: 300 system calls.
std::vector<std::string> loaded_libraries() {
  std::vector<std::string> paths;
#ifndef __APPLE__
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        if (is_known(info->dlpi_name)) static_cast<std::vector<std::string>*>(found)->emplace_back(info->dlpi_name);
        return 0;
      },
      &paths);
#endif
  return paths;
}

}  // namespace

void limit_library_threads(int threads) {
  limit_in(RTLD_DEFAULT, threads);
  for (const std::string& path : loaded_libraries()) {
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) continue;
    limit_in(library, threads);
    ::dlclose(library);  // gives back only what dlopen() took
  }
}

}  // namespace avenir::sys
