#include "shm/segment.h"

#include <sys/resource.h>

#include <algorithm>
#include <string>

#include "base/error.h"

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

}  // namespace

uint64_t Segment::gone() { return gone_count.load(std::memory_order_relaxed); }

SharedSegment Segment::create(SegmentId id) {
  SharedSegment segment(new Segment(id));
  segment->fd_ = sys::make_memory_file("avenir-vectors");
  return segment;
}

SharedSegment Segment::adopt(const SegmentRef& ref, sys::OwnFd fd, bool keep_open) {
  if (sys::file_size(fd.get()) != ref.size || !sys::is_sealed_against_shrinking(fd.get()))
    throw base::Error(base::ErrorKind::kDisconnected, "a segment of shared memory is not what it was announced to be");
  SharedSegment segment(new Segment(ref.id));
  segment->size_ = ref.size;
  if (!keep_open) segment->map_whole(fd);
  const bool mapped = segment->whole_.data() != nullptr;
  if (!mapped || arrived_open < most_arrived_open()) segment->fd_ = std::move(fd);
  if (mapped && segment->is_open()) ++arrived_open;
  return segment;
}

// Where there is no room for it now, there may be when somebody asks for a view.
void Segment::map_whole(const sys::OwnFd& fd) {
  try {
    whole_ = sys::Mapping(fd.get(), size_, sys::MapMode::kPrivate);
  } catch (const base::Error&) {
  }
}

Segment::~Segment() {
  if (whole_.data() != nullptr && is_open()) --arrived_open;
  ++gone_count;
}

uint64_t Segment::append(const void* data, size_t size) {
  const uint64_t offset = (size_ + kVectorAlignment - 1) / kVectorAlignment * kVectorAlignment;
  sys::write_at(fd_.get(), data, size, offset);
  size_ = offset + size;
  return offset;
}

void Segment::seal() { sys::seal_against_writes(fd_.get()); }

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
  auto mapping = std::make_shared<sys::Mapping>(fd_.get(), bytes, sys::MapMode::kPrivate, offset);
  uint8_t* const data = mapping->data();
  return {data, std::move(mapping), false};
}

}  // namespace avenir::shm
