#include "engine/worker_port.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "shm/region.h"
#include "shm/segment_store.h"
#include "sys/memory_use.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace avenir::engine {

namespace {

// Each batch wakes the session: often enough to see progress, seldom enough not to take its cores from the workers.
constexpr auto kBatchTime = std::chrono::milliseconds(5);
constexpr double kLateSeconds = std::chrono::duration<double>(kBatchTime).count();

uint64_t nanoseconds(base::Deadline::Clock::duration time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
}

}  // namespace

WorkerPort::WorkerPort(WorkerFds fds, std::string temp_folder)
    : fds_(std::move(fds)),
      slot_(shm::SharedSlot::attach(std::move(fds_.slot))),
      temp_folder_(std::move(temp_folder)),
      main_thread_(::pthread_self()) {}

void WorkerPort::start_watcher() {
  const sys::SignalsBlocked blocked;
  watcher_ = std::thread([this] { watch(); });
}

void WorkerPort::say_hello() {
  wire::HelloMessage hello;
  hello.pid = ::getpid();
  hello.temp_folder = temp_folder_;
  send(wire::FrameType::kHello, 0, wire::to_shared(hello.encode()));
}

bool WorkerPort::receive(wire::Frame& frame) {
  report_ended_segments();
  while (next_frame(frame)) {
    if (frame.header.type != wire::FrameType::kSegment) return true;
    const auto ref = base::ByteReader(frame.body).get<shm::SegmentRef>();
    if (frame.fds.empty()) throw base::Error(base::ErrorKind::kDisconnected, "a segment without its file");
    shm::SegmentStore::process().hold(shm::Segment::adopt_sent(ref, std::move(frame.fds.front())));
  }
  return false;
}

void WorkerPort::report_ended_segments() {
  const auto ended = shm::Segment::take_ended();
  if (ended.empty()) return;
  base::ByteWriter ids;
  for (const shm::SegmentId id : ended) ids.put(id);
  std::lock_guard<std::mutex> lock(send_mutex_);
  send(wire::FrameType::kSegmentsEnded, 0, wire::to_shared(ids.bytes()));
}

bool WorkerPort::is_quiet(double seconds) {
  return received_.empty() && !sys::wait_readable(fds_.data.get(), base::Deadline::in_seconds(seconds));
}

bool WorkerPort::next_frame(wire::Frame& frame) {
  if (received_.empty() && reader_.receive(fds_.data.get(), true, received_) == sys::IoStatus::kClosed) return false;
  frame = std::move(received_.front());
  received_.erase(received_.begin());
  if (frame.header.type == wire::FrameType::kDropSegments)
    for (base::ByteReader ids(frame.body); ids.left() > 0;)
      shm::SegmentStore::process().drop(ids.get<shm::SegmentId>());
  return true;
}

bool WorkerPort::enter(uint64_t job, uint64_t position, bool timed) {
  std::lock_guard<std::mutex> lock(gate_mutex_);
  if (job == interrupted_job_ && position >= interrupted_from_) return false;
  if (timed) began_ = base::Deadline::Clock::now();
  if (timed) slot_->began.store(nanoseconds(began_.time_since_epoch()), std::memory_order_relaxed);
  job_ = job;
  position_ = position;
  evaluating_ = true;
  slot_->position.store(position, std::memory_order_relaxed);
  slot_->job.store(job, std::memory_order_release);
  return true;
}

Interruption WorkerPort::leave() {
  Interruption interrupted;
  {
    std::lock_guard<std::mutex> lock(gate_mutex_);
    evaluating_ = false;
    interrupted = std::exchange(interrupted_, Interruption::kNone);
  }
  if (interrupted != Interruption::kNone) sys::drain_signal(SIGINT);
  return interrupted;
}

void WorkerPort::answer(uint64_t job, uint64_t element, wire::AnswerKind kind, const uint8_t* data, size_t size,
                        Follows follows, const shm::Segments& segments) {
  const wire::AnswerHead head{element, kind, 0, size};
  std::lock_guard<std::mutex> lock(send_mutex_);
  if (!segments.empty()) return answer_with_segments(job, head, data, segments);
  if (size >= shm::kLargePayload) {
    flush_answers();
    auto file = std::make_shared<sys::OwnFd>(shm::publish(data, size, "avenir-answer"));
    return send(wire::FrameType::kBigAnswer, job, base::SharedBytes::copy(&head, sizeof head), {std::move(file)});
  }
  const uint64_t have = slot_->batch_size.load(std::memory_order_relaxed);
  if (slot_->batch_job != job || sizeof head + size > shm::kBatchCapacity - have) flush_answers();
  if (sizeof head + size > shm::kBatchCapacity) return send_answer(job, head, data);
  const bool first = add_to_batch(job, head, data);
  if (follows == Follows::kNothing || base::Deadline::Clock::now() - last_flush_ >= kBatchTime)
    flush_answers();
  else if (first)
    batch_begun_.wake();
}

// Segments belong to the first answer behind them.
void WorkerPort::answer_with_segments(uint64_t job, const wire::AnswerHead& head, const uint8_t* data,
                                      const shm::Segments& segments) {
  flush_answers();
  for (const shm::SharedSegment& segment : segments) {
    const shm::SegmentRef ref = segment->ref();
    const std::shared_ptr<const sys::OwnFd> fd(segment, &segment->fd());
    send(wire::FrameType::kSegment, 0, base::SharedBytes::copy(&ref, sizeof ref),
         {std::const_pointer_cast<sys::OwnFd>(fd)});
  }
  send_answer(job, head, data);
}

// One that no batch holds.
void WorkerPort::send_answer(uint64_t job, const wire::AnswerHead& head, const uint8_t* data) {
  base::ByteWriter body;
  body.put(head);
  body.put_bytes(data, head.length);
  send(wire::FrameType::kAnswer, job, wire::to_shared(body.bytes()));
}

// True when it is the first. The size is stored last: what it covers is whole, whenever this process ends.
bool WorkerPort::add_to_batch(uint64_t job, const wire::AnswerHead& head, const uint8_t* data) {
  const uint64_t have = slot_->batch_size.load(std::memory_order_relaxed);
  slot_->batch_job.store(job, std::memory_order_relaxed);
  std::memcpy(slot_->batch + have, &head, sizeof head);
  std::memcpy(slot_->batch + have + sizeof head, data, head.length);
  slot_->batch_size.store(have + sizeof head + head.length, std::memory_order_release);
  return have == 0;
}

// send_mutex_ held. Emptied after it is sent: should this process end in between, the session drops what it has twice.
void WorkerPort::flush_answers() {
  last_flush_ = base::Deadline::Clock::now();
  const uint64_t size = slot_->batch_size.load(std::memory_order_relaxed);
  if (size == 0) return;
  send(wire::FrameType::kAnswer, slot_->batch_job, base::SharedBytes::copy(slot_->batch, size));
  slot_->batch_size.store(0, std::memory_order_release);
}

// Watcher thread.
void WorkerPort::flush_late_answers() {
  std::lock_guard<std::mutex> lock(send_mutex_);
  if (base::Deadline::Clock::now() - last_flush_ >= kBatchTime) flush_answers();
}

void WorkerPort::send_immediate(uint64_t job, const uint8_t* data, size_t size) {
  std::lock_guard<std::mutex> lock(send_mutex_);
  flush_answers();
  send(wire::FrameType::kImmediate, job, base::SharedBytes::copy(data, size));
}

void WorkerPort::flush() {
  std::lock_guard<std::mutex> lock(send_mutex_);
  flush_answers();
}

void WorkerPort::say_idle(uint64_t job) {
  std::lock_guard<std::mutex> lock(send_mutex_);
  flush_answers();
  slot_->job.store(0, std::memory_order_release);
  send(wire::FrameType::kIdle, job, {});
}

bool WorkerPort::over_memory_limit() const { return has_memory_limit() && sys::private_memory() > slot_->memory_limit; }

void WorkerPort::leave_for_memory(uint64_t job) {
  {
    std::lock_guard<std::mutex> lock(send_mutex_);
    flush_answers();
    slot_->job.store(0, std::memory_order_release);
    send(wire::FrameType::kLeaving, job, {});
  }
  leave_process(0);
}

void WorkerPort::note_quit() {
  if (!in_child_) slot_->quit = 1;
}

// send_mutex_ held, or before the watcher runs.
void WorkerPort::send(wire::FrameType type, uint64_t id, base::SharedBytes body, std::vector<wire::SharedFd> fds) {
  writer_.push(type, id, std::move(body), std::move(fds));
  if (writer_.flush(fds_.data.get(), true) == sys::IoStatus::kClosed) leave_process(0);
}

void WorkerPort::await_end() {
  if (watcher_.joinable()) std::this_thread::sleep_for(std::chrono::seconds(1));
  leave_process(0);
}

void WorkerPort::leave_process(int code) {
  std::error_code ignored;
  if (!temp_folder_.empty()) std::filesystem::remove_all(temp_folder_, ignored);
  // Whole groups: what the worker's code has started ends with it. After an error the template does that.
  if (code == 0 && ::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  sys::exit_at_once(code);
}

// The session is gone, or is about to be, and perhaps the template too: the last worker removes the plan's folder.
void WorkerPort::follow_session() {
  std::error_code ignored;
  const std::filesystem::path own = temp_folder_;
  if (!temp_folder_.empty()) std::filesystem::remove_all(own, ignored);
  if (!temp_folder_.empty()) std::filesystem::remove(own.parent_path(), ignored);  // not while it has others' in it
  leave_process(0);
}

void WorkerPort::watch() {
  constexpr uint64_t kControl = 1, kSession = 2, kBatch = 3;
  poller_.add(fds_.control.get(), kControl);
  poller_.add(batch_begun_.fd(), kBatch);
  if (fds_.session.valid()) poller_.add(fds_.session.get(), kSession);
  wire::FrameReader reader;
  auto deadline = base::Deadline::never();
  for (;;) {
    const auto events = poller_.wait(deadline);
    if (deadline.passed()) flush_late_answers();
    deadline = base::Deadline::never();
    std::vector<wire::Frame> frames;
    bool gone = false;
    for (const auto& event : events) {
      if (event.token == kSession) gone = true;
      if (event.token == kControl)
        gone = reader.receive(fds_.control.get(), false, frames) == sys::IoStatus::kClosed || gone;
      if (event.token == kBatch) deadline = base::Deadline::in_seconds(kLateSeconds);
      if (event.token == kBatch) batch_begun_.drain();
    }
    for (const wire::Frame& frame : frames)
      if (frame.header.type == wire::FrameType::kGoodbye) leave_process(0);
    if (gone) follow_session();
    take_interrupts(frames);
  }
}

void WorkerPort::take_interrupts(std::vector<wire::Frame>& frames) {
  for (const wire::Frame& frame : frames) {
    base::ByteReader body(frame.body);
    std::lock_guard<std::mutex> lock(gate_mutex_);
    if (frame.header.type == wire::FrameType::kInterrupt) interrupt_from(frame.header.id, body.get<uint64_t>());
    if (frame.header.type == wire::FrameType::kTimeLimit) end_at_limit(frame.header.id, body);
  }
}

// gate_mutex_ held, as in the next two.
void WorkerPort::interrupt_from(uint64_t job, uint64_t from) {
  interrupted_from_ = interrupted_job_ == job ? std::min(interrupted_from_, from) : from;
  interrupted_job_ = job;
  if (evaluating_ && job_ == job && position_ >= from) interrupt_main(Interruption::kInterrupt);
}

// The session has looked at the slot, which may have changed meanwhile; here the clock is read for what runs now.
void WorkerPort::end_at_limit(uint64_t job, base::ByteReader body) {
  const auto position = body.get<uint64_t>();
  const std::chrono::nanoseconds limit(body.get<uint64_t>());
  if (!evaluating_ || job_ != job || position_ != position) return;
  if (base::Deadline::Clock::now() - began_ >= limit) interrupt_main(Interruption::kTimeLimit);
}

void WorkerPort::interrupt_main(Interruption reason) {
  interrupted_ = reason;
  ::pthread_kill(main_thread_, SIGINT);
}

void WorkerPort::before_fork() {
  send_mutex_.lock();
  gate_mutex_.lock();
}

void WorkerPort::after_fork_in_parent() {
  gate_mutex_.unlock();
  send_mutex_.unlock();
}

void WorkerPort::after_fork_in_child() {
  in_child_ = true;
  fds_ = WorkerFds();
  received_.clear();
  reader_ = wire::FrameReader();
  batch_begun_.close();
  poller_.close();
  after_fork_in_parent();
}

}  // namespace avenir::engine
