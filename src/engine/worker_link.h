#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/deadline.h"
#include "shm/task_table.h"
#include "sys/fd.h"
#include "sys/process.h"
#include "wire/frame.h"

namespace avenir::engine {

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
  uint64_t job = 0;
  bool ready = false;   // it has said hello
  bool in_map = false;  // counted among the workers that have joined its job
  uint64_t answers = 0;
  std::string temp_folder;
  sys::ExitStatus exit;
  // Hello, end of the grace after an interrupt, or the news of how it ended: whichever its state waits for.
  base::Deadline deadline = base::Deadline::never();

  // One that it does, or waits to do.
  bool has_job() const { return state == State::kParked || state == State::kBusy; }
};

}  // namespace avenir::engine
