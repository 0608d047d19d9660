#include "shm/publication.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "sys/memory_use.h"
#include "sys/signals.h"

namespace avenir::shm {

namespace {

constexpr uint64_t kOwnSegment = 16 << 20;    // vectors from this size on have one to themselves
constexpr uint64_t kLooksAtMemory = 4 << 20;  // what is smaller is not worth reading the system's figures for
constexpr unsigned kMostThreads = 2;          // two of them read as fast as the memory goes

unsigned hash_threads() { return std::min(kMostThreads, std::max(1u, std::thread::hardware_concurrency())); }

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

// The hash comes from a second thread while this one writes.
ContentHash append_and_hash(Segment& segment, const void* data, uint64_t bytes, uint64_t& offset) {
  ContentHash hash{};
  std::thread helper;
  const auto work = [&] { hash = hash_content(data, bytes, 1); };
  try {
    const sys::SignalsBlocked blocked;
    if (bytes >= kLooksAtMemory && hash_threads() > 1) helper = std::thread(work);
  } catch (const std::system_error&) {  // no thread to be had: one after the other then
  }
  if (!helper.joinable()) work();
  try {
    offset = segment.append(data, bytes);
  } catch (...) {
    if (helper.joinable()) helper.join();
    throw;
  }
  if (helper.joinable()) helper.join();
  return hash;
}

}  // namespace

// What is kept and large may be written again. A warm file needs no memory.
SharedSegment Publication::create(uint64_t bytes) const {
  const SegmentId id = SegmentStore::process().next_id();
  const bool again = reuse_ == Reuse::kByContent && bytes >= kOwnSegment;
  auto lease = again ? SegmentLease::take(bytes) : nullptr;
  if (!lease || !lease->is_warm()) check_memory(bytes);
  return lease ? Segment::create_on(id, std::move(lease)) : Segment::create(id);
}

Segment& Publication::segment_for(uint64_t bytes) {
  const bool own = bytes >= kOwnSegment;
  if (filling_ && !own && filling_->size() < kOwnSegment) {
    check_memory(bytes);
    return *filling_;
  }
  const SharedSegment fresh = create(bytes);
  SegmentStore::process().know(fresh);
  made_.push_back(fresh);
  segments_.push_back(fresh);
  if (!own) filling_ = fresh;
  return *fresh;
}

VectorRecord Publication::publish(const ContentKey& key, const void* data, uint64_t length, bool hash_too) {
  Segment& segment = segment_for(key.bytes);
  VectorRecord record{kVectorMark, key.type, 0, segment.id(), 0, key.bytes, length, key.hash};
  if (hash_too)
    record.hash = append_and_hash(segment, data, key.bytes, record.offset);
  else
    record.offset = segment.append(data, key.bytes);
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
    key.hash = hash_content(data, bytes, hash_threads());
    if (const auto found = added_.find(key); found != added_.end()) return found->second;
    if (const auto found = store.find_content(key)) {
      refer(store.find(found->segment));
      return *found;
    }
  }
  const VectorRecord record = publish(key, data, length, !same_size);
  key.hash = record.hash;
  added_[key] = record;
  return record;
}

void Publication::refer(const SharedSegment& segment) {
  if (std::find(segments_.begin(), segments_.end(), segment) == segments_.end()) segments_.push_back(segment);
}

void Publication::finish() {
  for (const SharedSegment& segment : made_) segment->seal();
  for (const auto& [key, record] : added_) {
    SegmentStore& store = SegmentStore::process();
    if (const SharedSegment segment = store.find(record.segment)) store.remember(key, record, segment);
  }
  added_.clear();
  made_.clear();
  filling_.reset();
}

}  // namespace avenir::shm
