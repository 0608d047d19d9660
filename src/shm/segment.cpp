#include "shm/segment.h"

#include <sys/resource.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "sys/fork_guard.h"

namespace avenir::shm {

namespace {

std::atomic<uint64_t> gone_count{0};
std::atomic<uint64_t> arrived_open{0};  // descriptors of segments that came as results

// A part of the descriptors that this process may have: results can be many.
uint64_t most_arrived_open() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  return std::min<uint64_t>(limit.rlim_cur / 8, 128);
}

// How often this process has been forked: what it had mapped then, a child has mapped too.
class ForkCount final : private sys::ForkAware {
 public:
  static ForkCount& process() {
    static ForkCount* const counted = new ForkCount;
    return *counted;
  }
  uint64_t count() const { return count_; }

 private:
  void before_fork() override { ++count_; }
  void after_fork_in_parent() override {}
  void after_fork_in_child() override {}
  std::atomic<uint64_t> count_{0};
};

// What this process was sent and has let go. A child of it has nobody to tell.
class Ended final : private sys::ForkAware {
 public:
  static Ended& process() {
    static Ended* const ended = new Ended;
    return *ended;
  }
  void add(SegmentId id) {
    std::lock_guard<std::mutex> lock(mutex_);
    ids_.push_back(id);
    any_ = true;
  }
  std::vector<SegmentId> take() {
    if (!any_) return {};
    std::lock_guard<std::mutex> lock(mutex_);
    any_ = false;
    return std::exchange(ids_, {});
  }

 private:
  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override { mutex_.unlock(); }
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::vector<SegmentId> ids_;
};

}  // namespace

uint64_t Segment::gone() { return gone_count.load(std::memory_order_relaxed); }

std::vector<SegmentId> Segment::take_ended() { return Ended::process().take(); }

SharedSegment Segment::create(SegmentId id) {
  SharedSegment segment(new Segment(id));
  segment->fd_ = sys::make_memory_file("avenir-vectors");
  return segment;
}

SharedSegment Segment::create_on(SegmentId id, std::shared_ptr<SegmentLease> lease) {
  SharedSegment segment(new Segment(id));
  segment->lease_ = std::move(lease);
  return segment;
}

SharedSegment Segment::adopt(const SegmentRef& ref, const sys::OwnFd& fd) {
  if (sys::file_size(fd.get()) != ref.size || !sys::is_sealed_against_shrinking(fd.get()))
    throw base::Error(base::ErrorKind::kDisconnected, "a segment of shared memory is not what it was announced to be");
  SharedSegment segment(new Segment(ref.id));
  segment->size_ = ref.size;
  return segment;
}

SharedSegment Segment::adopt_sent(const SegmentRef& ref, sys::OwnFd fd) {
  SharedSegment segment = adopt(ref, fd);
  segment->fd_ = std::move(fd);
  segment->reports_end_ = true;
  return segment;
}

SharedSegment Segment::adopt_result(const SegmentRef& ref, sys::OwnFd fd, std::shared_ptr<SegmentLease> lease) {
  SharedSegment segment = adopt(ref, fd);
  segment->lease_ = std::move(lease);
  segment->map_whole(fd);
  const bool mapped = segment->whole_.data() != nullptr;
  if (!mapped || arrived_open < most_arrived_open()) segment->fd_ = std::move(fd);
  if (mapped && segment->fd_.valid()) ++arrived_open;
  return segment;
}

// Where there is no room for it now, there may be when somebody asks for a view.
void Segment::map_whole(const sys::OwnFd& fd) {
  try {
    note_mapping();
    whole_ = sys::Mapping(fd.get(), size_, sys::MapMode::kPrivate);
  } catch (const base::Error&) {
  }
}

void Segment::note_mapping() {
  if (!std::exchange(mapped_, true)) mapped_at_ = ForkCount::process().count();
}

bool Segment::was_inherited() const { return mapped_ && mapped_at_ != ForkCount::process().count(); }

Segment::~Segment() {
  if (whole_.data() != nullptr && fd_.valid()) --arrived_open;
  if (lease_ && was_inherited()) lease_->taint();
  if (reports_end_ && !was_inherited()) Ended::process().add(id_);
  ++gone_count;
}

uint64_t Segment::append(const void* data, size_t size) {
  const uint64_t offset = (size_ + kVectorAlignment - 1) / kVectorAlignment * kVectorAlignment;
  sys::write_at(file(), data, size, offset);
  size_ = offset + size;
  return offset;
}

void Segment::seal() {
  if (!lease_) return sys::seal_against_writes(fd_.get());
  lease_->seal();
  size_ = lease_->size();
}

void Segment::check_part(uint64_t offset, uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset || bytes == 0)
    throw base::Error(base::ErrorKind::kInvalid,
                      "the record of a vector in shared memory is broken: " + std::to_string(bytes) + " bytes at " +
                          std::to_string(offset) + " do not lie in a segment of " + std::to_string(size_));
}

ViewMemory Segment::view(uint64_t offset, uint64_t bytes) {
  check_part(offset, bytes);
  if (whole_.data() != nullptr && given_out_.insert(offset).second)
    return {whole_.data() + offset, shared_from_this(), true};
  if (!is_open()) throw base::Error(base::ErrorKind::kInvalid, "a vector in shared memory was asked for twice");
  note_mapping();
  auto mapping = std::make_shared<sys::Mapping>(fd().get(), bytes, sys::MapMode::kPrivate, offset);
  uint8_t* const data = mapping->data();
  return {data, std::move(mapping), false};
}

// Where the descriptor is closed a copy does.
void Segment::lay_into(sys::Mapping& room, uint64_t at, uint64_t bytes) {
  check_part(0, bytes);
  if (!is_open()) {
    std::copy_n(whole_.data(), bytes, room.data() + at);
    return;
  }
  note_mapping();
  room.replace(at, fd().get(), bytes);
}

ViewMemory Segment::view_of_two(const Segments& segments, uint64_t bytes) {
  auto room = std::make_shared<sys::Mapping>(sys::Mapping::room(bytes));
  const uint64_t first = first_part(bytes);
  segments.at(0)->lay_into(*room, 0, first);
  segments.at(1)->lay_into(*room, first, bytes - first);
  uint8_t* const data = room->data();
  return {data, std::move(room), false};
}

// From the descriptor where there is one: what was given out as views may have been written to. The segment is held
// too: its file must not be written again meanwhile.
base::SharedBytes Segment::contents() {
  if (!is_open()) return base::SharedBytes::view(shared_from_this(), whole_.data(), whole_.size());
  struct Held {
    SharedSegment segment;
    sys::Mapping mapping;
  };
  auto held =
      std::make_shared<Held>(Held{shared_from_this(), sys::Mapping(fd().get(), size_, sys::MapMode::kReadOnly)});
  const uint8_t* const data = held->mapping.data();
  return base::SharedBytes::view(std::move(held), data, size_);
}

}  // namespace avenir::shm
