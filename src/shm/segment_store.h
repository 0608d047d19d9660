#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "shm/segment.h"
#include "sys/fork_guard.h"

namespace avenir::shm {

// What a vector holds, whatever its address.
struct ContentKey {
  VectorType type;
  uint64_t bytes;
  ContentHash hash;
  friend bool operator<(const ContentKey& a, const ContentKey& b) {
    if (a.type != b.type) return a.type < b.type;
    if (a.bytes != b.bytes) return a.bytes < b.bytes;
    return a.hash < b.hash;
  }
};

// This process's segments: those it has published and may be asked for again, and those it was sent.
//
// Published vectors are known by content only, never by address: addresses are used again, and C code writes in place.
// The least recently used go when they are too many or take too much memory.
//
// R thread only. A fork starts with none: what it inherits stays mapped, the descriptors are closed.
class SegmentStore final : private sys::ForkAware {
 public:
  static SegmentStore& process();

  SegmentId next_id();

  struct Use {
    uint64_t segments, bytes;
  };

  // ---- what this process has published

  std::optional<VectorRecord> find_content(const ContentKey& key);
  // Could it be there? Cheap: without a hash.
  bool may_have(VectorType type, uint64_t bytes) const;
  void remember(const ContentKey& key, const VectorRecord& record, const Segments& segments);
  void set_budget(uint64_t bytes) { budget_ = bytes; }
  void forget_published();
  // Gives up what nobody else has, to make room.
  void make_room(uint64_t bytes);
  Use use() const { return {recent_.size(), bytes_}; }

  // ---- what it knows

  // Known as long as somebody has it. One that comes back from where it was sent is the one that is here already.
  void know(const SharedSegment& segment);
  // Kept until drop().
  void hold(SharedSegment segment);
  void drop(SegmentId id);
  size_t held() const { return held_.size(); }
  // Bytes and number of those dropped since the last time this was asked: views may still have them.
  Use take_dropped() { return std::exchange(dropped_, {0, 0}); }
  Use dropped() const { return dropped_; }
  // nullptr: not known, or gone.
  SharedSegment find(SegmentId id);
  // All that the vector lies in; none when one is missing.
  Segments find(const VectorRecord& record);

  // ---- views, which R's garbage collector cannot weigh

  void view_made(uint64_t bytes, bool sole) {
    viewed_ += bytes;
    weight_ += weight(bytes, sole);
  }
  void view_gone(uint64_t bytes, bool sole) {
    viewed_ -= bytes;
    weight_ -= weight(bytes, sole);
  }
  uint64_t viewed() const { return viewed_; }
  // True when so much has been mapped since the last time that a collection is due.
  bool collection_due() const;
  void collected() { after_collection_ = weight_; }

 private:
  SegmentStore();
  // A view of what is kept anyhow holds its page tables only.
  static uint64_t weight(uint64_t bytes, bool sole) { return sole ? bytes : bytes / 8; }
  void use_again(const SharedSegment& segment);
  void keep(const SharedSegment& segment);
  void evict(const SharedSegment& segment);
  void forget(const SharedSegment& segment);
  void keep_within(uint64_t bytes, size_t segments);

  void before_fork() override {}
  void after_fork_in_parent() override {}
  void after_fork_in_child() override;

  uint64_t maker_ = 0, next_ = 1;
  uint64_t budget_ = 0, bytes_ = 0, viewed_ = 0, weight_ = 0, after_collection_ = 0;
  Use dropped_{0, 0};
  std::map<ContentKey, VectorRecord> contents_;
  std::list<SharedSegment> recent_;  // published ones, the last used first
  std::map<SegmentId, std::weak_ptr<Segment>> known_;
  std::map<SegmentId, SharedSegment> held_;
};

}  // namespace avenir::shm
