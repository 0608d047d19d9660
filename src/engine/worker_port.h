#pragma once

#include <pthread.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "engine/template_server.h"
#include "shm/segment.h"
#include "shm/task_table.h"
#include "sys/fork_guard.h"
#include "sys/poller.h"
#include "wire/frame.h"
#include "wire/message.h"

namespace avenir::engine {

// What has ended an evaluation from outside.
enum class Interruption { kNone = 0, kInterrupt = 1, kTimeLimit = 2 };

// Whether an answer is the last of its job that comes from here.
enum class Follows { kMore, kNothing };

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
  // How many threads libraries are to use; another number when the plan's workers have become more or fewer.
  int threads() const { return static_cast<int>(slot_->threads.load()); }
  void start_watcher();
  void say_hello();

  // The next job; waits for it. False when the session is gone. Segments go to this process's store before, and it is
  // also told which of them to drop (kDropSegments): what that leaves is for the caller to tidy.
  bool receive(wire::Frame& frame);

  // Nothing comes for so long: there is time to tidy up.
  bool is_quiet(double seconds);

  // Around each evaluation. enter() is false when this position was interrupted before it began; `timed`: its job has a
  // time limit. leave() says whether an interrupt was sent meanwhile; the signal has arrived or been taken back by
  // then.
  bool enter(uint64_t job, uint64_t position, bool timed = false);
  Interruption leave();

  // Answers are collected and sent when there are many, when some time has passed since the last were, or by
  // the watcher when the next evaluation takes long: a finished result is not left to the mercy of a later
  // one. One that nothing follows is sent at once.
  void answer(uint64_t job, uint64_t element, wire::AnswerKind kind, const uint8_t* data, size_t size,
              Follows follows = Follows::kMore, const shm::Segments& segments = {});
  void send_immediate(uint64_t job, const uint8_t* data, size_t size);
  // Sends what is collected.
  void flush();
  // Says that this worker is done with the job and free.
  void say_idle(uint64_t job);
  // Has this worker grown past the memory that the plan grants it?
  bool has_memory_limit() const { return slot_->memory_limit > 0; }
  bool over_memory_limit() const;
  // Sends what is collected, says that the rest of the job is for others, and ends this process.
  [[noreturn]] void leave_for_memory(uint64_t job);
  // For the session: the code has called quit(). Nothing in a process that the code forked.
  void note_quit();

  // For the main thread when there is nothing to receive any more: the watcher ends this process, in its own way.
  [[noreturn]] void await_end();
  // Ends this process, its children too.
  [[noreturn]] void leave_process(int code);

 private:
  void watch();
  [[noreturn]] void follow_session();
  void take_interrupts(std::vector<wire::Frame>& frames);
  void interrupt_from(uint64_t job, uint64_t from);
  void end_at_limit(uint64_t job, base::ByteReader body);
  void interrupt_main(Interruption reason);
  bool next_frame(wire::Frame& frame);
  void report_ended_segments();
  void answer_with_segments(uint64_t job, const wire::AnswerHead& head, const uint8_t* data,
                            const shm::Segments& segments);
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

  std::mutex gate_mutex_;  // guards the seven below
  bool evaluating_ = false;
  Interruption interrupted_ = Interruption::kNone;
  uint64_t job_ = 0, position_ = 0;
  base::Deadline::Clock::time_point began_;  // of evaluations with a time limit
  // The last interrupt: of this job, from this position on.
  uint64_t interrupted_job_ = 0, interrupted_from_ = 0;
  pthread_t main_thread_;
  std::thread watcher_;  // never joined: it ends with the process
  bool in_child_ = false;
};

}  // namespace avenir::engine
