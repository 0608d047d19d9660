#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "engine/node_channel.h"
#include "engine/worker_link.h"
#include "shm/segment.h"

namespace avenir::engine {

// What a node was given and has not answered altogether: a future, or elements of a map.
struct NodeWork {
  uint64_t job = 0;
  std::vector<uint64_t> positions;  // of a map, ascending; by element of the work
  std::vector<bool> answered;
  uint64_t left = 0;      // elements without an answer
  double units_each = 1;  // of a map with explicit chunks: units by element
  base::Deadline::Clock::time_point sent;
};

// How much of a map a node has at a time: what it does in some tens of milliseconds, and at least one unit a worker.
class NodeWindow {
 public:
  explicit NodeWindow(unsigned workers) : least_(workers), window_(workers) {}

  // Units to send now, beyond what is `outstanding`; 0: enough is on its way.
  uint64_t room(double outstanding);
  void answered(double units, base::Deadline::Clock::duration since_sent);

 private:
  void adapt();

  uint64_t least_, window_;
  double done_ = 0;        // units since `since_`
  double quickest_ = 1e9;  // seconds from a work's sending to an answer of it
  base::Deadline::Clock::time_point since_ = base::Deadline::Clock::now();
};

struct NodeMap {
  explicit NodeMap(unsigned workers) : window(workers) {}
  NodeWindow window;
  double outstanding = 0;  // units
};

// The session's end of one node. Guarded by the engine's mutex.
struct NodeLink {
  enum class State {
    kGreeting,  // connected; no hello yet
    kReady,
    kDraining,  // is given nothing any more, and dismissed when it has answered what it has
  };

  NodeLink(uint32_t number, std::string who, std::unique_ptr<sys::ByteStream> stream)
      : id(number), identity(std::move(who)), channel(std::move(stream)) {}

  const uint32_t id;  // counted with the workers
  const std::string identity;
  NodeChannel channel;
  State state = State::kGreeting;
  bool wants_write = false;
  std::string host;
  pid_t pid = -1;
  unsigned workers = 0;
  uint64_t answers = 0;
  wire::NodeStatus status;  // as it was last told
  base::Deadline hello_by = base::Deadline::never();
  std::string ended;          // not empty: why it is to be given up as soon as nobody uses it
  bool took_no_work = false;  // its workers could not be started
  std::map<uint64_t, NodeWork> works;
  std::map<uint64_t, NodeMap> maps;                                // by job: those whose context it has
  std::map<shm::SegmentId, std::weak_ptr<shm::Segment>> segments;  // that it was sent
  uint64_t segments_gone = 0;
  double quickest_task = 1e9;  // seconds

  uint64_t tasks() const;
  // Workers that have something to do.
  unsigned busy() const;
  unsigned room_for_tasks() const;
};

// What is known of one that has gone, or was not taken.
struct NodeEnd {
  uint32_t id;
  std::string identity, host, reason;
  pid_t pid;
  bool refused;
};

}  // namespace avenir::engine
