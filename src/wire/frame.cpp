#include "wire/frame.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/error.h"

namespace avenir::wire {

namespace {

constexpr size_t kStagingSize = 64 * 1024;
constexpr size_t kSmallBody = 4096;

void check_header(const FrameHeader& header, uint64_t longest_body, uint32_t most_fds) {
  const auto type = static_cast<uint32_t>(header.type);
  const bool known = type >= 1 && type <= static_cast<uint32_t>(FrameType::kLast);
  if (!known || header.fd_count > most_fds || header.length > longest_body)
    throw base::Error(base::ErrorKind::kDisconnected, "a frame of type " + std::to_string(type) + ", " +
                                                          std::to_string(header.fd_count) + " descriptors and " +
                                                          std::to_string(header.length) + " bytes breaks the protocol");
}

// The length is the sender's word.
base::SharedBytes allocate_body(uint64_t length) {
  try {
    return base::SharedBytes::allocate(length);
  } catch (const std::bad_alloc&) {
    throw base::Error(base::ErrorKind::kOverloaded, "no memory for a frame of " + std::to_string(length) + " bytes");
  }
}

}  // namespace

bool FrameParser::direct() const { return in_body_ && body_.size() - body_have_ >= kStagingSize; }

FrameParser::Room FrameParser::room() {
  if (direct()) return {body_.writable() + body_have_, std::min(body_.size() - body_have_, kBytesPerTurn)};
  staging_.resize(kStagingSize);
  return {staging_.data(), kStagingSize};
}

void FrameParser::took(size_t bytes, std::deque<sys::OwnFd>& fds, std::vector<Frame>& frames) {
  if (!direct()) return parse(staging_.data(), bytes, fds, frames);
  body_have_ += bytes;
  if (body_have_ == body_.size()) finish_frame(fds, frames);
}

FrameReader::Step FrameReader::take(int fd, bool block, std::vector<Frame>& frames) {
  const FrameParser::Room room = parser_.room();
  std::vector<sys::OwnFd> fds;
  const sys::IoResult got = sys::receive_some(fd, room.data, room.size, fds, block);
  // The system gives no bytes from behind those that descriptors came with.
  const bool all = got.bytes < room.size && fds.empty();
  for (sys::OwnFd& received : fds) fds_.push_back(std::move(received));
  if (got.status == sys::IoStatus::kDone) parser_.took(got.bytes, fds_, frames);
  return {got.status, got.bytes, all};
}

sys::IoStatus FrameReader::receive(int fd, bool block, std::vector<Frame>& frames) {
  const size_t before = frames.size();
  for (size_t turn = 0; turn < kBytesPerTurn;) {
    const Step step = take(fd, block, frames);
    if (step.status != sys::IoStatus::kDone) return step.status;
    if (block && frames.size() > before) return sys::IoStatus::kDone;
    if (!block && step.all && !parser_.in_body()) return sys::IoStatus::kWouldBlock;
    if (!block) turn += step.bytes;
  }
  return sys::IoStatus::kDone;
}

sys::IoStatus FrameReader::receive_rest(int fd, std::vector<Frame>& frames) {
  for (;;) {
    const Step step = take(fd, false, frames);
    if (step.status != sys::IoStatus::kDone) return step.status;
  }
}

void FrameParser::parse(const uint8_t* data, size_t size, std::deque<sys::OwnFd>& fds, std::vector<Frame>& frames) {
  while (size > 0) {
    size_t used;
    if (!in_body_) {
      used = std::min(size, sizeof(FrameHeader) - header_have_);
      std::memcpy(header_bytes_ + header_have_, data, used);
      header_have_ += used;
      if (header_have_ == sizeof(FrameHeader)) start_body();
    } else {
      used = std::min(size, body_.size() - body_have_);
      std::memcpy(body_.writable() + body_have_, data, used);
      body_have_ += used;
    }
    data += used;
    size -= used;
    if (in_body_ && body_have_ == body_.size()) finish_frame(fds, frames);
  }
}

void FrameParser::start_body() {
  std::memcpy(&header_, header_bytes_, sizeof header_);
  check_header(header_, longest_body_, most_fds_);
  body_ = allocate_body(header_.length);
  body_have_ = 0;
  in_body_ = true;
}

void FrameParser::finish_frame(std::deque<sys::OwnFd>& fds, std::vector<Frame>& frames) {
  if (fds.size() < header_.fd_count)
    throw base::Error(base::ErrorKind::kDisconnected, "a frame came without its descriptors");
  Frame frame{header_, std::move(body_), {}};
  for (uint32_t i = 0; i < header_.fd_count; ++i) {
    frame.fds.push_back(std::move(fds.front()));
    fds.pop_front();
  }
  frames.push_back(std::move(frame));
  body_ = base::SharedBytes();
  header_have_ = 0;
  body_have_ = 0;
  in_body_ = false;
}

base::SharedBytes frame_head(FrameType type, uint64_t id, uint32_t fds, const base::SharedBytes& body,
                             base::SharedBytes& rest) {
  const FrameHeader header{type, fds, id, body.size()};
  const bool together = body.size() <= kSmallBody;
  base::SharedBytes head = base::SharedBytes::allocate(sizeof header + (together ? body.size() : 0));
  std::memcpy(head.writable(), &header, sizeof header);
  if (together && body.size() > 0) std::memcpy(head.writable() + sizeof header, body.data(), body.size());
  if (!together) rest = body;
  return head;
}

void FrameWriter::push(FrameType type, uint64_t id, base::SharedBytes body, std::vector<SharedFd> fds) {
  Pending frame;
  frame.head = frame_head(type, id, static_cast<uint32_t>(fds.size()), body, frame.body);
  frame.fds = std::move(fds);
  pending_.push_back(std::move(frame));
}

sys::IoStatus FrameWriter::flush(int fd, bool block) {
  while (!pending_.empty()) {
    Pending& frame = pending_.front();
    const bool in_head = frame.sent < frame.head.size();
    const base::SharedBytes& part = in_head ? frame.head : frame.body;
    const size_t offset = in_head ? frame.sent : frame.sent - frame.head.size();
    std::vector<int> fds;
    if (frame.sent == 0)
      for (const SharedFd& shared : frame.fds) fds.push_back(shared->get());
    const sys::IoResult sent = sys::send_some(fd, part.data() + offset, part.size() - offset, fds, block);
    if (sent.status != sys::IoStatus::kDone) return sent.status;
    frame.sent += sent.bytes;
    if (frame.sent == frame.head.size() + frame.body.size()) pending_.pop_front();
  }
  return sys::IoStatus::kDone;
}

}  // namespace avenir::wire
