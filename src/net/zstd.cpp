#include "net/zstd.h"

#include <dlfcn.h>

#include "base/error.h"

namespace avenir::net {

namespace {

#ifdef __APPLE__
constexpr const char* kLibrary = "libzstd.1.dylib";
#else
constexpr const char* kLibrary = "libzstd.so.1";
#endif
constexpr int kLevel = 1;
constexpr size_t kSmallest = 4096;
constexpr unsigned kUntried = 15;  // pieces after one that did not become smaller

// Of the library's stable interface since 1.3: its headers are not needed.
struct Zstd {
  void* (*createCCtx)() = nullptr;
  size_t (*freeCCtx)(void*) = nullptr;
  size_t (*compressCCtx)(void*, void* target, size_t room, const void* source, size_t size, int level) = nullptr;
  void* (*createDCtx)() = nullptr;
  size_t (*freeDCtx)(void*) = nullptr;
  size_t (*decompressDCtx)(void*, void* target, size_t room, const void* source, size_t size) = nullptr;
  unsigned long long (*getFrameContentSize)(const void* source, size_t size) = nullptr;
  unsigned (*isError)(size_t) = nullptr;
  std::string missing;
};

template <typename Function>
void find(void* library, const char* name, Zstd& zstd, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) zstd.missing = std::string(kLibrary) + " has no function " + name;
}

Zstd load() {
  Zstd zstd;
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = ::dlerror();
    zstd.missing = "the library of zstd cannot be loaded (" + std::string(reason == nullptr ? kLibrary : reason) +
                   "); Debian and Ubuntu have it in libzstd1, Fedora and Red Hat in libzstd";
    return zstd;
  }
  find(library, "ZSTD_createCCtx", zstd, zstd.createCCtx);
  find(library, "ZSTD_freeCCtx", zstd, zstd.freeCCtx);
  find(library, "ZSTD_compressCCtx", zstd, zstd.compressCCtx);
  find(library, "ZSTD_createDCtx", zstd, zstd.createDCtx);
  find(library, "ZSTD_freeDCtx", zstd, zstd.freeDCtx);
  find(library, "ZSTD_decompressDCtx", zstd, zstd.decompressDCtx);
  find(library, "ZSTD_getFrameContentSize", zstd, zstd.getFrameContentSize);
  find(library, "ZSTD_isError", zstd, zstd.isError);
  return zstd;
}

// Never destroyed, never unloaded: threads may still use it at exit.
const Zstd& loaded() {
  static const Zstd* const instance = new Zstd(load());
  return *instance;
}

}  // namespace

std::string zstd_missing() { return loaded().missing; }

struct Packer::Contexts {
  void* const packing = loaded().createCCtx();
  void* const unpacking = loaded().createDCtx();
  ~Contexts() {
    loaded().freeCCtx(packing);
    loaded().freeDCtx(unpacking);
  }
};

Packer::Packer() {
  if (!zstd_missing().empty()) throw base::Error(base::ErrorKind::kUnsupported, zstd_missing());
  contexts_ = std::make_unique<Contexts>();
  if (contexts_->packing == nullptr || contexts_->unpacking == nullptr)
    throw base::Error(base::ErrorKind::kOverloaded, "there is no memory for zstd");
}

Packer::~Packer() = default;

std::optional<base::SharedBytes> Packer::pack(const base::SharedBytes& bytes) {
  if (bytes.size() < kSmallest) return std::nullopt;
  if (untried_ > 0) {
    --untried_;
    return std::nullopt;
  }
  const size_t room = bytes.size() - bytes.size() / 8;
  base::SharedBytes packed = base::SharedBytes::allocate(room);
  const size_t size =
      loaded().compressCCtx(contexts_->packing, packed.writable(), room, bytes.data(), bytes.size(), kLevel);
  if (loaded().isError(size) == 0) return packed.slice(0, size);
  untried_ = kUntried;
  return std::nullopt;
}

base::SharedBytes Packer::unpack(const uint8_t* packed, size_t packed_size, size_t size) {
  const auto refuse = [] {
    return base::Error(base::ErrorKind::kDisconnected, "what came over the connection is not what was packed");
  };
  if (loaded().getFrameContentSize(packed, packed_size) != size) throw refuse();
  base::SharedBytes bytes = base::SharedBytes::allocate(size);
  if (loaded().decompressDCtx(contexts_->unpacking, bytes.writable(), size, packed, packed_size) != size)
    throw refuse();
  return bytes;
}

}  // namespace avenir::net
