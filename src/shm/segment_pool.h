#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "sys/fd.h"
#include "sys/fork_guard.h"

namespace avenir::shm {

// The file of a large segment, as the process that made it knows it: held by the segment and, for each worker that was
// sent it, until that one has said that it has no view any more. Nobody holds it: it may be written again.
//
// A view is a private mapping, which shows what is written to the file later as long as its own pages are untouched.
// Hence the rules: a worker that ended without a word may have left forks with views behind, and a fork of a process
// that has views inherits them; the file is then closed and not used again.
//
// Any thread.
class SegmentLease {
 public:
  // A new file, or one that is warm and at least as large.
  static std::shared_ptr<SegmentLease> take(uint64_t bytes);
  ~SegmentLease();
  SegmentLease(const SegmentLease&) = delete;
  SegmentLease& operator=(const SegmentLease&) = delete;

  int file() const { return file_.get(); }
  // For others: they cannot write to it.
  const sys::OwnFd& reader() const { return reader_.valid() ? reader_ : file_; }
  // Are its pages there already?
  bool is_warm() const { return size_ > 0; }
  // Its size is final from here on.
  void seal();
  uint64_t size() const { return size_; }
  // Somebody may have a view for ever.
  void taint() { tainted_ = true; }

 private:
  explicit SegmentLease(sys::OwnFd file, sys::OwnFd reader, uint64_t size);
  friend class SegmentPool;

  sys::OwnFd file_, reader_;
  uint64_t size_;  // 0: not sealed yet
  const pid_t maker_;
  std::atomic<bool> tainted_{false};
};

// Files that nobody has a view of, with their pages: to write to those takes less than to new ones, and much less where
// the machine is virtual and its host has to find the memory first.
//
// Any thread. A fork starts with none.
class SegmentPool final : private sys::ForkAware {
 public:
  static SegmentPool& process();

  struct Use {
    uint64_t files, bytes, reused;
  };
  Use use();
  // The most that it keeps.
  void set_limit(uint64_t bytes);
  void clear();

 private:
  friend class SegmentLease;
  struct File {
    sys::OwnFd file, reader;
    uint64_t size;
  };
  SegmentPool();
  File take(uint64_t bytes);
  void give(File file);

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override;

  std::mutex mutex_;
  std::vector<File> files_;  // the last that came back is the last
  uint64_t bytes_ = 0, limit_, reused_ = 0;
};

}  // namespace avenir::shm
