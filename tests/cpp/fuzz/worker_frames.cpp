// libFuzzer's target for what a session, its template and its workers send each other: frames (src/wire/frame.h) and
// their bodies (src/wire/message.h). The first byte says in what pieces the bytes come, the second how many descriptors
// lie beside them. How the bytes are cut makes no difference, what was read is written as the same bytes, and a body is
// read inside its bounds.

#include <algorithm>

#include "expect.h"
#include "shm/segment.h"
#include "wire/frame.h"
#include "wire/message.h"

using namespace avenir;
using base::SharedBytes;
using fuzz::expect;

namespace {

constexpr uint64_t kLongest = uint64_t{1} << 20;

std::vector<wire::Frame> frames_of(const uint8_t* data, size_t size, size_t piece, size_t descriptors) {
  wire::FrameParser parser(kLongest, sys::kMaxFdsPerMessage);
  std::deque<sys::OwnFd> fds(descriptors);
  std::vector<wire::Frame> frames;
  fuzz::refused_at_worst(base::ErrorKind::kDisconnected, [&] {
    while (size > 0) {
      const auto room = parser.room();
      expect(room.size > 0);
      const size_t some = std::min({piece, room.size, size});
      std::copy_n(data, some, room.data);
      parser.took(some, fds, frames);
      data += some;
      size -= some;
    }
  });
  return frames;
}

bool same_bytes(const SharedBytes& one, const uint8_t* other) {
  return one.size() == 0 || std::equal(one.data(), one.data() + one.size(), other);
}

// Bytes of the frames, as they are written.
size_t check_written(const std::vector<wire::Frame>& frames, const uint8_t* data) {
  size_t at = 0;
  for (const wire::Frame& frame : frames) {
    SharedBytes rest;
    const auto head = wire::frame_head(frame.header.type, frame.header.id, frame.header.fd_count, frame.body, rest);
    expect(frame.fds.size() == frame.header.fd_count && frame.body.size() == frame.header.length);
    expect(same_bytes(head, data + at) && same_bytes(rest, data + at + head.size()));
    at += head.size() + rest.size();
  }
  return at;
}

void read_hello(const SharedBytes& body) {
  const base::Bytes once = wire::HelloMessage::decode(body).encode();
  expect(once.size() <= body.size() && same_bytes(wire::to_shared(once), body.data()));
}

void read_answers(const SharedBytes& body) {
  size_t size = 0;
  for (const wire::Answer& answer : wire::decode_answers(body)) {
    expect(answer.kind == wire::AnswerKind::kValue || answer.kind == wire::AnswerKind::kRecord);
    size += sizeof(wire::AnswerHead);
    expect(answer.bytes.size() == 0 || answer.bytes.data() == body.data() + size);
    size += answer.bytes.size();
  }
  expect(size == body.size());
}

void read_losses(const SharedBytes& body) {
  const base::Bytes once = wire::encode_losses(wire::decode_losses(body));
  expect(once.size() == body.size() && same_bytes(wire::to_shared(once), body.data()));
}

template <typename Item>
void read_items(const SharedBytes& body) {
  size_t count = 0;
  for (base::ByteReader in(body); in.left() > 0; ++count) in.get<Item>();
  expect(count * sizeof(Item) == body.size());
}

// As engine_workers.cpp, worker_port.cpp and template_server.cpp read them. Losses are bodies of no frame of theirs.
void read_body(const wire::Frame& frame) {
  switch (frame.header.type) {
    case wire::FrameType::kHello:
      return read_hello(frame.body);
    case wire::FrameType::kAnswer:
      return read_answers(frame.body);
    case wire::FrameType::kBigAnswer:
      wire::decode_answer_head(frame.body);
      return;
    case wire::FrameType::kSegment:
      base::ByteReader(frame.body).get<shm::SegmentRef>();
      return;
    case wire::FrameType::kSegmentsEnded:
    case wire::FrameType::kDropSegments:
      return read_items<shm::SegmentId>(frame.body);
    default:
      return read_losses(frame.body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = 1 + data[0], descriptors = data[1] % 8;
  const auto at_once = frames_of(data + 2, size - 2, size, descriptors);
  const auto in_pieces = frames_of(data + 2, size - 2, piece, descriptors);
  expect(at_once.size() == in_pieces.size());
  expect(check_written(at_once, data + 2) == check_written(in_pieces, data + 2));
  for (const wire::Frame& frame : at_once)
    fuzz::refused_at_worst(base::ErrorKind::kDisconnected, [&] { read_body(frame); });
  return 0;
}
