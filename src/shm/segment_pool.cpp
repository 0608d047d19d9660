#include "shm/segment_pool.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sys/memory_file.h"
#include "sys/memory_use.h"

namespace avenir::shm {

namespace {

constexpr uint64_t kShareOfMemory = 16;
constexpr uint64_t kWithoutFigures = 256 << 20;
constexpr uint64_t kMostWaste = 4;  // a file is at most this part larger than what is to be written

}  // namespace

SegmentLease::SegmentLease(sys::OwnFd file, sys::OwnFd reader, uint64_t size)
    : file_(std::move(file)), reader_(std::move(reader)), size_(size), maker_(::getpid()) {}

std::shared_ptr<SegmentLease> SegmentLease::take(uint64_t bytes) {
  SegmentPool::File file = SegmentPool::process().take(bytes);
  if (!file.file.valid()) file.file = sys::make_memory_file("avenir-vectors");
  return std::shared_ptr<SegmentLease>(new SegmentLease(std::move(file.file), std::move(file.reader), file.size));
}

SegmentLease::~SegmentLease() {
  if (tainted_ || size_ == 0 || maker_ != ::getpid()) return;
  SegmentPool::process().give({std::move(file_), std::move(reader_), size_});
}

void SegmentLease::seal() {
  if (is_warm()) return;
  sys::seal_against_resizing(file_.get());
  reader_ = sys::open_for_reading(file_);
  size_ = sys::file_size(file_.get());
}

// Never destroyed: leases may end later.
SegmentPool& SegmentPool::process() {
  static SegmentPool* const pool = new SegmentPool;
  return *pool;
}

SegmentPool::SegmentPool() {
  const uint64_t total = sys::total_memory();
  limit_ = total == ~uint64_t{0} ? kWithoutFigures : total / kShareOfMemory;
}

void SegmentPool::after_fork_in_child() {
  files_.clear();
  bytes_ = 0;
  mutex_.unlock();
}

SegmentPool::Use SegmentPool::use() {
  std::lock_guard<std::mutex> lock(mutex_);
  return {files_.size(), bytes_, reused_};
}

void SegmentPool::set_limit(uint64_t bytes) {
  clear();
  std::lock_guard<std::mutex> lock(mutex_);
  limit_ = bytes;
}

// Closing them takes its time: not under the lock.
void SegmentPool::clear() {
  std::vector<File> files;
  std::lock_guard<std::mutex> lock(mutex_);
  files_.swap(files);
  bytes_ = 0;
}

// One without a file when there is none of that size.
SegmentPool::File SegmentPool::take(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto at = std::find_if(files_.rbegin(), files_.rend(), [bytes](const File& file) {
    return file.size >= bytes && file.size - bytes <= bytes / kMostWaste;
  });
  if (at == files_.rend()) return {{}, {}, 0};
  File found = std::move(*at);
  files_.erase(std::next(at).base());
  bytes_ -= found.size;
  ++reused_;
  return found;
}

// The oldest go for it.
void SegmentPool::give(File file) {
  std::vector<File> dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  if (file.size > limit_) return dropped.push_back(std::move(file));
  bytes_ += file.size;
  files_.push_back(std::move(file));
  while (bytes_ > limit_) {
    bytes_ -= files_.front().size;
    dropped.push_back(std::move(files_.front()));
    files_.erase(files_.begin());
  }
}

}  // namespace avenir::shm
