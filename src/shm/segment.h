#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "shm/segment_pool.h"
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
  // The same in a file that is written again when nobody has a view any more.
  static SharedSegment create_on(SegmentId id, std::shared_ptr<SegmentLease> lease);
  // One that a worker has made, or sends back: `lease` is its file's then. Mapped at once; its descriptor is closed
  // when there are many. Throws (kDisconnected) when it is not what the reference says, or could become shorter under a
  // mapping.
  static SharedSegment adopt_result(const SegmentRef& ref, sys::OwnFd fd, std::shared_ptr<SegmentLease> lease);
  // One that the session has sent. It is told when this process has nothing of it any more (take_ended()).
  static SharedSegment adopt_sent(const SegmentRef& ref, sys::OwnFd fd);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  SegmentId id() const { return id_; }
  SegmentRef ref() const { return {id_, size_}; }
  uint64_t size() const { return size_; }
  // To be sent on, where is_open().
  const sys::OwnFd& fd() const { return lease_ && !fd_.valid() ? lease_->reader() : fd_; }
  bool is_open() const { return fd().valid(); }
  const std::shared_ptr<SegmentLease>& lease() const { return lease_; }
  // Are its file's pages there already?
  bool is_warm() const { return lease_ && lease_->is_warm(); }
  // Somebody else is sent what the session has sent: nobody can say any more when the last view is gone.
  void note_sent_on() { reports_end_ = false; }

  // Appends; returns where. Throws kOverloaded when there is no room.
  uint64_t append(const void* data, size_t size);
  // No one, this process included, can write to it any more, but for a file that is written again: nobody else can
  // write to that one.
  void seal();

  // A private mapping of a part. Throws (kInvalid) when the part does not lie inside, kOverloaded when the system has
  // no room for another mapping.
  ViewMemory view(uint64_t offset, uint64_t bytes);

  // The same of a vector in two parts.
  static ViewMemory view_of_two(const Segments& segments, uint64_t bytes);

  // All of it, to be sent to another machine; it stays there as long as somebody has the bytes. Not for one of which
  // this process has given out views and has no descriptor any more.
  base::SharedBytes contents();

  // Grows with every segment that this process has let go.
  static uint64_t gone();
  // Those that the session has sent and that this process has let go since the last call, but for those of which a fork
  // may have a view.
  static std::vector<SegmentId> take_ended();

 private:
  explicit Segment(SegmentId id) : id_(id) {}
  static SharedSegment adopt(const SegmentRef& ref, const sys::OwnFd& fd);
  int file() const { return lease_ ? lease_->file() : fd_.get(); }
  void map_whole(const sys::OwnFd& fd);
  void note_mapping();
  bool was_inherited() const;
  void check_part(uint64_t offset, uint64_t bytes) const;
  void lay_into(sys::Mapping& room, uint64_t at, uint64_t bytes);

  const SegmentId id_;
  uint64_t size_ = 0;
  std::atomic<bool> reports_end_{false};
  uint64_t mapped_at_ = 0;  // how often this process had been forked when it was first mapped
  bool mapped_ = false;
  std::shared_ptr<SegmentLease> lease_;  // outlives the mapping
  sys::OwnFd fd_;
  sys::Mapping whole_;            // of an arrived one
  std::set<uint64_t> given_out_;  // parts of `whole_` that a view has
};

}  // namespace avenir::shm
