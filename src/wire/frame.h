#pragma once

// Frames: what travels between the session, a template process and a worker, on stream sockets.
//
//   FrameHeader (24 bytes, native byte order: both ends are on one machine), then `length` bytes of body.
//
// `fd_count` descriptors travel beside the first byte of the frame. Frames of one direction keep their order.
// `id` is chosen by the session and never used again while it lives:
//   a job's id      kTask kMap kAnswer kBigAnswer kImmediate kIdle kLeaving kInterrupt kTimeLimit
//   none (0)        kSegment kDropSegments kSegmentsEnded kDropContext (of the map that its body names)
//   a worker's id   kFork kForked kForkFailed kExited
// Frames whose name begins with kNode travel between a session and a node, without descriptors: wire/node_message.h.
// Bodies are described in wire/message.h. A header that breaks a rule ends the connection: its sender is
// treated as dead.

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "sys/fd.h"
#include "sys/socket_pair.h"

namespace avenir::wire {

enum class FrameType : uint32_t {
  kHello = 1,      // worker or template -> session, first frame
  kTask,           // session -> worker: evaluate one future
  kMap,            // session -> worker: join a map and claim elements from its table
  kAnswer,         // worker -> session: a batch of answers
  kBigAnswer,      // worker -> session: one answer, its bytes in a memory file
  kImmediate,      // worker -> session: a condition to be relayed at once
  kIdle,           // worker -> session: done with this job, ready for the next
  kLeaving,        // worker -> session: what it has answered it has answered; it has grown too large and ends
  kFork,           // session -> template: fork a worker on these descriptors
  kForked,         // template -> session: it lives
  kForkFailed,     // template -> session: it could not be made
  kExited,         // template -> session: how a worker ended
  kInterrupt,      // session -> worker's watcher thread
  kTimeLimit,      // session -> worker's watcher thread
  kGoodbye,        // session -> worker's watcher thread: leave; an end without it is the session's own
  kSegment,        // both ways: shared memory that the next job or answer refers to
  kDropSegments,   // session -> worker: it will not refer to these again
  kSegmentsEnded,  // worker -> session: it has no view of these any more, and no fork of it has
  kDropContext,    // session -> worker: no part of this map will come again
  // Between a session and a node; wire/node_message.h has the rest.
  kNodeHello,
  kNodeWelcome,
  kNodeRefusal,
  kNodeTask,
  kNodeContext,
  kNodeBatch,
  kNodeCancel,
  kNodeForget,
  kNodeForgetMap,
  kNodeDropSegments,
  kNodePart,
  kNodePackedPart,
  kNodeAnswers,
  kNodeImmediate,
  kNodeStopped,
  kNodeStatus,
  kNodeGoodbye,
  kLast = kNodeGoodbye,
};

struct FrameHeader {
  FrameType type;
  uint32_t fd_count;
  uint64_t id;
  uint64_t length;
};
static_assert(sizeof(FrameHeader) == 24);

// What is larger travels as a memory file. A header that announces more is broken.
constexpr uint64_t kLongestBody = uint64_t{1} << 32;

struct Frame {
  FrameHeader header;
  base::SharedBytes body;
  std::vector<sys::OwnFd> fds;
};

constexpr size_t kBytesPerTurn = 4 * 1024 * 1024;
constexpr size_t kFramesPerTurn = 4096;  // of strangers: one without a body costs us more than it costs them

// Takes frames apart as their bytes arrive, however they come. Throws on a broken header, or when there is no memory
// for a body; what came before it has been delivered.
class FrameParser {
 public:
  FrameParser(uint64_t longest_body, uint32_t most_fds) : longest_body_(longest_body), most_fds_(most_fds) {}

  // Where the next bytes are to be put, and how many at most.
  struct Room {
    uint8_t* data;
    size_t size;
  };
  Room room();
  // So many have been put there. `fds`: those that came beside the bytes and belong to no frame yet.
  void took(size_t bytes, std::deque<sys::OwnFd>& fds, std::vector<Frame>& frames);
  bool in_body() const { return in_body_; }

 private:
  bool direct() const;
  void parse(const uint8_t* data, size_t size, std::deque<sys::OwnFd>& fds, std::vector<Frame>& frames);
  void finish_frame(std::deque<sys::OwnFd>& fds, std::vector<Frame>& frames);
  void start_body();

  uint64_t longest_body_;
  uint32_t most_fds_;
  std::vector<uint8_t> staging_;
  uint8_t header_bytes_[sizeof(FrameHeader)];
  size_t header_have_ = 0;
  FrameHeader header_;
  base::SharedBytes body_;
  size_t body_have_ = 0;
  bool in_body_ = false;
};

// Frames from a socket between processes of one machine.
class FrameReader {
 public:
  explicit FrameReader(uint64_t longest_body = kLongestBody) : parser_(longest_body, sys::kMaxFdsPerMessage) {}

  // Appends the frames that are complete. Non-blocking: takes what is there, a few megabytes at most (returns
  // kDone then, and the poller reports the rest). Blocking: returns after at least one whole frame. kClosed:
  // the other side is gone.
  sys::IoStatus receive(int fd, bool block, std::vector<Frame>& frames);
  // Of a sender that has ended: all that it has left.
  sys::IoStatus receive_rest(int fd, std::vector<Frame>& frames);

 private:
  struct Step {
    sys::IoStatus status;
    size_t bytes;
    bool all;  // that was there
  };
  Step take(int fd, bool block, std::vector<Frame>& frames);

  FrameParser parser_;
  std::deque<sys::OwnFd> fds_;
};

using SharedFd = std::shared_ptr<sys::OwnFd>;

// The first bytes of a frame: its header, and the body too when it is small. `rest`: the body when it is not.
base::SharedBytes frame_head(FrameType type, uint64_t id, uint32_t fds, const base::SharedBytes& body,
                             base::SharedBytes& rest);

// Sends frames in order, as far as the socket takes them; keeps the rest.
class FrameWriter {
 public:
  void push(FrameType type, uint64_t id, base::SharedBytes body, std::vector<SharedFd> fds = {});
  sys::IoStatus flush(int fd, bool block);
  bool empty() const { return pending_.empty(); }

 private:
  struct Pending {
    base::SharedBytes head;  // header, and the body too when it is small
    base::SharedBytes body;
    std::vector<SharedFd> fds;
    size_t sent = 0;
  };
  std::deque<Pending> pending_;
};

}  // namespace avenir::wire
