#include "shm/content_hash.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "sys/signals.h"

namespace avenir::shm {

namespace {

// Each block is hashed by itself, so that threads can share the work; the hash of the blocks' hashes is the whole's.
constexpr size_t kBlock = 1 << 20;
constexpr size_t kSmallForThreads = 8 * kBlock;

constexpr uint64_t kFirst = 0x9E3779B97F4A7C15, kSecond = 0xC2B2AE3D27D4EB4F;  // odd: multiplying loses nothing
constexpr size_t kLanes = 4, kStride = kLanes * sizeof(uint64_t);

uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93;
  x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9;
  return x ^ (x >> 32);
}

// Every word goes into two lanes, by different multipliers and rotations. Each step is one to one in the lane and in
// the word: contents that differ in one word never collide. The rotation brings a difference in the highest bits (the
// sign of a number, say) down to where the next multiplication spreads it.
struct Lanes {
  uint64_t a[kLanes], b[kLanes];

  explicit Lanes(uint64_t seed) {
    for (size_t i = 0; i < kLanes; ++i) {
      a[i] = mix(seed + i * kFirst);
      b[i] = mix(seed ^ (i * kSecond + kFirst));
    }
  }
  void add(const uint64_t (&words)[kLanes]) {
    for (size_t i = 0; i < kLanes; ++i) {
      a[i] = rotate((a[i] ^ words[i]) * kFirst, 29);
      b[i] = rotate((b[i] + words[i]) * kSecond, 37);
    }
  }
  ContentHash finish() const {
    ContentHash hash{{0x243F6A8885A308D3, 0x13198A2E03707344}};
    for (size_t i = 0; i < kLanes; ++i) {
      hash.words[0] = mix(hash.words[0] + a[i]) ^ rotate(b[i], 17);
      hash.words[1] = mix(hash.words[1] ^ b[i]) + rotate(a[i], 23);
    }
    return {{mix(hash.words[0]), mix(hash.words[1] + rotate(hash.words[0], 31))}};
  }
};

ContentHash hash_block(const uint8_t* at, size_t size, uint64_t seed) {
  Lanes lanes(seed + size);
  uint64_t words[kLanes];
  for (; size >= kStride; at += kStride, size -= kStride) {
    std::memcpy(words, at, kStride);
    lanes.add(words);
  }
  std::memset(words, 0, sizeof words);
  std::memcpy(words, at, size);
  lanes.add(words);
  return lanes.finish();
}

void hash_blocks(const uint8_t* data, size_t size, std::atomic<size_t>& next, std::vector<ContentHash>& hashes) {
  for (size_t block = next++; block < hashes.size(); block = next++) {
    const size_t begin = block * kBlock;
    hashes[block] = hash_block(data + begin, std::min(kBlock, size - begin), block);
  }
}

}  // namespace

ContentHash hash_content(const void* data, size_t size, unsigned threads) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::vector<ContentHash> hashes((size + kBlock - 1) / kBlock);
  std::atomic<size_t> next{0};
  std::vector<std::thread> helpers;
  const sys::SignalsBlocked blocked;
  try {
    for (unsigned i = 1; size >= kSmallForThreads && i < threads; ++i)
      helpers.emplace_back([&] { hash_blocks(bytes, size, next, hashes); });
  } catch (const std::system_error&) {  // no thread to be had: alone then
  }
  hash_blocks(bytes, size, next, hashes);
  for (std::thread& helper : helpers) helper.join();
  return hash_block(reinterpret_cast<const uint8_t*>(hashes.data()), hashes.size() * sizeof(ContentHash), size);
}

}  // namespace avenir::shm
