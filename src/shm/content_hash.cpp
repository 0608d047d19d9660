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

constexpr size_t kSmallForThreads = 8 * BlockHashes::kBlock;

constexpr size_t kLanes = 4, kStride = kLanes * sizeof(uint64_t);
constexpr uint64_t kFactors[kLanes] = {0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F};

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93;
  x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9;
  return x ^ (x >> 32);
}

#ifdef __SIZEOF_INT128__
__extension__ using Wide = unsigned __int128;
uint64_t multiply(uint64_t x, uint64_t y, uint64_t& high) {
  const Wide product = static_cast<Wide>(x) * y;
  high = static_cast<uint64_t>(product >> 64);
  return static_cast<uint64_t>(product);
}
#else
uint64_t multiply(uint64_t x, uint64_t y, uint64_t& high) {
  const uint64_t x0 = x & 0xffffffff, x1 = x >> 32, y0 = y & 0xffffffff, y1 = y >> 32;
  const uint64_t low = x0 * y0, middle = x1 * y0 + (low >> 32), other = x0 * y1 + (middle & 0xffffffff);
  high = x1 * y1 + (middle >> 32) + (other >> 32);
  return (other << 32) | (low & 0xffffffff);
}
#endif

// 128 bits each. The low half of a product by an odd number tells every word apart, and the high half spreads the high
// bits: a change of `a` that a later word makes good is still in `b`.
struct Lane {
  uint64_t a, b;

  void add(uint64_t word, uint64_t factor) {
    uint64_t high;
    const uint64_t low = multiply(a ^ word, factor, high);
    a = low + b;
    b = high ^ word;
  }
};

struct Lanes {
  Lane lanes[kLanes];

  explicit Lanes(uint64_t seed) {
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = {mix(seed + i), mix(~seed - i)};
  }
  ContentHash finish() const {
    ContentHash hash{{0x243F6A8885A308D3, 0x13198A2E03707344}};
    for (const Lane& lane : lanes) {
      hash.words[0] = mix(hash.words[0] + lane.a) ^ mix(lane.b);
      hash.words[1] = mix(hash.words[1] ^ lane.b) + mix(lane.a + hash.words[0]);
    }
    return {{mix(hash.words[0]), mix(hash.words[1])}};
  }
};

ContentHash hash_block(const uint8_t* at, size_t size, uint64_t seed) {
  const Lanes begin(seed + size);
  Lane l0 = begin.lanes[0], l1 = begin.lanes[1], l2 = begin.lanes[2], l3 = begin.lanes[3];  // in registers
  const auto add = [&](const uint64_t(&words)[kLanes]) {
    l0.add(words[0], kFactors[0]);
    l1.add(words[1], kFactors[1]);
    l2.add(words[2], kFactors[2]);
    l3.add(words[3], kFactors[3]);
  };
  uint64_t words[kLanes];
  for (; size >= kStride; at += kStride, size -= kStride) {
    std::memcpy(words, at, kStride);
    add(words);
  }
  std::memset(words, 0, sizeof words);
  if (size > 0) std::memcpy(words, at, size);
  for (int round = 0; round < 2; ++round) add(words);  // the last word's high half counts, too
  Lanes end = begin;
  end.lanes[0] = l0;
  end.lanes[1] = l1;
  end.lanes[2] = l2;
  end.lanes[3] = l3;
  return end.finish();
}

}  // namespace

BlockHashes::BlockHashes(const void* data, size_t size)
    : data_(static_cast<const uint8_t*>(data)), size_(size), hashes_((size + kBlock - 1) / kBlock) {}

void BlockHashes::add(size_t block) { hashes_[block] = hash_block(at(block), size_of(block), block); }

// The hash of the blocks' hashes is the whole's.
ContentHash BlockHashes::finish() const {
  return hash_block(reinterpret_cast<const uint8_t*>(hashes_.data()), hashes_.size() * sizeof(ContentHash), size_);
}

ContentHash hash_content(const void* data, size_t size, unsigned threads) {
  BlockHashes hashes(data, size);
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t block = next++; block < hashes.count(); block = next++) hashes.add(block);
  };
  std::vector<std::thread> helpers;
  const sys::SignalsBlocked blocked;
  try {
    for (unsigned i = 1; size >= kSmallForThreads && i < threads; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no thread to be had: alone then
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  return hashes.finish();
}

}  // namespace avenir::shm
