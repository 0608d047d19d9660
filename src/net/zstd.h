#pragma once

// zstd, loaded at its first use where the system has it: nothing is built against it, and nothing needs it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace avenir::net {

// Empty when bytes can be packed here. Else a sentence that names the library.
std::string zstd_missing();

// Packs and unpacks what is sent piece by piece, each by itself.
//
// One thread at a time.
class Packer {
 public:
  // Throws kUnsupported with the text of zstd_missing().
  Packer();
  ~Packer();

  // What unpack() makes the bytes from; nothing when that would save less than an eighth of them. Of what comes after
  // such a piece only some is tried.
  std::optional<base::SharedBytes> pack(const base::SharedBytes& bytes);
  // Makes room for `size` bytes and no more. Throws kDisconnected when `packed` does not hold exactly as many.
  base::SharedBytes unpack(const uint8_t* packed, size_t packed_size, size_t size);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
  unsigned untried_ = 0;
};

}  // namespace avenir::net
