#include "compute/library.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace avenir::compute {

namespace {

const Api* loaded = nullptr;
linalg::Rules wanted_rules = linalg::Rules::kFirst;

constexpr const char* kFile = "compute/avenir_compute.so";

// The folder that has this shared object.
std::string own_folder() {
  Dl_info info;
  if (::dladdr(&loaded, &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

[[noreturn]] void raise_missing(const std::string& reason) {
  throw base::Error(base::ErrorKind::kUnsupported, "avenir's threads cannot be loaded: " + reason);
}

const char* last_reason() {
  const char* const reason = ::dlerror();
  return reason == nullptr ? "unknown reason" : reason;
}

// Never unloaded: its threads may run until the process ends.
const Api* load() {
  void* const library = ::dlopen((own_folder() + kFile).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) raise_missing(last_reason());
  const auto api = reinterpret_cast<const Api* (*)()>(::dlsym(library, kApiSymbol));
  if (api == nullptr) raise_missing(last_reason());
  if (api()->version != kApiVersion) raise_missing("avenir was installed anew since this session began; restart R");
  api()->follow(wanted_rules);
  return api();
}

}  // namespace

const Api& library() {
  if (loaded == nullptr) loaded = load();
  return *loaded;
}

void follow(linalg::Rules rules) { wanted_rules = rules; }

bool is_loaded() { return loaded != nullptr; }

}  // namespace avenir::compute
