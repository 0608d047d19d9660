#include "net/tls_missing.h"
#ifndef AVENIR_NO_TLS

#include <dlfcn.h>

#include <atomic>
#include <memory>

#include "base/error.h"
#include "net/openssl.h"

#ifdef LIBRESSL_VERSION_NUMBER
#error "these headers are LibreSSL's, not OpenSSL's: configure sets AVENIR_NO_TLS for them"
#endif

namespace avenir::net {

namespace {

#define AVENIR_TEXT_OF(x) #x
#define AVENIR_TEXT(x) AVENIR_TEXT_OF(x)
#ifdef OPENSSL_SHLIB_VERSION
constexpr const char* kVersion = AVENIR_TEXT(OPENSSL_SHLIB_VERSION);
#else
constexpr const char* kVersion = SHLIB_VERSION_NUMBER;
#endif
constexpr unsigned long kOldest = 0x1010100fL;  // 1.1.1

std::string library_name() {
#ifdef __APPLE__
  return std::string("libssl.") + kVersion + ".dylib";
#else
  return std::string("libssl.so.") + kVersion;
#endif
}

struct Loaded {
  OpenSsl functions;
  std::string missing;
};

// By its bare name first: that finds the one which another package has loaded already. The folder is where the build
// saw it, for systems that keep it outside of the linker's path.
void* open_library() {
  const std::string name = library_name();
  void* library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
#ifdef AVENIR_OPENSSL_FOLDER
  if (library == nullptr) library = ::dlopen((AVENIR_OPENSSL_FOLDER "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
#endif
  return library;
}

// A symbol of libcrypto is found through libssl, which needs it. Empty when all are there.
std::string find_functions(void* library, OpenSsl& functions) {
#define AVENIR_OPENSSL_FIND(name)                                                \
  functions.name = reinterpret_cast<decltype(&::name)>(::dlsym(library, #name)); \
  if (functions.name == nullptr) return #name;
  AVENIR_OPENSSL_FUNCTIONS(AVENIR_OPENSSL_FIND)
#undef AVENIR_OPENSSL_FIND
  return "";
}

const char* const kRemedy = ": install OpenSSL 1.1.1 or later (Debian and Ubuntu: libssl-dev) and then avenir again";

// OpenSSL's own clean-up at exit would run under threads that still use it.
Loaded load() {
  Loaded loaded;
  void* const library = open_library();
  if (library == nullptr) {
    const char* const reason = ::dlerror();
    loaded.missing = "encrypted connections need OpenSSL, whose library cannot be loaded (" +
                     std::string(reason == nullptr ? library_name() : reason) + ")" + kRemedy;
    return loaded;
  }
  const std::string lacking = find_functions(library, loaded.functions);
  if (!lacking.empty())
    loaded.missing = "the OpenSSL library found here, " + library_name() + ", has no function " + lacking + kRemedy;
  else if (loaded.functions.OpenSSL_version_num() < kOldest)
    loaded.missing = "the OpenSSL library found here, " + library_name() + ", is too old for TLS 1.3" + kRemedy;
  else if (loaded.functions.OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr) != 1)
    loaded.missing = "the OpenSSL library found here, " + library_name() + ", cannot be initialized" + kRemedy;
  return loaded;
}

// Never destroyed, never unloaded: threads may still use it at exit. Where it could not be had the system may have been
// short of memory or descriptors: it is looked for again. No lock, which a fork might find taken; of two that look at
// once one keeps what it has found.
const OpenSsl* find_openssl(std::string& missing) {
  static std::atomic<const Loaded*> found{nullptr};
  const Loaded* here = found.load();
  if (here != nullptr) return &here->functions;
  auto loaded = std::make_unique<const Loaded>(load());
  missing = loaded->missing;
  if (!missing.empty()) return nullptr;
  return &(found.compare_exchange_strong(here, loaded.get()) ? loaded.release() : here)->functions;
}

}  // namespace

std::string tls_missing() {
  std::string missing;
  find_openssl(missing);
  return missing;
}

const OpenSsl& openssl() {
  std::string missing;
  const OpenSsl* const functions = find_openssl(missing);
  if (functions == nullptr) throw base::Error(base::ErrorKind::kUnsupported, missing);
  return *functions;
}

}  // namespace avenir::net

#else

namespace avenir::net {

std::string tls_missing() {
  return "encrypted connections need OpenSSL, which was not found when avenir was built: install OpenSSL 1.1.1 or "
         "later "
         "with its headers (Debian and Ubuntu: libssl-dev; Fedora and Red Hat: openssl-devel; macOS: openssl from "
         "Homebrew or CRAN's recipes) and then avenir again";
}

}  // namespace avenir::net

#endif
