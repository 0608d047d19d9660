#pragma once

#include <pthread.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "engine/template_server.h"
#include "shm/task_table.h"
#include "sys/fork_guard.h"
#include "sys/poller.h"
#include "wire/frame.h"
#include "wire/message.h"

namespace avenir::engine {

// The worker's end: receives jobs, sends answers, and has a watcher thread that takes interrupts and ends the
// process when the session is gone, be the worker in the middle of a long C call.
//
// Main thread: everything. Watcher thread: its own loop, the gate, late answers, _exit. The watcher may raise
// SIGINT on the main thread only between enter() and leave() of what it was told of, so an interrupt never
// hits anything else.
//
// In a process that user code forks off the worker, all descriptors are closed.
class WorkerPort final : private sys::ForkAware {
 public:
  WorkerPort(WorkerFds fds, std::string temp_folder);
  WorkerPort(const WorkerPort&) = delete;
  WorkerPort& operator=(const WorkerPort&) = delete;

  uint32_t number() const { return static_cast<uint32_t>(slot_->worker); }
  void start_watcher();
  void say_hello();

  // The next job; waits for it. False when the session is gone.
  bool receive(wire::Frame& frame);

  // Around each evaluation. enter() is false when this position was interrupted before it began. leave() is
  // true when an interrupt was sent meanwhile; the signal has arrived or been taken back by then.
  bool enter(uint64_t job, uint64_t position);
  bool leave();

  // Answers are collected and sent when there are many, when some time has passed since the last were, or by
  // the watcher when the next evaluation takes long: a finished result is not left to the mercy of a later
  // one.
  void answer(uint64_t job, uint64_t element, wire::AnswerKind kind, const uint8_t* data, size_t size);
  void send_immediate(uint64_t job, const uint8_t* data, size_t size);
  // Sends what is collected.
  void flush();
  // Says that this worker is done with the job and free.
  void say_idle(uint64_t job);

  // Ends this process, its children too. Async-signal-safe but for the removal of the temporary folder.
  [[noreturn]] void leave_process(int code);

 private:
  void watch();
  void take_interrupts(std::vector<wire::Frame>& frames);
  void flush_late_answers();
  void flush_answers();
  bool add_to_batch(uint64_t job, const wire::AnswerHead& head, const uint8_t* data);
  void send_answer(uint64_t job, const wire::AnswerHead& head, const uint8_t* data);
  void send(wire::FrameType type, uint64_t id, base::SharedBytes body, std::vector<wire::SharedFd> fds = {});

  void before_fork() override;
  void after_fork_in_parent() override;
  void after_fork_in_child() override;

  WorkerFds fds_;
  shm::SharedSlot slot_;
  const std::string temp_folder_;
  wire::FrameReader reader_;
  std::vector<wire::Frame> received_;

  std::mutex send_mutex_;  // guards what follows and the slot's batch; taken before the gate's when both are
  wire::FrameWriter writer_;
  base::Deadline::Clock::time_point last_flush_ = base::Deadline::Clock::now();
  sys::WakeUp batch_begun_;
  sys::Poller poller_;  // the watcher's

  std::mutex gate_mutex_;  // guards the six below
  bool evaluating_ = false;
  bool interrupted_ = false;
  uint64_t job_ = 0, position_ = 0;
  // The last interrupt: of this job, from this position on.
  uint64_t interrupted_job_ = 0, interrupted_from_ = 0;
  pthread_t main_thread_;
  std::thread watcher_;  // never joined: it ends with the process
};

}  // namespace avenir::engine
