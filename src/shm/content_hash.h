#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

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

// Of all bytes, block by block and in any order: whoever does something else with a block, too, finds it in the
// processor's cache. Keeps a reference to the bytes.
class BlockHashes {
 public:
  static constexpr size_t kBlock = 1 << 20;

  BlockHashes(const void* data, size_t size);
  size_t count() const { return hashes_.size(); }
  const uint8_t* at(size_t block) const { return data_ + block * kBlock; }
  size_t size_of(size_t block) const { return std::min(kBlock, size_ - block * kBlock); }
  // Once for each. Any thread.
  void add(size_t block);
  // When all were added.
  ContentHash finish() const;

 private:
  const uint8_t* const data_;
  const size_t size_;
  std::vector<ContentHash> hashes_;
};

// Of all bytes; on several threads when there are many.
ContentHash hash_content(const void* data, size_t size, unsigned threads);

}  // namespace avenir::shm
