#include "sys/library_threads.h"

#include <dlfcn.h>
#ifndef __APPLE__
#include <link.h>
#endif

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "sys/blas.h"

namespace avenir::sys {

namespace {

// How the file names begin. Libraries that R packages bring are loaded privately: they are found among those that are
// loaded.
constexpr const char* kGnuOpenMp = "libgomp.";
constexpr const char* kLibraries[] = {kGnuOpenMp,  "libomp.", "libiomp5.",   "libopenblas",
                                      "libmkl_rt", "libblis", "libflexiblas"};
constexpr const char* kSetters[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads",
                                    "omp_set_num_threads", "flexiblas_set_num_threads"};

// BLIS takes an integer of 64 bits, the others read its lower half.
void limit_in(void* library, int threads) {
  using Setter = void (*)(int64_t);
  for (const char* name : kSetters)
    if (const auto setter = reinterpret_cast<Setter>(::dlsym(library, name))) setter(threads);
}

bool begins_with(const std::string& path, const char* name) {
  return path.compare(path.rfind('/') + 1, std::strlen(name), name) == 0;
}

bool is_known(const std::string& path) {
  for (const char* name : kLibraries)
    if (begins_with(path, name)) return true;
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

void with_library(const std::string& path, const std::function<void(void*)>& body) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return;
  body(library);
  ::dlclose(library);  // gives back only what dlopen() took
}

using Pause = int (*)(int kind);
constexpr int kSoftly = 1;  // omp_pause_soft: settings stay

// Since GCC 9. Calls body with each GNU OpenMP's function, or null. LLVM's and Intel's start anew in a fork by
// themselves.
void each_pause(const std::function<void(Pause)>& body) {
  for (const std::string& path : loaded_libraries())
    if (begins_with(path, kGnuOpenMp))
      with_library(path,
                   [&](void* library) { body(reinterpret_cast<Pause>(::dlsym(library, "omp_pause_resource_all"))); });
}

}  // namespace

void limit_library_threads(int threads) {
  limit_in(RTLD_DEFAULT, threads);
  for (const std::string& path : loaded_libraries())
    with_library(path, [&](void* library) { limit_in(library, threads); });
}

void end_idle_openmp_threads() {
  each_pause([](Pause pause) {
    if (pause != nullptr) pause(kSoftly);
  });
}

int threads_in_fork(int share) {
  bool possible = Blas::of_process().has_threads_in_forks();
  each_pause([&](Pause pause) { possible = possible && pause != nullptr; });
  return possible ? share : 1;
}

}  // namespace avenir::sys
