#pragma once

// Bodies of the frames of wire/frame.h, in the order in which their parts lie. Numbers are in native byte order; a
// string is a u64 length and its bytes.
//
//   kHello      HelloMessage
//   kTask       the serialized task; with one descriptor: its length as u64, the bytes are in the memory file
//   kMap        u64 count, then `count` u64 positions that this worker shall do before it claims any from the table;
//               descriptors: the task table, the job's data (shm/); none to a fork, which has them. Of a map that comes
//               in pieces a third: the data that all of them share
//   kDropContext  u64 the map, as the data of its pieces name it
//   kAnswer     AnswerHead and its bytes, repeated
//   kBigAnswer  AnswerHead; its bytes are in the memory file beside it
//   kImmediate  the serialized condition
//   kIdle, kLeaving, kGoodbye   nothing
//   kFork       nothing; descriptors: data socket, control socket, slot, log
//   kForked     i32 pid; one descriptor, the pidfd, where the kernel has them
//   kSegment    shm::SegmentRef; one descriptor, the segment's. From a worker: belongs to the first answer that follows
//   kDropSegments, kSegmentsEnded  shm::SegmentId, repeated
//   kForkFailed i32 errno, string reason
//   kExited     i32 wait status
//   kInterrupt  u64 position: what runs of this job from there on, and what would begin (0: all of it, or a future)
//   kTimeLimit  u64 position, u64 nanoseconds: this position, if it has been running for as long

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace avenir::wire {

// Raised with any change of a frame or a layout in shared memory: both ends must come from the same build.
constexpr uint32_t kProtocolVersion = 7;

struct HelloMessage {
  uint32_t protocol = kProtocolVersion;
  int32_t pid = 0;
  std::string temp_folder;  // the worker's own; whoever outlives it removes it

  base::Bytes encode() const;
  static HelloMessage decode(const base::SharedBytes& body);
};

enum class AnswerKind : uint32_t {
  kValue = 0,   // a serialized value; nothing was printed, no condition, no random number without a seed
  kRecord = 1,  // a serialized record (see R/backend.R)
  // The rest is made by the engine, never sent by a worker:
  kLost = 2,        // the worker died; the bytes are LostMessages, one for each attempt
  kNotStarted = 3,  // no worker could be started; the bytes are the reason
  kCancelled = 4,
};

struct AnswerHead {
  uint64_t element;
  AnswerKind kind;
  uint32_t reserved;
  uint64_t length;
};
static_assert(sizeof(AnswerHead) == 24);

struct Answer {
  uint64_t element;
  AnswerKind kind;
  base::SharedBytes bytes;
  std::shared_ptr<const void> segments{};  // shm::Segments that the bytes refer to; empty for none
};

// The answers of a kAnswer body. Only kinds that a worker may send.
std::vector<Answer> decode_answers(const base::SharedBytes& body);
AnswerHead decode_answer_head(const base::SharedBytes& body);

enum class LossCause : uint32_t {
  kUnknown = 0,      // it ended by itself, or somebody ended it
  kOutOfMemory = 1,  // the system killed a process for lack of memory meanwhile
  kQuit = 2,         // the task called quit()
  kTimeLimit = 3,    // the engine killed it: it did not react when its time was up
  kInterrupt = 4,    // the engine killed it: it did not react to an interrupt
  kProtocol = 5,     // the engine killed it: it sent what no worker may send; `note` says what
  kNodeLost = 6,     // its node is gone, or is given up; `note` says why. `worker` and `pid` are the node's
  kUnread = 7,       // the engine killed it: what it had sent could not be received; `note` says why
  kUntold = 8,       // the engine killed it: it could not be told what to do; `note` says why
};

// What is known of a worker that died with a task.
struct LostMessage {
  uint32_t worker = 0;
  int32_t pid = 0;
  int32_t signal = 0;
  int32_t exit_code = 0;
  uint32_t status_known = 0;
  LossCause cause = LossCause::kUnknown;
  uint32_t memory_watched = 0;  // 1: the system tells when it kills for lack of memory
  uint64_t element = 0;
  std::string log;  // the end of its stderr
  std::string note;
  std::string host;  // empty: the session's own

  void encode(base::ByteWriter& out) const;
  static LostMessage decode(base::ByteReader& in);
};
// Every attempt's end; the last is the one that made the answer.
base::Bytes encode_losses(const std::vector<LostMessage>& losses);
std::vector<LostMessage> decode_losses(const base::SharedBytes& body);

base::SharedBytes to_shared(const base::Bytes& bytes);

}  // namespace avenir::wire
