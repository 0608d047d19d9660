#include "net/key.h"

#include <sys/mman.h>
#include <unistd.h>
#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "net/hmac.h"
#include "net/tls_missing.h"

namespace avenir::net {

namespace {

void wipe_bytes(void* bytes, size_t size) {
  std::memset(bytes, 0, size);
  __asm__ __volatile__("" : : "r"(bytes) : "memory");  // it is read: the writing cannot be left out
}

// getentropy() is the same source, on macOS too; it takes up to 256 bytes at once and is never interrupted.
void fill_randomly(Key& key) {
  if (::getentropy(key.data(), key.size()) != 0)
    throw base::Error(base::ErrorKind::kUnsupported,
                      "this system has no random numbers to make a key of: " + std::string(std::strerror(errno)));
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Key random_key() {
  const std::string missing = tls_missing();
  if (!missing.empty()) throw base::Error(base::ErrorKind::kUnsupported, missing);
  Key key;
  fill_randomly(key);
  return key;
}

Key derive(const Key& from, const std::string& label) {
  Key extracted = hmac_sha256(Key{}, from.data(), from.size());
  const std::string info = label + '\x01';
  const Key derived = hmac_sha256(extracted, info.data(), info.size());
  wipe(extracted);
  return derived;
}

std::string to_hex(const Key& key) {
  std::string text;
  text.reserve(2 * key.size());
  for (const uint8_t byte : key) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

Key key_of_hex(const std::string& text) {
  const bool all_digits = std::all_of(text.begin(), text.end(), [](char c) { return digit_of(c) >= 0; });
  Key key;
  if (text.size() != 2 * key.size() || !all_digits)
    throw base::Error(base::ErrorKind::kInvalid, "a key is 64 hexadecimal digits; this is something else, of " +
                                                     std::to_string(text.size()) + " characters");
  for (size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<uint8_t>(digit_of(text[2 * i]) << 4 | digit_of(text[2 * i + 1]));
  return key;
}

void wipe(Key& key) { wipe_bytes(key.data(), key.size()); }

void wipe(std::string& secret) {
  wipe_bytes(secret.data(), secret.size());
  secret.clear();
}

KeptKey::KeptKey(const Key& key) {
  void* const page = ::mmap(nullptr, sizeof(Key), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) base::raise_system_error("making a page for a key");
#ifdef MADV_DONTDUMP
  ::madvise(page, sizeof(Key), MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
  ::madvise(page, sizeof(Key), MADV_WIPEONFORK);
#endif
  key_ = new (page) Key(key);
}

KeptKey::~KeptKey() {
  wipe(*key_);
  ::munmap(key_, sizeof(Key));
}

}  // namespace avenir::net
