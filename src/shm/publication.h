#pragma once

#include <map>
#include <string>

#include "base/error.h"
#include "shm/segment_store.h"

namespace avenir::shm {

// Is a published vector kept, to be found again by its content?
enum class Reuse { kByContent, kNever };

// There is not enough memory for a vector, shared or not.
class OutOfMemory : public base::Error {
 public:
  explicit OutOfMemory(const std::string& message) : base::Error(base::ErrorKind::kOverloaded, message) {}
};

// The segments that one job or one answer refers to: vectors are published as its stream is written. Vectors share a
// segment while they are small; a large one has its own, so that its memory does not depend on others'.
//
// R thread only. Given up without finish(): nothing is remembered.
class Publication {
 public:
  explicit Publication(Reuse reuse) : reuse_(reuse) {}

  // The record that stands for this vector. Throws kOverloaded when there is no memory or no descriptor for it.
  VectorRecord add(VectorType type, const void* data, uint64_t bytes, uint64_t length);
  // The stream names segments that exist already.
  void refer(const Segments& segments);
  // Nothing is added any more; from here on others may read what was published.
  void finish();

  bool empty() const { return segments_.empty(); }
  const Segments& segments() const { return segments_; }

 private:
  VectorRecord publish(const ContentKey& key, const void* data, uint64_t length, bool hash_too);
  bool goes_in_two(uint64_t bytes) const;
  Segment& segment_for(uint64_t bytes);
  Segments make_two(uint64_t bytes);
  SharedSegment create(uint64_t bytes) const;
  void take_in(const SharedSegment& segment);
  void give_up_from(size_t made);

  const Reuse reuse_;
  Segments segments_;  // each once
  SharedSegment filling_;
  std::vector<SharedSegment> made_;
  std::map<ContentKey, VectorRecord> added_;
};

}  // namespace avenir::shm
