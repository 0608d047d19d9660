#pragma once

// Frames over a stream of bytes that carries no descriptors: between a session and a node.

#include <deque>
#include <vector>

#include "sys/byte_stream.h"
#include "wire/frame.h"

namespace avenir::wire {

class StreamFrameReader {
 public:
  explicit StreamFrameReader(uint64_t longest_body) : parser_(longest_body, 0) {}

  // Appends the frames that are complete. kDone: a few megabytes or thousands of frames were taken and there may be
  // more, of which the stream's descriptor need not tell: see has_buffered().
  sys::IoStatus receive(sys::ByteStream& stream, std::vector<Frame>& frames, uint64_t& bytes);

 private:
  FrameParser parser_;
  std::deque<sys::OwnFd> no_fds_;
};

// Small frames that wait are sent together.
class StreamFrameWriter {
 public:
  void push(FrameType type, uint64_t id, const base::SharedBytes& body);
  // A body in two parts, of which the second is not copied.
  void push(FrameType type, uint64_t id, const base::Bytes& begin, base::SharedBytes rest);
  sys::IoStatus flush(sys::ByteStream& stream);
  bool empty() const { return pending_.empty(); }

 private:
  void add(base::SharedBytes bytes);

  struct Pending {
    base::SharedBytes bytes;
    size_t sent = 0;
    bool tried = false;  // an encrypted stream wants the same bytes again
  };
  std::deque<Pending> pending_;
};

}  // namespace avenir::wire
