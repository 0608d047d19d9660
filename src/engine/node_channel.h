#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/deadline.h"
#include "net/zstd.h"
#include "shm/segment.h"
#include "sys/byte_stream.h"
#include "wire/frame_stream.h"
#include "wire/node_message.h"

namespace avenir::engine {

// One end of the connection between a session and a node: frames both ways, with large things cut into parts as they
// are sent and put together in memory files as they come. What is sent is referred to, not copied.
//
// One thread at a time.
class NodeChannel {
 public:
  explicit NodeChannel(std::unique_ptr<sys::ByteStream> stream)
      : stream_(std::move(stream)), reader_(wire::kLongestNodeBody) {}

  int fd() const { return stream_->fd(); }
  void abandon() { stream_->abandon(); }
  // Something has come that the descriptor does not tell of.
  bool has_buffered() const { return stream_->has_buffered(); }

  // Frames that are complete, without the parts. kDone: there may be more. Throws when the other side breaks the
  // protocol.
  sys::IoStatus receive(std::vector<wire::Frame>& frames);

  void push(wire::FrameType type, uint64_t id, const base::Bytes& body = {});
  // A frame whose body ends with a payload.
  void push(wire::FrameType type, uint64_t id, base::ByteWriter head, const base::SharedBytes& payload);
  void push_segment(shm::Segment& segment);
  // The number under which the other side will find it.
  uint64_t push_thing(const base::SharedBytes& bytes);
  // From here on packed parts may come. Throws where zstd is missing.
  void unpack() { packer_ = std::make_unique<net::Packer>(); }
  // And parts are packed, where that makes them smaller: once unpack() has been called.
  void pack() { packs_ = packer_ != nullptr; }
  // Sends as much as the stream takes.
  sys::IoStatus flush();
  bool has_unsent() const { return !writer_.empty() || !waiting_.empty(); }

  // What has come in parts, once. Throws when it has not.
  struct Thing {
    sys::OwnFd file;
    uint64_t size;
    base::SharedBytes bytes() const;
  };
  Thing take(wire::ThingId id);
  // A segment: that the other side's workers have made; that it has sent with work.
  shm::SharedSegment take_result(wire::ThingId id);
  shm::SharedSegment take_sent(wire::ThingId id);
  // The payload that the rest of a body names: in a memory file or as it is.
  struct Payload {
    std::optional<Thing> thing;
    base::SharedBytes here;
    base::SharedBytes bytes() const { return thing ? thing->bytes() : here; }
    // As a sealed memory file.
    sys::OwnFd file();
  };
  Payload take_payload(base::ByteReader& in, const base::SharedBytes& body);

  // When it is time to send something again, and when the other side is to be given up.
  base::Deadline beat_at(double heartbeat) const { return said_ + heartbeat; }
  base::Deadline lost_at(double lost_after) const { return heard_ + lost_after; }

 private:
  struct Waiting {
    wire::ThingId thing;
    base::SharedBytes bytes;
    uint64_t offset = 0;
    // A frame, when the type is one.
    std::optional<wire::FrameType> type;
    uint64_t id = 0;
  };
  struct Incoming {
    sys::OwnFd file;
    uint64_t total = 0, have = 0;
  };
  // A moment that deadlines are counted from.
  class Moment {
   public:
    void now() { at_ = base::Deadline::Clock::now(); }
    base::Deadline operator+(double seconds) const;

   private:
    base::Deadline::Clock::time_point at_ = base::Deadline::Clock::now();
  };

  void take_part(const wire::Frame& frame);
  base::SharedBytes bytes_of_part(const wire::Frame& frame);
  void send_next();

  std::unique_ptr<sys::ByteStream> stream_;
  wire::StreamFrameReader reader_;
  wire::StreamFrameWriter writer_;
  std::unique_ptr<net::Packer> packer_;
  bool packs_ = false;
  std::deque<Waiting> waiting_;  // behind what the writer has: a part at a time
  std::map<wire::ThingId, Incoming> incoming_;
  bool greeted_ = false;  // something has come; whether it was a greeting is for others to judge
  uint64_t next_thing_ = 1;
  Moment heard_, said_;
};

wire::ThingId thing_of(const shm::SegmentId& id);

}  // namespace avenir::engine
