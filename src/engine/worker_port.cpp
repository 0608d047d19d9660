#include "engine/worker_port.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "shm/region.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace avenir::engine {

namespace {

// Each batch wakes the session: often enough to see progress, seldom enough not to take its cores from the workers.
constexpr auto kBatchTime = std::chrono::milliseconds(5);
constexpr double kLateSeconds = std::chrono::duration<double>(kBatchTime).count();

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
  if (received_.empty() && reader_.receive(fds_.data.get(), true, received_) == sys::IoStatus::kClosed) return false;
  frame = std::move(received_.front());
  received_.erase(received_.begin());
  return true;
}

bool WorkerPort::enter(uint64_t job, uint64_t position) {
  std::lock_guard<std::mutex> lock(gate_mutex_);
  if (job == interrupted_job_ && position >= interrupted_from_) return false;
  job_ = job;
  position_ = position;
  evaluating_ = true;
  slot_->position.store(position, std::memory_order_relaxed);
  slot_->job.store(job, std::memory_order_release);
  return true;
}

bool WorkerPort::leave() {
  bool interrupted;
  {
    std::lock_guard<std::mutex> lock(gate_mutex_);
    evaluating_ = false;
    interrupted = std::exchange(interrupted_, false);
  }
  if (interrupted) sys::drain_signal(SIGINT);
  return interrupted;
}

void WorkerPort::answer(uint64_t job, uint64_t element, wire::AnswerKind kind, const uint8_t* data, size_t size) {
  const wire::AnswerHead head{element, kind, 0, size};
  std::lock_guard<std::mutex> lock(send_mutex_);
  if (size >= shm::kLargePayload) {
    flush_answers();
    auto file = std::make_shared<sys::OwnFd>(shm::publish(data, size, "avenir-answer"));
    return send(wire::FrameType::kBigAnswer, job, base::SharedBytes::copy(&head, sizeof head), {std::move(file)});
  }
  const uint64_t have = slot_->batch_size.load(std::memory_order_relaxed);
  if (slot_->batch_job != job || sizeof head + size > shm::kBatchCapacity - have) flush_answers();
  if (sizeof head + size > shm::kBatchCapacity) return send_answer(job, head, data);
  const bool first = add_to_batch(job, head, data);
  if (base::Deadline::Clock::now() - last_flush_ >= kBatchTime)
    flush_answers();
  else if (first)
    batch_begun_.wake();
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

// send_mutex_ held, or before the watcher runs.
void WorkerPort::send(wire::FrameType type, uint64_t id, base::SharedBytes body, std::vector<wire::SharedFd> fds) {
  writer_.push(type, id, std::move(body), std::move(fds));
  if (writer_.flush(fds_.data.get(), true) == sys::IoStatus::kClosed) leave_process(0);
}

void WorkerPort::leave_process(int code) {
  std::error_code ignored;
  if (!temp_folder_.empty()) std::filesystem::remove_all(temp_folder_, ignored);
  // Whole groups: what the worker's code has started ends with it. After an error the template does that.
  if (code == 0 && ::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  sys::exit_at_once(code);
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
    if (gone) leave_process(0);
    take_interrupts(frames);
  }
}

void WorkerPort::take_interrupts(std::vector<wire::Frame>& frames) {
  for (const wire::Frame& frame : frames) {
    if (frame.header.type != wire::FrameType::kInterrupt) continue;
    const auto from = base::ByteReader(frame.body).get<uint64_t>();
    std::lock_guard<std::mutex> lock(gate_mutex_);
    const bool again = interrupted_job_ == frame.header.id;
    interrupted_from_ = again ? std::min(interrupted_from_, from) : from;
    interrupted_job_ = frame.header.id;
    if (!evaluating_ || job_ != frame.header.id || position_ < from) continue;
    interrupted_ = true;
    ::pthread_kill(main_thread_, SIGINT);
  }
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
  fds_ = WorkerFds();
  received_.clear();
  reader_ = wire::FrameReader();
  batch_begun_.close();
  poller_.close();
  after_fork_in_parent();
}

}  // namespace avenir::engine
