#include "sys/blas.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace avenir::sys {

// Its getter and setter are in what the library with dgemm_ is or needs.
struct BlasFamily {
  const char* kind;
  const char* setter;
  const char* getter;
};

namespace {

// FlexiBLAS first: it is in front of another one.
constexpr BlasFamily kFamilies[] = {
    {"FlexiBLAS", "flexiblas_set_num_threads", "flexiblas_get_num_threads"},
    {"OpenBLAS", "openblas_set_num_threads", "openblas_get_num_threads"},
    {"MKL", "MKL_Set_Num_Threads", "MKL_Get_Max_Threads"},
    {"BLIS", "bli_thread_set_num_threads", "bli_thread_get_num_threads"},
};

template <typename Function>
Function find(void* handle, const char* name) {
  return handle == nullptr ? nullptr : reinterpret_cast<Function>(::dlsym(handle, name));
}

// What a function without arguments gives, or `missing` where there is none of this name.
template <typename Value>
Value ask(void* handle, const char* name, Value missing) {
  const auto function = find<Value (*)()>(handle, name);
  return function == nullptr ? missing : function();
}

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

std::string real_path(const char* path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path, nullptr), &std::free);
  return real ? real.get() : path;
}

std::string file_of(const void* address) {
  Dl_info info;
  return ::dladdr(address, &info) != 0 && info.dli_fname != nullptr ? real_path(info.dli_fname) : "";
}

// A library that is part of the program itself cannot be opened by name.
void* open_loaded(const std::string& file) {
  void* const handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD);
  return handle != nullptr ? handle : ::dlopen(nullptr, RTLD_NOW);
}

const BlasFamily* family_in(void* handle) {
  const auto* const found = std::find_if(std::begin(kFamilies), std::end(kFamilies), [&](const BlasFamily& family) {
    return find<void*>(handle, family.setter) != nullptr && find<void*>(handle, family.getter) != nullptr;
  });
  return found == std::end(kFamilies) ? nullptr : found;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Of a library without a setter. Debian's BLIS hides its own from those who link to it as libblas.
std::string kind_without_setter(void* handle, const std::string& file) {
  if (find<void*>(handle, "ATL_dgemm") != nullptr) return "ATLAS";
  if (contains(file, "Accelerate") || contains(file, "vecLib")) return "Accelerate";
  if (contains(file, "blis")) return "BLIS";
  const std::string name = file.substr(file.rfind('/') + 1);
  const bool plain = name.rfind("libblas.", 0) == 0 || name.rfind("libRblas.", 0) == 0 || name.rfind("libR.", 0) == 0;
  return plain ? "reference" : "unknown";
}

std::string flexiblas_version(void* handle) {
  const auto ask_version = find<void (*)(int*, int*, int*)>(handle, "flexiblas_get_version");
  if (ask_version == nullptr) return "";
  int major = 0, minor = 0, patch = 0;
  ask_version(&major, &minor, &patch);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

// What a function writes into a buffer of ours.
std::string written_by(void (*function)(char*, int)) {
  char text[256] = "";
  if (function != nullptr) function(text, static_cast<int>(sizeof text) - 1);
  return text;
}

}  // namespace

const Blas& Blas::of_process() {
  static const Blas* const found = new Blas(::dlsym(RTLD_DEFAULT, "dgemm_"));  // no destructor runs at exit
  return *found;
}

Blas::Blas(const void* dgemm) : kind_("unknown") {
  if (dgemm == nullptr) return;
  file_ = file_of(dgemm);
  handle_ = open_loaded(file_);
  family_ = family_in(handle_);
  kind_ = family_ != nullptr ? family_->kind : kind_without_setter(handle_, file_);
}

// OpenBLAS adopts OpenMP's number at its next call, and until then tells an older one. BLIS says -1 as long as nobody
// has set a number. Its integers may be longer than those that are read here, which are their lower half.
int Blas::threads() const {
  if (family_ == nullptr) return kind_ == "reference" ? 1 : 0;
  const int own = ask<int>(handle_, family_->getter, 0);
  return std::max(uses_openmp() ? ask<int>(handle_, "omp_get_max_threads", own) : own, 1);
}

void Blas::set_threads(int count) const {
  if (family_ == nullptr) return;
  find<void (*)(int64_t)>(handle_, family_->setter)(count);  // as wide as any of them may take it
}

std::string Blas::setter() const { return family_ == nullptr ? "" : family_->setter; }

std::string Blas::setter_file() const {
  return family_ == nullptr ? "" : file_of(find<const void*>(handle_, family_->setter));
}

std::string Blas::version() const {
  if (kind_ == "OpenBLAS") return text_of(ask<const char*>(handle_, "openblas_get_config", nullptr));
  if (kind_ == "BLIS") return text_of(ask<const char*>(handle_, "bli_info_get_version_str", nullptr));
  if (kind_ == "MKL") return written_by(find<void (*)(char*, int)>(handle_, "mkl_get_version_string"));
  return kind_ == "FlexiBLAS" ? flexiblas_version(handle_) : "";
}

std::string Blas::core() const {
  if (kind_ == "OpenBLAS") return text_of(ask<const char*>(handle_, "openblas_get_corename", nullptr));
  if (kind_ == "FlexiBLAS") return written_by(find<void (*)(char*, int)>(handle_, "flexiblas_current_backend"));
  const auto name = find<const char* (*)(int)>(handle_, "bli_arch_string");
  return name == nullptr ? "" : text_of(name(ask<int>(handle_, "bli_arch_query_id", 0)));
}

std::string Blas::threading() const {
  if (kind_ == "reference") return "none";
  if (kind_ == "OpenBLAS") {
    const int kind = ask<int>(handle_, "openblas_get_parallel", -1);
    return kind == 0 ? "none" : kind == 1 ? "pthread" : kind == 2 ? "OpenMP" : "";
  }
  if (ask<int>(handle_, "bli_info_get_enable_openmp", 0) == 1) return "OpenMP";
  return ask<int>(handle_, "bli_info_get_enable_pthreads", 0) == 1 ? "pthread" : "";
}

bool Blas::uses_openmp() const { return kind_ == "OpenBLAS" && ask<int>(handle_, "openblas_get_parallel", 0) == 2; }

// OpenBLAS's issue 5520: its LU decomposition.
bool Blas::has_threads_in_forks() const {
  return !(kind_ == "OpenBLAS" && !uses_openmp() && contains(version(), "OpenBLAS 0.3.30"));
}

}  // namespace avenir::sys
