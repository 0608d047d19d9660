#include "device/cuda_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace avenir::device {

namespace {

constexpr int kOldestDriver = 12000;

// A shared object, and where it lies.
struct Opened {
  void* handle = nullptr;
  std::string path;
  std::string reason;  // the linker's, of the last attempt
};

std::string value_of(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void add_lib_folders(std::vector<std::string>& folders, const std::string& home) {
  if (home.empty()) return;
  folders.push_back(home + "/lib64/");
  folders.push_back(home + "/lib/");
}

// "" stands for the system's linker.
std::vector<std::string> folders() {
  std::vector<std::string> all;
  if (const std::string own = value_of("AVENIR_CUDA_LIB"); !own.empty()) all.push_back(own + "/");
  add_lib_folders(all, value_of("CUDA_HOME"));
  add_lib_folders(all, value_of("CUDA_PATH"));
  all.push_back("");
#ifdef AVENIR_CUDA_FOLDER
  all.push_back(AVENIR_CUDA_FOLDER "/");
#endif
  for (const char* usual : {"/usr/local/cuda/lib64/", "/opt/cuda/lib64/", "/usr/lib/wsl/lib/"}) all.push_back(usual);
  return all;
}

// The file that has `symbol` of that library.
std::string path_of(void* handle, const char* symbol) {
  Dl_info info;
  void* const address = ::dlsym(handle, symbol);
  if (address == nullptr || ::dladdr(address, &info) == 0 || info.dli_fname == nullptr) return "";
  return info.dli_fname;
}

Opened open_first(const std::vector<std::string>& names, const char* symbol) {
  Opened opened;
  for (const std::string& name : names)
    for (const std::string& folder : folders()) {
      opened.handle = ::dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (opened.handle != nullptr) {
        opened.path = path_of(opened.handle, symbol);
        return opened;
      }
      const char* const reason = ::dlerror();
      if (folder.empty() && opened.reason.empty()) opened.reason = reason == nullptr ? name : reason;
    }
  return opened;
}

// The first function that the library lacks; nullptr when all are there.
#define AVENIR_CUDA_FIND(name, arguments)                                               \
  functions.name = reinterpret_cast<decltype(functions.name)>(::dlsym(library, #name)); \
  if (functions.name == nullptr && lacking == nullptr) lacking = #name;
#define AVENIR_CUDA_FIND_NEWER(name, arguments) \
  functions.name = reinterpret_cast<decltype(functions.name)>(::dlsym(library, #name));

const char* find(void* library, Driver& functions) {
  const char* lacking = nullptr;
  AVENIR_CUDA_DRIVER(AVENIR_CUDA_FIND)
  return lacking;
}
const char* find(void* library, Nvrtc& functions) {
  const char* lacking = nullptr;
  AVENIR_CUDA_NVRTC(AVENIR_CUDA_FIND)
  return lacking;
}
const char* find(void* library, Cublas& functions) {
  const char* lacking = nullptr;
  AVENIR_CUDA_CUBLAS(AVENIR_CUDA_FIND)
  return lacking;
}
const char* find(void* library, Cusolver& functions) {
  const char* lacking = nullptr;
  AVENIR_CUDA_CUSOLVER(AVENIR_CUDA_FIND)
  AVENIR_CUDA_CUSOLVER_NEWER(AVENIR_CUDA_FIND_NEWER)
  return lacking;
}

std::string dotted(int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); }
// As CUDA counts: 13010 is 13.1.
std::string dotted(int version) { return dotted(version / 1000, version % 1000 / 10); }

// ---- The driver ----

struct DriverFound {
  Driver functions;
  Library library;
  int version = 0;
};

std::string error_text(const Driver& functions, int error) {
  const char *name = nullptr, *text = nullptr;
  functions.cuGetErrorName(error, &name);
  functions.cuGetErrorString(error, &text);
  return std::string(name == nullptr ? "error" : name) + " (" + std::to_string(error) + ")" +
         (text == nullptr ? "" : ": " + std::string(text));
}

std::string no_gpu_visible() {
  const char* const mask = std::getenv("CUDA_VISIBLE_DEVICES");
  if (mask == nullptr) return "the NVIDIA driver is here, but it finds no GPU on this machine";
  return "no GPU is visible: the environment variable CUDA_VISIBLE_DEVICES is \"" + std::string(mask) +
         "\"; unset it, or name GPUs in it, before R starts";
}

std::string why_not_started(const DriverFound& found, int error) {
  if (error == cuda::kStubLibrary)
    return found.library.path +
           " is the CUDA toolkit's stub, with no driver behind it: install the NVIDIA driver, and " +
           "take the folder \"stubs\" out of LD_LIBRARY_PATH";
  if (error == cuda::kNoDevice) return no_gpu_visible();
  return "the NVIDIA driver cannot be started: cuInit() gave " + error_text(found.functions, error);
}

std::string why_too_old(const DriverFound& found, const char* lacking) {
  return "the NVIDIA driver is too old: it is one for CUDA " + dotted(found.version) +
         (lacking == nullptr ? "" : " and has no function " + std::string(lacking)) +
         "; install one for CUDA 12 or later";
}

int count_devices(const Driver& functions) {
  int count = 0;
  return functions.cuDeviceGetCount(&count) == 0 ? count : 0;
}

std::string start(DriverFound& found, const char* lacking) {
  if (found.functions.cuDriverGetVersion != nullptr) found.functions.cuDriverGetVersion(&found.version);
  // A stub has some version; whether it is one is known from cuInit() only.
  const bool can_start = found.functions.cuInit != nullptr && found.functions.cuGetErrorString != nullptr &&
                         found.functions.cuGetErrorName != nullptr;
  const int error = can_start ? found.functions.cuInit(0) : 0;
  if (error == cuda::kStubLibrary) return why_not_started(found, error);
  if (lacking != nullptr || found.version < kOldestDriver) return why_too_old(found, lacking);
  if (error != 0) return why_not_started(found, error);
  return count_devices(found.functions) > 0 ? "" : no_gpu_visible();
}

DriverFound find_driver() {
  DriverFound found;
  const Opened opened = open_first({"libcuda.so.1"}, "cuInit");
  found.library = {"libcuda", opened.path, "", ""};
  if (opened.handle == nullptr) {
    found.library.missing = "no NVIDIA driver on this machine (" + opened.reason + ")";
    return found;
  }
  const char* const lacking = find(opened.handle, found.functions);
  found.library.missing = start(found, lacking);
  found.library.version = found.version > 0 ? dotted(found.version) : "";
  return found;
}

// ---- The toolkit ----

template <typename Functions>
struct Found {
  Functions functions;
  Library library;
  int version = 0;
};

struct Named {
  const char* name;
  std::vector<std::string> files;  // the newest first
  const char* symbol;
};

const Named kNvrtcFiles = {"libnvrtc", {"libnvrtc.so.13", "libnvrtc.so.12"}, "nvrtcVersion"};
const Named kCublasFiles = {"libcublas", {"libcublas.so.13", "libcublas.so.12"}, "cublasCreate_v2"};
const Named kCusolverFiles = {"libcusolver", {"libcusolver.so.12", "libcusolver.so.11"}, "cusolverDnCreate"};

std::string why_no_library(const Named& named, const std::string& reason) {
  return "no CUDA toolkit 12 or later: " + std::string(named.name) + " cannot be loaded (" + reason +
         "); install the toolkit, or set CUDA_HOME to its folder before R starts";
}

template <typename Functions>
Found<Functions> find_library(const Named& named) {
  Found<Functions> found;
  const Opened opened = open_first(named.files, named.symbol);
  found.library = {named.name, opened.path, "", ""};
  if (opened.handle == nullptr)
    found.library.missing = why_no_library(named, opened.reason);
  else if (const char* const lacking = find(opened.handle, found.functions); lacking != nullptr)
    found.library.missing = opened.path + " is too old: it has no function " + lacking + "; install CUDA 12 or later";
  return found;
}

// NVRTC looks for its own second part by its bare name, and does not find it outside of the linker's path: so it is
// loaded before it is looked for.
std::string load_builtins(const std::string& path, const std::string& version) {
  const std::string name = "libnvrtc-builtins.so." + version;
  const std::string beside = path.substr(0, path.rfind('/') + 1) + name;
  for (const std::string& file : {beside, name})
    if (::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return "";
  return "the CUDA toolkit here is incomplete: " + name + " lies neither beside " + path +
         " nor where the linker looks; install the toolkit again, or set CUDA_HOME to a complete one";
}

std::string why_not_for_driver(int version, int driver) {
  return "CUDA toolkit " + dotted(version) + " needs a newer NVIDIA driver than the one here, which is for CUDA " +
         dotted(driver) + ": install CUDA " + std::to_string(driver / 1000) + ", or a newer driver";
}

Found<Nvrtc> find_nvrtc(int driver) {
  Named files = kNvrtcFiles;
  if (driver > 0 && driver < 13000) std::swap(files.files[0], files.files[1]);
  auto found = find_library<Nvrtc>(files);
  if (!found.library.missing.empty()) return found;
  int major = 0, minor = 0;
  found.functions.nvrtcVersion(&major, &minor);
  found.version = major * 1000 + minor * 10;
  found.library.version = dotted(major, minor);
  found.library.missing = load_builtins(found.library.path, found.library.version);
  if (found.library.missing.empty() && driver > 0 && driver / 1000 < major)
    found.library.missing = why_not_for_driver(found.version, driver);
  return found;
}

// ---- Each once ----

struct Libraries {
  std::unique_ptr<DriverFound> driver;
  std::unique_ptr<Found<Nvrtc>> nvrtc;
  std::unique_ptr<Found<Cublas>> cublas;
  std::unique_ptr<Found<Cusolver>> cusolver;
};

// Never destroyed: devices may be used until the process ends.
Libraries& libraries() {
  static auto* const instance = new Libraries;
  return *instance;
}

const DriverFound& driver_found() {
  auto& found = libraries().driver;
  if (found == nullptr) found = std::make_unique<DriverFound>(find_driver());
  return *found;
}
const Found<Nvrtc>& nvrtc_found() {
  auto& found = libraries().nvrtc;
  if (found == nullptr) found = std::make_unique<Found<Nvrtc>>(find_nvrtc(driver_found().version));
  return *found;
}

// Those of the compiler's generation: a process has one toolkit.
Named of_same_toolkit(Named files) {
  if (nvrtc_found().version > 0 && nvrtc_found().version < 13000) std::swap(files.files[0], files.files[1]);
  return files;
}
const Found<Cublas>& cublas_found() {
  auto& found = libraries().cublas;
  if (found == nullptr) found = std::make_unique<Found<Cublas>>(find_library<Cublas>(of_same_toolkit(kCublasFiles)));
  return *found;
}
const Found<Cusolver>& cusolver_found() {
  auto& found = libraries().cusolver;
  if (found == nullptr)
    found = std::make_unique<Found<Cusolver>>(find_library<Cusolver>(of_same_toolkit(kCusolverFiles)));
  return *found;
}

template <typename F>
const auto& functions_of(const F& found) {
  if (!found.library.missing.empty()) throw base::Error(base::ErrorKind::kUnsupported, found.library.missing);
  return found.functions;
}

}  // namespace

const Driver& driver() { return functions_of(driver_found()); }
const std::string& missing_driver() { return driver_found().library.missing; }
std::string driver_version() { return driver_found().library.version; }

const Nvrtc& nvrtc() { return functions_of(nvrtc_found()); }
const Cublas& cublas() { return functions_of(cublas_found()); }
const Cusolver& cusolver() { return functions_of(cusolver_found()); }
const std::string& missing_nvrtc() { return nvrtc_found().library.missing; }
int nvrtc_version() { return nvrtc_found().version; }

std::vector<Library> describe_libraries() {
  Library blas = cublas_found().library, solver = cusolver_found().library;
  int version = 0;
  if (solver.missing.empty() && cusolver_found().functions.cusolverGetVersion(&version) == 0)
    solver.version = dotted(version / 1000, version % 1000 / 100);
  return {driver_found().library, nvrtc_found().library, blas, solver};
}

void forget_libraries() { libraries() = Libraries(); }

}  // namespace avenir::device
