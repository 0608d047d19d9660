#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "shm/segment.h"
#include "shm/task_table.h"
#include "sys/fd.h"
#include "sys/process.h"
#include "wire/frame.h"
#include "wire/message.h"

namespace avenir::engine {

constexpr size_t kLogTail = 2000;  // bytes of what a process wrote to its standard error, for messages
// A file that both sides append to, whatever their offsets.
sys::OwnFd make_log();
sys::OwnFd open_null();

// The session's end of one worker. Guarded by the engine's mutex.
struct WorkerLink {
  enum class State {
    kStarting,  // asked for; no hello yet
    kParked,    // forked for one job, waiting for its turn
    kIdle,
    kBusy,   // has `job`
    kDying,  // its socket or process ended; waiting to hear how
  };

  uint32_t id = 0;
  pid_t pid = -1;
  State state = State::kStarting;
  bool own_child = false;  // started directly, not forked by the template: we reap it
  sys::OwnFd data, control, pidfd, log;
  shm::SharedSlot slot = shm::SharedSlot::create();
  wire::FrameReader reader;
  wire::FrameWriter writer;
  bool wants_write = false;
  unsigned start_round = 0;  // the engine's when it was asked for
  uint64_t job = 0;
  bool ready = false;     // it has said hello
  uint64_t context = 0;   // the map of whose pieces it has had one last
  bool in_map = false;    // counted among the workers that have joined its job
  bool answered = false;  // its job, a task: it only clears up
  uint64_t answers = 0;
  uint64_t last_task = 0;         // that it was given
  uint64_t collected_before = 0;  // which job the answer was collected
  std::string temp_folder;
  sys::ExitStatus exit;
  bool may_end = false;  // dying, and not killed yet: its socket has ended, so that its process most often does, too
  // Hello, end of the grace after an interrupt, or the news of how it ended: whichever its state waits for.
  base::Deadline deadline = base::Deadline::never();
  // When to look how long it has been at its job's present position, and the position that it was told to end.
  base::Deadline look_at = base::Deadline::never();
  std::optional<uint64_t> overdue;
  // When somebody else gets its place, and whether that has happened: it has been interrupted, and others need not wait
  // until it heeds that.
  base::Deadline replace_at = base::Deadline::never();
  bool replaced = false;
  bool losses_told = false;                           // dying: of what it was doing, to those who wait for it
  wire::LossCause cause = wire::LossCause::kUnknown;  // why we have killed it, if we have
  std::string note;
  std::map<shm::SegmentId, std::weak_ptr<shm::Segment>> segments;  // that it was sent
  shm::Segments arrived;                                           // with its next answer
  uint64_t segments_gone = 0;  // shm::Segment::gone() when it was last told which to drop
  // Of those that it was sent and may still have views of.
  std::map<shm::SegmentId, std::shared_ptr<shm::SegmentLease>> leases;

  WorkerLink() = default;
  // What it had it may have left to forks of its own.
  ~WorkerLink() {
    for (auto& [segment, lease] : leases) lease->taint();
  }

  // One that it does, or waits to do.
  bool has_job() const { return state == State::kParked || state == State::kBusy; }
  bool is_busy() const { return has_job() && counts() && !answered; }
  // Holds one of the plan's places.
  bool counts() const { return state != State::kDying && !replaced; }
  // It leaves by itself.
  void dismiss() {
    wire::FrameWriter last;
    last.push(wire::FrameType::kGoodbye, 0, {});
    if (control.valid()) last.flush(control.get(), false);
    data.reset();
    control.reset();
  }
  void has_no_job() {
    job = 0;
    in_map = answered = false;
    overdue.reset();
    deadline = look_at = replace_at = base::Deadline::never();
  }
};

}  // namespace avenir::engine
