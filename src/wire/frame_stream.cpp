#include "wire/frame_stream.h"

#include <cstring>

namespace avenir::wire {

namespace {

constexpr size_t kTogether = 16 * 1024;  // what one record of an encrypted stream holds

base::SharedBytes joined(const base::SharedBytes& first, const base::SharedBytes& second) {
  base::SharedBytes both = base::SharedBytes::allocate(first.size() + second.size());
  std::memcpy(both.writable(), first.data(), first.size());
  std::memcpy(both.writable() + first.size(), second.data(), second.size());
  return both;
}

}  // namespace

sys::IoStatus StreamFrameReader::receive(sys::ByteStream& stream, std::vector<Frame>& frames, uint64_t& bytes) {
  const size_t most = frames.size() + kFramesPerTurn;
  for (size_t turn = 0; turn < kBytesPerTurn && frames.size() < most;) {
    const FrameParser::Room room = parser_.room();
    size_t moved = 0;
    const sys::IoStatus status = stream.read(room.data, room.size, moved);
    if (status != sys::IoStatus::kDone) return status;
    turn += moved;
    bytes += moved;
    parser_.took(moved, no_fds_, frames);
    if (moved < room.size && !parser_.in_body() && !stream.has_buffered()) return sys::IoStatus::kWouldBlock;
  }
  return sys::IoStatus::kDone;
}

void StreamFrameWriter::push(FrameType type, uint64_t id, const base::SharedBytes& body) {
  base::SharedBytes rest;
  add(frame_head(type, id, 0, body, rest));
  if (rest.size() > 0) add(std::move(rest));
}

void StreamFrameWriter::push(FrameType type, uint64_t id, const base::Bytes& begin, base::SharedBytes rest) {
  const FrameHeader header{type, 0, id, begin.size() + rest.size()};
  base::SharedBytes head = base::SharedBytes::allocate(sizeof header + begin.size());
  std::memcpy(head.writable(), &header, sizeof header);
  if (!begin.empty()) std::memcpy(head.writable() + sizeof header, begin.data(), begin.size());
  add(std::move(head));
  if (rest.size() > 0) add(std::move(rest));
}

void StreamFrameWriter::add(base::SharedBytes bytes) {
  if (!pending_.empty() && !pending_.back().tried && pending_.back().bytes.size() + bytes.size() <= kTogether)
    pending_.back().bytes = joined(pending_.back().bytes, bytes);
  else
    pending_.push_back({std::move(bytes), 0, false});
}

sys::IoStatus StreamFrameWriter::flush(sys::ByteStream& stream) {
  while (!pending_.empty()) {
    Pending& first = pending_.front();
    first.tried = true;
    size_t moved = 0;
    const sys::IoStatus status = stream.write(first.bytes.data() + first.sent, first.bytes.size() - first.sent, moved);
    if (status != sys::IoStatus::kDone) return status;
    first.sent += moved;
    if (first.sent == first.bytes.size()) pending_.pop_front();
  }
  return sys::IoStatus::kDone;
}

}  // namespace avenir::wire
