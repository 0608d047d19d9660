#pragma once

// What a session and a node say to each other: frames of wire/frame.h without descriptors, over one stream of bytes.
//
// A node is a process on some machine with an engine, and so workers, of its own. The session gives it *work*: a
// future, or some elements of a map, under a number that is never used again. The node does each as a job of its
// engine, sends the answers as they come, and forgets the work with the last of them. Answers to work that is not known
// (any more) are dropped, and so is a second answer: a node that was given up may still work, and others do the same
// again.
//
//   frame              id    from      body
//   kNodeHello         0     node      NodeHello; the first frame; nothing else is taken before
//   kNodeWelcome       0     session   NodeWelcome; from here on everything may be sent
//   kNodeRefusal       0     session   string: why; the session hangs up
//   kNodeTask          work  session   WorkHead, payload
//   kNodeContext       map   session   u64 n, n SegmentIds, payload: shm/job_data of what all elements share. Once
//   kNodeBatch         work  session   WorkHead, payload: shm/job_data of these elements. `map` has been sent before
//   kNodeCancel        work  session   u64 from, u32 interrupt: elements of the work from there on that have not begun
//                                      never will; with `interrupt` those that run are interrupted
//   kNodeForget        work  session   nothing; answers are not wanted any more
//   kNodeForgetMap     map   session   nothing
//   kNodeDropSegments  0     session   SegmentId, repeated: it will not refer to these again
//   kNodePart          0     both      PartHead, bytes: of a large thing, which is put together in a memory file. Parts
//                                      of one thing come in order, before what refers to it
//   kNodePackedPart    0     both      PartHead, u64 n, bytes: the same, packed by zstd; n of them at first, which is
//                                      kPartSize at most. From a node only after a welcome, from a
//                                      session only beside or after one, that says so
//   kNodeAnswers       work  node      NodeAnswer, repeated
//   kNodeImmediate     work  node      payload: the serialized condition
//   kNodeStopped       work  node      u64: elements of the work from there on will not be begun, for an error
//                                      before them
//   kNodeStatus        0     both      from a node: NodeStatus; from a session: nothing. At least every `heartbeat`
//                                      seconds something is sent; who hears nothing for `lost_after` gives up
//   kNodeGoodbye       0     both      string: why; both sides hang up. What has no answer goes to others
//
// payload: u64 number; 0: the bytes are the rest of the body; else the thing {0, number} that came in parts.
//
// Numbers are in native byte order: hello is refused from a machine of another. A frame that breaks a rule ends the
// connection.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/message.h"

namespace avenir::wire {

// Everything that can be longer travels in parts. What may be long are lists of names, one for a descriptor each.
constexpr uint64_t kLongestNodeBody = 4 << 20;
constexpr uint64_t kPartSize = 1 << 20;
constexpr uint64_t kLongestThing = uint64_t{1} << 44;

// Of a segment (shm/segment.h), or {0, number}: what a payload refers to.
struct ThingId {
  uint64_t maker, number;
  friend bool operator<(const ThingId& a, const ThingId& b) {
    return a.maker != b.maker ? a.maker < b.maker : a.number < b.number;
  }
  friend bool operator==(const ThingId& a, const ThingId& b) { return a.maker == b.maker && a.number == b.number; }
};
static_assert(sizeof(ThingId) == 16);

struct PartHead {
  ThingId thing;
  uint64_t total;   // bytes of the whole
  uint64_t offset;  // of this part
};
static_assert(sizeof(PartHead) == 32);

struct NodeHello {
  uint32_t protocol = kProtocolVersion;
  uint32_t byte_order = 0x01020304;
  int32_t pid = 0;
  uint32_t workers = 0, cores = 0;
  uint32_t packs = 0;  // it can pack and unpack
  std::string avenir, r, platform, libraries, host;

  base::Bytes encode() const;
  static NodeHello decode(const base::SharedBytes& body);
};

struct NodeWelcome {
  double heartbeat = 2, lost_after = 15;           // seconds
  double start_timeout = 60, interrupt_grace = 2;  // of its engine
  uint64_t memory_limit = 0;                       // of a worker
  uint32_t threads = 0;                            // of a worker; 0: its share of the cores
  uint32_t packs = 0;                              // parts may be packed from here on, both ways

  base::Bytes encode() const;
  static NodeWelcome decode(const base::SharedBytes& body);
};

struct WorkHead {
  uint64_t map = 0;  // 0: a future
  uint64_t retries = 0;
  double time_limit = 0;
  uint32_t keep_going = 0;
  std::vector<ThingId> segments;  // that a future's payload refers to; those of a map come with its context
};
std::vector<ThingId> decode_things(base::ByteReader& in);
void encode_things(const std::vector<ThingId>& things, base::ByteWriter& out);
void encode_work(const WorkHead& head, base::ByteWriter& out);
WorkHead decode_work(base::ByteReader& in);

struct NodeAnswer {
  uint64_t element = 0;  // of the work
  AnswerKind kind = AnswerKind::kValue;
  std::vector<ThingId> segments;  // that it refers to: sent before, or those of the work itself
  uint64_t thing = 0;             // 0: the bytes are here
  base::SharedBytes bytes;
};
void encode_node_answer(const NodeAnswer& answer, base::ByteWriter& out);
std::vector<NodeAnswer> decode_node_answers(const base::SharedBytes& body);

struct NodeStatus {
  struct Worker {
    uint32_t id;
    int32_t pid;
    uint32_t state;  // engine::WorkerLink::State
    uint64_t answers;
    uint64_t memory;  // bytes in use; 0: not known
  };
  uint64_t memory = 0;  // that the machine has left, in bytes
  std::vector<Worker> workers;

  base::Bytes encode() const;
  static NodeStatus decode(const base::SharedBytes& body);
};

}  // namespace avenir::wire
