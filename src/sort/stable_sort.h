#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "par/parallel_for.h"
#include "sys/huge_pages.h"

// A stable sort of items by 64-bit keys on several threads: splitters out of a sample cut the items into buckets that
// fit into a core's cache, and each bucket is sorted by its digits. (As samplesort: Sanders and Winkel, Super Scalar
// Sample Sort, 2004; keys that are splitters have buckets of their own, which need no sorting.)
namespace avenir::sort {

struct Indexed {
  uint64_t key, index;
};

inline uint64_t key_in(uint64_t item) { return item; }
inline uint64_t key_in(const Indexed& item) { return item.key; }

// Without values: pages are written to first by the thread that fills them.
template <typename T>
std::unique_ptr<T[]> room_for(size_t count) {
  std::unique_ptr<T[]> room(new T[count]);
  sys::prefer_huge_pages(room.get(), count * sizeof(T));
  return room;
}

namespace detail {

inline constexpr size_t kBucketItems = 16384;  // about
inline constexpr size_t kMostSplitters = 1023;
inline constexpr size_t kSampled = 8;  // for each splitter
inline constexpr size_t kFew = 24;     // are sorted by insertion
inline constexpr size_t kTogether = 8;

// In which of 2 m + 1 buckets a key belongs, with m splitters: even ones lie between splitters, odd ones are equal to
// one.
class Splitters {
 public:
  // `keys`: a sample.
  explicit Splitters(std::vector<uint64_t> keys) {
    std::sort(keys.begin(), keys.end());
    std::vector<uint64_t> chosen;
    for (size_t i = kSampled / 2; i < keys.size(); i += kSampled)
      if (chosen.empty() || chosen.back() != keys[i]) chosen.push_back(keys[i]);
    count_ = chosen.size();
    while ((size_t{1} << bits_) <= count_) ++bits_;
    chosen.resize(size_t{1} << bits_, UINT64_MAX);
    keys_ = std::move(chosen);
  }
  size_t buckets() const { return 2 * count_ + 1; }
  // Of kTogether keys, whose searches go on side by side, without branches: each alone would wait at every step.
  void buckets_of(const uint64_t* keys, uint16_t* buckets) const {
    search(keys, buckets, std::make_index_sequence<kTogether>());
  }

 private:
  // For each K, without relying on a compiler that unrolls loops.
  template <size_t... K>
  void search(const uint64_t* keys, uint16_t* buckets, std::index_sequence<K...>) const {
    const uint64_t* const splitters = keys_.data();
    size_t below[sizeof...(K)] = {};
    for (unsigned bit = bits_; bit-- > 0;) {
      const uint64_t* const middle = splitters + (size_t{1} << bit) - 1;
      ((below[K] += size_t{middle[below[K]] < keys[K]} << bit), ...);
    }
    ((buckets[K] = static_cast<uint16_t>(2 * below[K] + size_t{below[K] < count_ && splitters[below[K]] == keys[K]})),
     ...);
  }

  size_t count_ = 0;
  unsigned bits_ = 0;  // of the number of splitters
  std::vector<uint64_t> keys_;
};

template <typename Item>
void insertion_sort(Item* items, size_t count) {
  for (size_t i = 1; i < count; ++i) {
    const Item item = items[i];
    size_t at = i;
    for (; at > 0 && key_in(item) < key_in(items[at - 1]); --at) items[at] = items[at - 1];
    items[at] = item;
  }
}

// Which of 2^bits cells of equal width a key from `least` to `most` belongs to.
class Cells {
 public:
  Cells(uint64_t least, uint64_t most, size_t items) : least_(least) {
    const unsigned width = 64 - static_cast<unsigned>(__builtin_clzll(most - least));
    unsigned bits = 4;
    while (bits < kMostCellBits && (size_t{2} << bits) < items) ++bits;
    shift_ = width > bits ? width - bits : 0;
    count_ = static_cast<size_t>((most - least) >> shift_) + 1;
  }
  size_t count() const { return count_; }
  size_t of(uint64_t key) const { return static_cast<size_t>((key - least_) >> shift_); }
  bool hold_one_key() const { return shift_ == 0; }

 private:
  static constexpr unsigned kMostCellBits = 13;  // their counters fit into the nearest cache
  uint64_t least_;
  unsigned shift_;
  size_t count_;
};

template <typename Item>
std::pair<uint64_t, uint64_t> key_range(const Item* items, size_t count) {
  uint64_t least = UINT64_MAX, most = 0;
  for (size_t i = 0; i < count; ++i) {
    least = std::min(least, key_in(items[i]));
    most = std::max(most, key_in(items[i]));
  }
  return {least, most};
}

// Moves the items to their cells in `to`; where each cell ends there, and the size of the largest.
template <typename Item>
size_t fill_cells(const Item* items, Item* to, size_t count, const Cells& cells, std::vector<uint32_t>& ends) {
  for (size_t i = 0; i < count; ++i) ++ends[cells.of(key_in(items[i]))];
  uint32_t next = 0, largest = 0;
  for (uint32_t& end : ends) {
    largest = std::max(largest, end);
    next += std::exchange(end, next);
  }
  for (size_t i = 0; i < count; ++i) to[ends[cells.of(key_in(items[i]))]++] = items[i];
  return largest;
}

// Sorts `items` with the help of as much `scratch`, where they are afterwards when `into_scratch`. They go into cells
// first, whose items are few when the keys lie evenly; the others are sorted in the same way again.
template <typename Item>
void sort_items(Item* items, Item* scratch, size_t count, bool into_scratch) {
  const auto done_in = [=](Item* at) {
    Item* const wanted = into_scratch ? scratch : items;
    if (at != wanted) std::copy(at, at + count, wanted);
  };
  if (count <= kFew) {
    insertion_sort(items, count);
    return done_in(items);
  }
  const auto [least, most] = key_range(items, count);
  if (least == most) return done_in(items);
  const Cells cells(least, most, count);
  std::vector<uint32_t> ends(cells.count());
  const size_t largest = fill_cells(items, scratch, count, cells, ends);
  if (cells.hold_one_key()) return done_in(scratch);
  if (largest <= kFew) {
    insertion_sort(scratch, count);
    return done_in(scratch);
  }
  size_t begin = 0;
  for (const uint32_t end : ends) {
    sort_items(scratch + begin, items + begin, end - begin, !into_scratch);
    begin = end;
  }
}

// Calls take(i, item, same) for the items in order; `same`: its key is that of the item before.
template <typename Item, typename Take>
void sort_bucket(Item* items, size_t count, bool equal, const Take& take) {
  std::unique_ptr<Item[]> scratch;
  if (!equal) {
    scratch.reset(new Item[count]);
    sort_items(items, scratch.get(), count, true);
    items = scratch.get();
  }
  for (size_t i = 0; i < count; ++i) take(i, items[i], i > 0 && key_in(items[i]) == key_in(items[i - 1]));
}

// Places all over the items, always the same ones.
template <typename Make>
Splitters splitters_of(size_t count, const Make& make) {
  const size_t splitters = std::min(count / kBucketItems + 1, kMostSplitters);
  std::vector<uint64_t> sample(splitters * kSampled);
  uint64_t state = 1;
  for (uint64_t& key : sample) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    key = key_in(make(static_cast<size_t>((state >> 16) % count)));
  }
  return Splitters(std::move(sample));
}

// Of each piece of the items, how many belong into each bucket; then, where the first of them goes.
class Places {
 public:
  Places(size_t pieces, size_t buckets) : buckets_(buckets), places_(pieces * buckets), begins_(buckets + 1) {}
  size_t* of_piece(size_t piece) { return &places_[piece * buckets_]; }
  void add_up() {
    size_t next = 0;
    for (size_t bucket = 0; bucket < buckets_; ++bucket) {
      begins_[bucket] = next;
      for (size_t at = bucket; at < places_.size(); at += buckets_) next += std::exchange(places_[at], next);
    }
    begins_[buckets_] = next;
  }
  size_t begin(size_t bucket) const { return begins_[bucket]; }
  size_t size(size_t bucket) const { return begins_[bucket + 1] - begins_[bucket]; }

 private:
  size_t buckets_;
  std::vector<size_t> places_, begins_;
};

}  // namespace detail

// Sorts the items make(0), ..., make(count - 1); then take(i, item, same) is called for each of them, with its place,
// and whether its key is that of the item before. make() is called more than once for each, never after the first
// take(); both from several threads.
template <typename Item, typename Make, typename Take>
void stable_sort(size_t count, const Make& make, const Take& take) {
  using namespace detail;
  if (count == 0) return;
  const Splitters splitters = count <= kBucketItems ? Splitters({}) : splitters_of(count, make);
  const size_t piece = std::max<size_t>(count / (4 * par::threads()) + 1, kBucketItems);
  Places places((count + piece - 1) / piece, splitters.buckets());
  const auto bucket_of = room_for<uint16_t>(count);
  par::parallel_for(count, piece, [&](size_t begin, size_t end) {
    size_t* const counts = places.of_piece(begin / piece);
    for (size_t i = begin; i < end; i += kTogether) {
      const size_t some = std::min(end - i, kTogether);
      uint64_t keys[kTogether] = {};
      uint16_t buckets[kTogether];
      for (size_t k = 0; k < some; ++k) keys[k] = key_in(make(i + k));
      splitters.buckets_of(keys, buckets);
      std::copy(buckets, buckets + some, bucket_of.get() + i);
      for (size_t k = 0; k < some; ++k) ++counts[buckets[k]];
    }
  });
  places.add_up();
  const auto items = room_for<Item>(count);
  par::parallel_for(count, piece, [&](size_t begin, size_t end) {
    size_t* const next = places.of_piece(begin / piece);
    for (size_t i = begin; i < end; ++i) items[next[bucket_of[i]]++] = make(i);
  });
  par::parallel_for(splitters.buckets(), 1, [&](size_t bucket, size_t) {
    const size_t first = places.begin(bucket);
    sort_bucket(items.get() + first, places.size(bucket), bucket % 2 == 1,
                [&take, first](size_t i, const Item& item, bool same) { take(first + i, item, same); });
  });
}

}  // namespace avenir::sort
