#pragma once

#include <string>

#include "sys/fd.h"

namespace avenir::engine {

// A worker's descriptors, however it came to be.
struct WorkerFds {
  sys::OwnFd data;     // frames to and from the session
  sys::OwnFd control;  // interrupts, for the watcher thread; its end-of-file: leave at once
  sys::OwnFd slot;     // shm::SharedSlot
  sys::OwnFd session;  // the session's pidfd; empty where there is none
};

// The numbers at which a spawned process finds its descriptors (0, 1: /dev/null; 2: its log).
constexpr int kTemplateSocketFd = 3, kTemplateSessionFd = 4;
constexpr int kWorkerDataFd = 3, kWorkerControlFd = 4, kWorkerSlotFd = 5, kWorkerSessionFd = 6;

// The template process: forks a worker whenever the session asks, tells how each one ended. It has one
// thread, has run no user code, and never does.
//
// Returns in each forked worker, in a process group of its own, with the log as its stderr. In the template
// it never returns: when the session is gone it kills what workers are left, removes `temp_folder` and
// leaves.
WorkerFds serve_forks(sys::OwnFd socket, sys::OwnFd session, const std::string& temp_folder);

}  // namespace avenir::engine
