#include "engine/node_channel.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/scope.h"
#include "shm/region.h"
#include "sys/memory_file.h"

namespace avenir::engine {

namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw base::Error(base::ErrorKind::kDisconnected, "what came over the connection breaks the protocol: " + what);
}

}  // namespace

wire::ThingId thing_of(const shm::SegmentId& id) { return {id.maker, id.number}; }

base::Deadline NodeChannel::Moment::operator+(double seconds) const {
  const std::chrono::duration<double> gone = base::Deadline::Clock::now() - at_;
  return base::Deadline::in_seconds(seconds - gone.count());
}

// ---- what comes

sys::IoStatus NodeChannel::receive(std::vector<wire::Frame>& frames) {
  std::vector<wire::Frame> received;
  uint64_t bytes = 0;
  const base::ScopeGuard heard([&] {
    if (bytes > 0) heard_.now();
  });
  const sys::IoStatus status = reader_.receive(*stream_, received, bytes);
  for (wire::Frame& frame : received) {
    const wire::FrameType type = frame.header.type;
    const bool part = type == wire::FrameType::kNodePart || type == wire::FrameType::kNodePackedPart;
    if (part && !greeted_) refuse("a part before anything else");
    greeted_ = true;
    if (part)
      take_part(frame);
    else
      frames.push_back(std::move(frame));
  }
  return status;
}

// Without what comes before them; unpacked.
base::SharedBytes NodeChannel::bytes_of_part(const wire::Frame& frame) {
  constexpr size_t kBefore = sizeof(wire::PartHead);
  if (frame.header.type == wire::FrameType::kNodePart) return frame.body.slice(kBefore, frame.body.size() - kBefore);
  base::ByteReader in(frame.body.slice(kBefore, frame.body.size() - kBefore));
  const auto size = in.get<uint64_t>();
  if (!packer_ || size > wire::kPartSize) refuse("a packed part of " + std::to_string(size) + " bytes");
  const size_t packed = in.left();
  return packer_->unpack(in.take(packed), packed, size);
}

void NodeChannel::take_part(const wire::Frame& frame) {
  base::ByteReader in(frame.body);
  const auto head = in.get<wire::PartHead>();
  Incoming& thing = incoming_[head.thing];
  if (!thing.file.valid()) thing.file = sys::make_memory_file("avenir-arriving");
  if (thing.total == 0) thing.total = head.total;
  const base::SharedBytes bytes = bytes_of_part(frame);
  const size_t size = bytes.size();
  if (head.total != thing.total || head.total > wire::kLongestThing || head.offset != thing.have || size == 0 ||
      size > thing.total - thing.have)
    refuse("a part of " + std::to_string(size) + " bytes at " + std::to_string(head.offset) + " of " +
           std::to_string(head.total));
  sys::write_at(thing.file.get(), bytes.data(), size, thing.have);
  thing.have += size;
  if (thing.have == thing.total) sys::seal_against_writes(thing.file.get());
}

NodeChannel::Thing NodeChannel::take(wire::ThingId id) {
  const auto found = incoming_.find(id);
  if (found == incoming_.end() || found->second.have < found->second.total) refuse("it names what has not come");
  Thing thing{std::move(found->second.file), found->second.total};
  incoming_.erase(found);
  return thing;
}

base::SharedBytes NodeChannel::Thing::bytes() const { return shm::attach(file, size); }

shm::SharedSegment NodeChannel::take_result(wire::ThingId id) {
  Thing thing = take(id);
  return shm::Segment::adopt_result({{id.maker, id.number}, thing.size}, std::move(thing.file), nullptr);
}

shm::SharedSegment NodeChannel::take_sent(wire::ThingId id) {
  Thing thing = take(id);
  return shm::Segment::adopt_sent({{id.maker, id.number}, thing.size}, std::move(thing.file));
}

NodeChannel::Payload NodeChannel::take_payload(base::ByteReader& in, const base::SharedBytes& body) {
  Payload payload;
  const auto number = in.get<uint64_t>();
  if (number != 0)
    payload.thing = take({0, number});
  else
    payload.here = body.slice(body.size() - in.left(), in.left());
  return payload;
}

sys::OwnFd NodeChannel::Payload::file() {
  if (thing) return std::move(thing->file);
  return shm::publish(here.data(), here.size(), "avenir-data");
}

// ---- what goes

void NodeChannel::push(wire::FrameType type, uint64_t id, const base::Bytes& body) {
  Waiting frame{{0, 0}, wire::to_shared(body), 0, type, id};
  waiting_.push_back(std::move(frame));
}

void NodeChannel::push(wire::FrameType type, uint64_t id, base::ByteWriter head, const base::SharedBytes& payload) {
  const bool large = payload.size() >= shm::kLargePayload;
  head.put<uint64_t>(large ? push_thing(payload) : 0);
  if (!large && payload.size() > 0) head.put_bytes(payload.data(), payload.size());
  push(type, id, head.bytes());
}

void NodeChannel::push_segment(shm::Segment& segment) {
  waiting_.push_back({thing_of(segment.id()), segment.contents(), 0, std::nullopt, 0});
}

uint64_t NodeChannel::push_thing(const base::SharedBytes& bytes) {
  waiting_.push_back({{0, next_thing_}, bytes, 0, std::nullopt, 0});
  return next_thing_++;
}

// Moves the next frame, or the next part of a large thing, to the writer.
void NodeChannel::send_next() {
  Waiting& next = waiting_.front();
  if (next.type) {
    writer_.push(*next.type, next.id, next.bytes);
    return waiting_.pop_front();
  }
  const uint64_t size = std::min(wire::kPartSize, next.bytes.size() - next.offset);
  base::ByteWriter head;
  head.put(wire::PartHead{next.thing, next.bytes.size(), next.offset});
  const base::SharedBytes part = next.bytes.slice(next.offset, size);
  const auto packed = packs_ ? packer_->pack(part) : std::nullopt;
  if (packed) head.put<uint64_t>(size);
  writer_.push(packed ? wire::FrameType::kNodePackedPart : wire::FrameType::kNodePart, 0, head.bytes(),
               packed ? *packed : part);
  next.offset += size;
  if (next.offset == next.bytes.size()) waiting_.pop_front();
}

sys::IoStatus NodeChannel::flush() {
  constexpr int kTogether = 64;  // small frames that may become one write
  while (has_unsent()) {
    for (int i = 0; i < kTogether && !waiting_.empty(); ++i) {
      const bool part = !waiting_.front().type;
      if (part && !writer_.empty()) break;
      send_next();
      if (part) break;
    }
    const sys::IoStatus status = writer_.flush(*stream_);
    if (status == sys::IoStatus::kClosed) return status;
    said_.now();
    if (status == sys::IoStatus::kWouldBlock) return status;
  }
  return sys::IoStatus::kDone;
}

}  // namespace avenir::engine
