#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "shm/vector_record.h"
#include "sys/fd.h"
#include "sys/memory_file.h"

namespace avenir::shm {

// What another process is told of a segment, beside its descriptor.
struct SegmentRef {
  SegmentId id;
  uint64_t size;
};
static_assert(sizeof(SegmentRef) == 24);

class Segment;
using SharedSegment = std::shared_ptr<Segment>;
using Segments = std::vector<SharedSegment>;

// The memory of one view: the view's alone, and its owner's to write to (what is written stays here).
struct ViewMemory {
  uint8_t* data = nullptr;
  std::shared_ptr<void> owner;
  bool sole = false;  // the memory goes with the view: nobody keeps the segment to use it again
};

// A memory file that holds vectors. No name: only those who were sent the descriptor can read it. Its memory is the
// system's again when no process has the descriptor or a mapping any more.
//
// May be released on any thread; the rest is the R thread's, but for ref() and fd().
class Segment : public std::enable_shared_from_this<Segment> {
 public:
  // One to be filled by this process.
  static SharedSegment create(SegmentId id);
  // One that another process has made. Throws (kDisconnected) when it is not what the reference says, or could become
  // shorter under a mapping. `keep_open` false: it is mapped at once, and its descriptor closed when there are many.
  static SharedSegment adopt(const SegmentRef& ref, sys::OwnFd fd, bool keep_open);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  SegmentId id() const { return id_; }
  SegmentRef ref() const { return {id_, size_}; }
  uint64_t size() const { return size_; }
  const sys::OwnFd& fd() const { return fd_; }
  // Can it be sent on?
  bool is_open() const { return fd_.valid(); }

  // Appends; returns where. Throws kOverloaded when there is no room.
  uint64_t append(const void* data, size_t size);
  // No one, this process included, can write to it any more.
  void seal();

  // A private mapping of a part. Throws (kInvalid) when the part does not lie inside, kOverloaded when the system has
  // no room for another mapping.
  ViewMemory view(uint64_t offset, uint64_t bytes);

  // Grows with every segment that this process has let go.
  static uint64_t gone();

 private:
  explicit Segment(SegmentId id) : id_(id) {}
  void map_whole(const sys::OwnFd& fd);
  void check_part(uint64_t offset, uint64_t bytes) const;

  const SegmentId id_;
  uint64_t size_ = 0;
  sys::OwnFd fd_;
  sys::Mapping whole_;            // of an arrived one
  std::set<uint64_t> given_out_;  // parts of `whole_` that a view has
};

}  // namespace avenir::shm
