#include "shm/segment_store.h"

#include <sys/resource.h>

#include <algorithm>
#include <random>

#include "sys/memory_use.h"

namespace avenir::shm {

namespace {

constexpr uint64_t kShareOfMemory = 4;        // a quarter of it may be published and not in use
constexpr uint64_t kUncollected = 512 << 20;  // bytes of views that R may not know of before it is to look
constexpr size_t kKnownBeforeTidying = 256;

uint64_t random_word() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

size_t most_segments() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 8;
  return static_cast<size_t>(std::clamp<uint64_t>(limit.rlim_cur / 8, 1, 64));
}

}  // namespace

// Never destroyed: views outlive everything.
SegmentStore& SegmentStore::process() {
  static SegmentStore* const store = new SegmentStore;
  return *store;
}

SegmentStore::SegmentStore() : maker_(random_word()) {
  const uint64_t total = sys::total_memory();
  budget_ = total == ~uint64_t{0} ? uint64_t{1} << 32 : total / kShareOfMemory;
}

void SegmentStore::after_fork_in_child() {
  contents_.clear();
  recent_.clear();
  known_.clear();
  held_.clear();
  bytes_ = 0;
  maker_ = 0;
}

SegmentId SegmentStore::next_id() {
  if (maker_ == 0) maker_ = random_word();
  return {maker_, next_++};
}

bool SegmentStore::may_have(VectorType type, uint64_t bytes) const {
  const auto at = contents_.lower_bound({type, bytes, {{0, 0}}});
  return at != contents_.end() && at->first.type == type && at->first.bytes == bytes;
}

std::optional<VectorRecord> SegmentStore::find_content(const ContentKey& key) {
  const auto at = contents_.find(key);
  if (at == contents_.end()) return std::nullopt;
  const Segments segments = find(at->second);
  for (const SharedSegment& segment : segments) use_again(segment);
  if (!segments.empty()) return at->second;
  contents_.erase(at);
  return std::nullopt;
}

void SegmentStore::remember(const ContentKey& key, const VectorRecord& record, const Segments& segments) {
  contents_[key] = record;
  for (const SharedSegment& segment : segments) keep(segment);
  keep_within(budget_, most_segments());
}

void SegmentStore::keep(const SharedSegment& segment) {
  know(segment);
  if (std::find(recent_.begin(), recent_.end(), segment) != recent_.end()) return;
  recent_.push_front(segment);
  bytes_ += segment->size();
}

void SegmentStore::use_again(const SharedSegment& segment) {
  const auto at = std::find(recent_.begin(), recent_.end(), segment);
  if (at != recent_.end()) recent_.splice(recent_.begin(), recent_, at);
}

// A part of a vector goes with the other.
void SegmentStore::evict(const SharedSegment& segment) {
  const SegmentId id = segment->id();
  Segments others;
  for (auto at = contents_.begin(); at != contents_.end();) {
    const auto ids = segments_of(at->second);
    const bool lies_here = std::find(ids.begin(), ids.end(), id) != ids.end();
    if (lies_here && ids.size() > 1) others = find(at->second);
    at = lies_here ? contents_.erase(at) : std::next(at);
  }
  forget(segment);
  for (const SharedSegment& other : others) forget(other);
}

void SegmentStore::forget(const SharedSegment& segment) {
  const auto at = std::find(recent_.begin(), recent_.end(), segment);
  if (at == recent_.end()) return;
  bytes_ -= segment->size();
  recent_.erase(at);
}

void SegmentStore::keep_within(uint64_t bytes, size_t segments) {
  while (!recent_.empty() && (bytes_ > bytes || recent_.size() > segments)) evict(SharedSegment(recent_.back()));
}

void SegmentStore::make_room(uint64_t bytes) {
  SegmentPool::process().clear();
  keep_within(bytes_ > bytes ? bytes_ - bytes : 0, recent_.size());
}

void SegmentStore::forget_published() {
  keep_within(0, 0);
  SegmentPool::process().clear();
}

void SegmentStore::know(const SharedSegment& segment) {
  std::weak_ptr<Segment>& known = known_[segment->id()];
  const SharedSegment here = known.lock();
  if (!here || !here->is_open()) known = segment;
}

void SegmentStore::hold(SharedSegment segment) {
  know(segment);
  const SegmentId id = segment->id();
  held_[id] = std::move(segment);
}

SharedSegment SegmentStore::find(SegmentId id) {
  if (known_.size() > kKnownBeforeTidying)
    for (auto at = known_.begin(); at != known_.end();) at = at->second.expired() ? known_.erase(at) : std::next(at);
  const auto at = known_.find(id);
  return at == known_.end() ? nullptr : at->second.lock();
}

Segments SegmentStore::find(const VectorRecord& record) {
  Segments found;
  for (const SegmentId id : segments_of(record)) {
    const SharedSegment segment = find(id);
    if (!segment) return {};
    found.push_back(segment);
  }
  return found;
}

void SegmentStore::drop(SegmentId id) {
  const auto at = held_.find(id);
  if (at == held_.end()) return;
  ++dropped_.segments;
  dropped_.bytes += at->second->size();
  held_.erase(at);
}

bool SegmentStore::collection_due() const {
  return weight_ > after_collection_ + std::max(kUncollected, after_collection_ / 2);
}

}  // namespace avenir::shm
