#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace avenir::net {

// A shared secret of 256 bits.
using Key = std::array<uint8_t, 32>;

// From the system's generator, never R's: set.seed() has no say in it. Throws kUnsupported where there is none.
Key random_key();

// HKDF-SHA256 (RFC 5869) without salt, `label` as the info. Keys of different labels tell nothing of each other.
Key derive(const Key& from, const std::string& label);

std::string to_hex(const Key& key);
// Throws kInvalid when it is not 64 hexadecimal digits; the message does not repeat the text.
Key key_of_hex(const std::string& text);

// Overwrites it, whatever the optimizer thinks of that.
void wipe(Key& key);
void wipe(std::string& secret);

// A key for long: on a page of its own that core dumps leave out, that a fork's child sees as zeros (where the system
// can), and that is wiped at the end.
class KeptKey {
 public:
  explicit KeptKey(const Key& key);
  ~KeptKey();
  KeptKey(const KeptKey&) = delete;
  KeptKey& operator=(const KeptKey&) = delete;
  const Key& get() const { return *key_; }

 private:
  Key* key_;
};

}  // namespace avenir::net
