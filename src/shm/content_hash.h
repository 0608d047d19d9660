#pragma once

#include <cstddef>
#include <cstdint>

namespace avenir::shm {

// 128 bits that tell contents apart: two different contents have the same by chance only (2^-128 a pair). Not for
// contents that somebody makes up to collide. The same whatever the number of threads, and only on this machine.
struct ContentHash {
  uint64_t words[2];
  friend bool operator==(const ContentHash& a, const ContentHash& b) {
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
  }
  friend bool operator<(const ContentHash& a, const ContentHash& b) {
    return a.words[0] != b.words[0] ? a.words[0] < b.words[0] : a.words[1] < b.words[1];
  }
};

// Of all bytes; on several threads when there are many.
ContentHash hash_content(const void* data, size_t size, unsigned threads);

}  // namespace avenir::shm
