#include "shm/publication.h"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/scope.h"
#include "sys/memory_use.h"
#include "sys/signals.h"

namespace avenir::shm {

namespace {

constexpr uint64_t kOwnSegment = 16 << 20;    // vectors from this size on have one to themselves
constexpr uint64_t kInTwo = 2 * kOwnSegment;  // and from here on two: a file lets one thread write at a time
constexpr uint64_t kLooksAtMemory = 4 << 20;  // what is smaller is not worth reading the system's figures for
constexpr unsigned kMostThreads = 2;          // two of them read as fast as the memory goes

unsigned threads() { return std::min(kMostThreads, std::max(1u, std::thread::hardware_concurrency())); }

std::string megabytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MB"; }

// The system's answer to a lack of memory would be to kill a process, not to refuse.
void check_memory(uint64_t bytes) {
  if (bytes < kLooksAtMemory || sys::available_memory() >= bytes) return;
  SegmentStore::process().make_room(bytes);
  const uint64_t left = sys::available_memory();
  if (left >= bytes) return;
  throw OutOfMemory("a vector of " + megabytes(bytes) + " does not fit into the " + megabytes(left) +
                    " of memory that are left (of the machine or of this process's control group)\n"
                    "i Free memory with rm() and gc(), or send a part of the vector.");
}

// One piece of work on a second thread, the other on this one. Throws what either has thrown.
template <typename Here, typename There>
void at_once(bool several, const Here& here, const There& there) {
  std::exception_ptr failed;
  const auto caught = [&] {
    try {
      there();
    } catch (...) {
      failed = std::current_exception();
    }
  };
  std::thread helper;
  try {
    const sys::SignalsBlocked blocked;
    if (several) helper = std::thread(caught);
  } catch (const std::system_error&) {  // no thread to be had: one after the other then
  }
  const base::ScopeGuard joined([&] {
    if (helper.joinable()) helper.join();
  });
  if (!helper.joinable()) caught();
  here();
  if (helper.joinable()) helper.join();
  if (failed) std::rethrow_exception(failed);
}

// The hash comes from a second thread while this one writes.
ContentHash append_and_hash(Segment& segment, const void* data, uint64_t bytes, uint64_t& offset) {
  ContentHash hash{};
  at_once(
      bytes >= kLooksAtMemory && threads() > 1, [&] { offset = segment.append(data, bytes); },
      [&] { hash = hash_content(data, bytes, 1); });
  return hash;
}

void append_blocks(Segment& segment, BlockHashes& blocks, size_t from, size_t to, bool hash_too) {
  for (size_t block = from; block < to; ++block) {
    if (hash_too) blocks.add(block);
    segment.append(blocks.at(block), blocks.size_of(block));
  }
}

// A file each for two threads, each of which hashes what it writes.
ContentHash append_to_two(const Segments& segments, const ContentKey& key, const void* data, bool hash_too) {
  BlockHashes blocks(data, key.bytes);
  const size_t first = first_part(key.bytes) / BlockHashes::kBlock;
  at_once(
      true, [&] { append_blocks(*segments[0], blocks, 0, first, hash_too); },
      [&] { append_blocks(*segments[1], blocks, first, blocks.count(), hash_too); });
  return hash_too ? blocks.finish() : key.hash;
}

}  // namespace

// What is kept and large may be written again.
SharedSegment Publication::create(uint64_t bytes) const {
  const SegmentId id = SegmentStore::process().next_id();
  const bool again = reuse_ == Reuse::kByContent && bytes >= kOwnSegment;
  return again ? Segment::create_on(id, SegmentLease::take(bytes)) : Segment::create(id);
}

void Publication::take_in(const SharedSegment& segment) {
  SegmentStore::process().know(segment);
  made_.push_back(segment);
  segments_.push_back(segment);
}

// Segments that have just been made and could not be filled: nobody is to be sent them.
void Publication::give_up_from(size_t made) {
  for (; made_.size() > made; made_.pop_back()) {
    segments_.erase(std::remove(segments_.begin(), segments_.end(), made_.back()), segments_.end());
    if (filling_ == made_.back()) filling_.reset();
  }
}

Segment& Publication::segment_for(uint64_t bytes) {
  const bool own = bytes >= kOwnSegment;
  if (filling_ && !own && filling_->size() < kOwnSegment) {
    check_memory(bytes);
    return *filling_;
  }
  const SharedSegment fresh = create(bytes);
  if (!fresh->is_warm()) check_memory(bytes);
  take_in(fresh);
  if (!own) filling_ = fresh;
  return *fresh;
}

Segments Publication::make_two(uint64_t bytes) {
  const uint64_t first = first_part(bytes);
  const Segments two{create(first), create(bytes - first)};
  check_memory((two[0]->is_warm() ? 0 : first) + (two[1]->is_warm() ? 0 : bytes - first));
  for (const SharedSegment& segment : two) take_in(segment);
  return two;
}

bool Publication::goes_in_two(uint64_t bytes) const {
  return reuse_ == Reuse::kByContent && bytes >= kInTwo && threads() > 1;
}

VectorRecord Publication::publish(const ContentKey& key, const void* data, uint64_t length, bool hash_too) {
  VectorRecord record{kVectorMark, key.type, 1, {}, 0, key.bytes, length, key.hash};
  base::ScopeGuard undo([this, made = made_.size()] { give_up_from(made); });
  if (goes_in_two(key.bytes)) {
    const Segments two = make_two(key.bytes);
    record.parts = 2;
    record.segment = two[0]->id();
    record.hash = append_to_two(two, key, data, hash_too);
    undo.dismiss();
    return record;
  }
  Segment& segment = segment_for(key.bytes);
  record.segment = segment.id();
  if (hash_too)
    record.hash = append_and_hash(segment, data, key.bytes, record.offset);
  else
    record.offset = segment.append(data, key.bytes);
  undo.dismiss();
  return record;
}

VectorRecord Publication::add(VectorType type, const void* data, uint64_t bytes, uint64_t length) {
  ContentKey key{type, bytes, {}};
  if (reuse_ == Reuse::kNever) return publish(key, data, length, false);
  SegmentStore& store = SegmentStore::process();
  const bool same_size =
      store.may_have(type, bytes) || std::any_of(added_.begin(), added_.end(), [&](const auto& entry) {
        return entry.first.type == type && entry.first.bytes == bytes;
      });
  if (same_size) {
    key.hash = hash_content(data, bytes, threads());
    if (const auto found = added_.find(key); found != added_.end()) return found->second;
    if (const auto found = store.find_content(key)) {
      refer(store.find(*found));
      return *found;
    }
  }
  const VectorRecord record = publish(key, data, length, !same_size);
  key.hash = record.hash;
  added_[key] = record;
  return record;
}

void Publication::refer(const Segments& segments) {
  for (const SharedSegment& segment : segments)
    if (std::find(segments_.begin(), segments_.end(), segment) == segments_.end()) segments_.push_back(segment);
}

void Publication::finish() {
  for (const SharedSegment& segment : made_) segment->seal();
  for (const auto& [key, record] : added_) {
    SegmentStore& store = SegmentStore::process();
    if (const Segments segments = store.find(record); !segments.empty()) store.remember(key, record, segments);
  }
  added_.clear();
  made_.clear();
  filling_.reset();
}

}  // namespace avenir::shm
