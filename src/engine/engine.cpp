#include "engine/engine.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "engine/launch.h"
#include "engine/template_link.h"
#include "engine/token.h"
#include "shm/region.h"
#include "sys/memory_use.h"
#include "sys/signals.h"
#include "sys/thread.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using base::SharedBytes;
using State = WorkerLink::State;

const char* name_of(State state) {
  switch (state) {
    case State::kStarting:
      return "starting";
    case State::kParked:
      return "waiting";
    case State::kIdle:
      return "idle";
    case State::kBusy:
      return "busy";
    default:
      return "ending";
  }
}

}  // namespace

Engine::Engine(EngineOptions options)
    : options_(std::move(options)),
      wanted_(options_.workers),
      threads_(options_.threads),
      memory_kills_(sys::out_of_memory_kills()) {
  poller_.add(wake_.fd(), token(kWake));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!options_.forks && (wanted_ > 0 || options_.hands_over)) start_template();
    add_missing_workers();
  }
  thread_ = std::make_unique<std::thread>(sys::start_thread("the workers' messages", [this] { run(); }));
}

Engine::~Engine() {
  port_.reset();
  if (dead_) {
    (void)thread_.release();  // it exists in the parent only: not even to be detached here
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.wake();
  thread_->join();
  companion_.reset();
  say_goodbye_to_nodes();
  for (auto& [id, worker] : workers_) worker->dismiss();
  if (template_) template_->socket.reset();
  const Deadline deadline = Deadline::in_seconds(0.5);
  for (auto& [id, worker] : workers_) {
    if (worker->pidfd.valid() && !sys::wait_readable(worker->pidfd.get(), deadline))
      sys::send_signal(worker->pidfd, worker->pid, SIGKILL);
    if (worker->own_child && worker->pid > 0) sys::reap_or_kill(worker->pid, deadline);
  }
  if (template_ && template_->pid > 0) sys::reap_or_kill(template_->pid, Deadline::in_seconds(1));
  end_launches();
  std::error_code ignored;
  if (!options_.temp_folder.empty()) std::filesystem::remove_all(options_.temp_folder, ignored);
}

void Engine::after_fork_in_child() {
  dead_ = true;
  for (auto& [id, worker] : workers_) {
    worker->data.reset();
    worker->control.reset();
    worker->pidfd.reset();
    worker->log.reset();
    worker->slot.take_fd();
    worker->reader = wire::FrameReader();
    worker->writer = wire::FrameWriter();
    worker->arrived.clear();
    worker->leases.clear();
  }
  if (template_) {
    template_->socket.reset();
    template_->log.reset();
    template_->reader = wire::FrameReader();
    template_->writer = wire::FrameWriter();  // it may hold the far ends of workers' sockets
  }
  for (auto& [id, node] : nodes_) node->channel.abandon();
  if (companion_) companion_->abandon();
  for (auto& [id, job] : jobs_) {
    job.context.file.reset();
    job.payload_file.reset();
    job.data_file.reset();
    job.table_file.reset();
    if (job.table) job.table->take_fd();
    job.segments.clear();
  }
  poller_.close();
  wake_.close();
  ready_.close();
  mutex_.unlock();
}

// ---- the R thread

uint64_t Engine::add_job(Job job) {
  if (!broken_.empty())
    throw base::Error(base::ErrorKind::kInternal, "the engine has broken down (" + broken_ + "); call plan() again");
  const uint64_t id = job.id = next_job_++;
  if (options_.hands_over) job.news = &news_;
  jobs_.emplace(id, std::move(job));
  return id;
}

void Engine::check_alive() const {
  if (dead_)
    throw base::Error(base::ErrorKind::kUnsupported,
                      "this process was forked from the session that set the plan; its workers belong to that session");
}

Job* Engine::find(uint64_t id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

Job& Engine::checked(uint64_t id) {
  Job* const job = find(id);
  if (job == nullptr)
    throw base::Error(base::ErrorKind::kInvalid, "job " + std::to_string(id) + " is not known (already collected?)");
  return *job;
}

uint64_t Engine::submit_task(SharedBytes payload, JobPolicy policy, shm::Segments segments) {
  if (payload.size() >= shm::kLargePayload)
    return submit_task(shm::publish(payload.data(), payload.size(), "avenir-task"), payload.size(), policy,
                       std::move(segments));
  Job job;
  job.payload = std::move(payload);
  return submit(std::move(job), 1, policy, std::move(segments));
}

uint64_t Engine::submit_task(sys::OwnFd payload, uint64_t size, JobPolicy policy, shm::Segments segments) {
  Job job;
  job.payload_file = std::make_shared<sys::OwnFd>(std::move(payload));
  job.payload = SharedBytes::copy(&size, sizeof size);
  return submit(std::move(job), 1, policy, std::move(segments));
}

uint64_t Engine::submit_map(shm::TaskTable table, sys::OwnFd data, std::vector<uint64_t> element_of, JobPolicy policy,
                            shm::Segments segments, MapContext context) {
  Job job;
  job.table_file = std::make_shared<sys::OwnFd>(table.take_fd());
  job.data_file = std::make_shared<sys::OwnFd>(std::move(data));
  job.element_of = std::move(element_of);
  job.context = std::move(context);
  const uint64_t elements = table.positions();
  job.table.emplace(std::move(table));
  return submit(std::move(job), elements, policy, std::move(segments));
}

uint64_t Engine::submit(Job job, uint64_t elements, JobPolicy policy, shm::Segments segments) {
  check_alive();
  job.policy = policy;
  job.segments = std::move(segments);
  job.answers = Answers(elements);
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t id = add_job(std::move(job));
  enqueue(checked(id), false);
  dispatch();
  fail_when_nobody_can_come();
  return id;
}

std::optional<wire::Answer> Engine::take(uint64_t id, uint64_t element) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  Job& job = checked(id);
  const auto state = job.state(element);
  if (state == Answers::State::kOpen) {
    awaited_job_ = id;
    awaited_element_ = element;
    return std::nullopt;
  }
  if (state == Answers::State::kTaken) throw base::Error(base::ErrorKind::kInternal, "an answer was asked for twice");
  awaited_job_ = 0;
  return job.answers.take(element);
}

Engine::DirectLine Engine::open_line(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  unsigned busy = 0;
  DirectLine line;
  for (auto& [number, worker] : workers_) {
    if (worker->state != State::kBusy) continue;
    ++busy;
    if (worker->job == id && !worker->in_map && !worker->wants_write && worker->data.valid())
      line = {number, worker->data.get(), false};
  }
  line.spin = busy < cores_;
  if (line.fd < 0 && !nodes_.empty()) open_line_to_node(id, line);
  if (line.fd >= 0) poller_.leave_reading(line.fd, token_of(line), true);
  return line;
}

uint64_t Engine::token_of(const DirectLine& line) { return token(line.to_node ? kNode : kData, line.worker); }

void Engine::receive(const DirectLine& line) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = workers_.find(line.worker);
  if (found != workers_.end() && found->second->data.valid())
    receive_from_worker(*found->second);  // it may be gone then
  const auto node = nodes_.find(line.worker);
  if (node != nodes_.end()) receive_from_node(*node->second);
  bury_nodes();
  dispatch();
  const auto worker = workers_.find(line.worker);
  const bool ends = worker == workers_.end() || worker->second->state == State::kDying;
  if (!line.to_node && ends) wake_.wake();  // new deadlines
}

void Engine::close_line(const DirectLine& line) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = workers_.find(line.worker);
  const bool open =
      line.to_node ? nodes_.count(line.worker) > 0 : found != workers_.end() && found->second->data.valid();
  if (open) poller_.leave_reading(line.fd, token_of(line), false);
}

std::optional<wire::Answer> Engine::take_finished(uint64_t id, uint64_t element) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  Job& job = checked(id);
  if (job.state(element) != Answers::State::kFilled) return std::nullopt;
  return job.answers.take(element);
}

std::vector<wire::Answer> Engine::take_values(uint64_t id, const int* order, uint64_t position, uint64_t end) {
  check_alive();
  std::vector<wire::Answer> taken;
  std::lock_guard<std::mutex> lock(mutex_);
  Job& job = checked(id);
  for (; position < end; ++position) {
    const uint64_t element = order == nullptr ? position : static_cast<uint64_t>(order[position]) - 1;
    if (job.state(element) != Answers::State::kFilled || job.answers.kind(element) != wire::AnswerKind::kValue) break;
    taken.push_back(job.answers.take(element));
  }
  return taken;
}

void Engine::give_back(uint64_t id, wire::Answer answer) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Job* const job = find(id))
    job->answers.fill(answer.element, answer.kind, std::move(answer.bytes), std::move(answer.segments));
}

std::optional<SharedBytes> Engine::take_immediate(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  Job& job = checked(id);
  if (job.immediate.empty()) return std::nullopt;
  SharedBytes bytes = std::move(job.immediate.front());
  job.immediate.pop_front();
  return bytes;
}

bool Engine::answered(uint64_t id, uint64_t element) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  if (checked(id).state(element) != Answers::State::kOpen) return true;
  awaited_job_ = id;
  awaited_element_ = element;
  return false;
}

void Engine::cancel(uint64_t id, uint64_t from, bool interrupt) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  Job* const job = find(id);
  if (job == nullptr || job->answered == job->answers.size()) return;
  if (job->is_map()) {
    job->table->stop_from(from);
    auto& leftover = job->leftover;
    leftover.erase(
        std::remove_if(leftover.begin(), leftover.end(), [&](uint64_t position) { return position >= from; }),
        leftover.end());
  } else {
    job->cancelled = true;
    if (std::exchange(job->queued, false)) queue_.erase(std::remove(queue_.begin(), queue_.end(), id), queue_.end());
    if (options_.forks) cancel_parked(*job);
  }
  bool runs = false;
  for (auto& [number, worker] : workers_) {
    if (worker->state != State::kBusy || worker->job != id) continue;
    runs = true;
    if (interrupt) interrupt_worker(*worker, job->is_map() ? from : 0);
  }
  if (has_nodes(*job)) {
    runs = true;
    tell_nodes_to_cancel(*job, job->is_map() ? from : 0, interrupt);
  }
  if (!runs && !job->is_map()) job->fill(0, wire::AnswerKind::kCancelled, {});
  wake_.wake();  // the kill after the grace is the I/O thread's
}

void Engine::forget(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  const Job* const job = find(id);
  if (job == nullptr) return;
  tell_nodes_to_forget(*job);
  if (job->queued) queue_.erase(std::remove(queue_.begin(), queue_.end(), id), queue_.end());
  note_collected(id);
  jobs_.erase(id);
}

void Engine::resize(unsigned workers, unsigned threads) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  wanted_ = workers;
  threads_ = threads;
  for (auto& [id, worker] : workers_) worker->slot->threads = threads;
  start_failures_ = 0;
  add_missing_workers();
  for (auto& [id, worker] : workers_)
    if (worker->state == State::kIdle) give_up_place(*worker);
  dispatch();
  wake_.wake();  // there are other deadlines
}

std::string Engine::take_shortage() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(shortage_, std::string());
}

unsigned Engine::free_workers() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  const auto busy =
      std::count_if(workers_.begin(), workers_.end(), [](const auto& entry) { return entry.second->is_busy(); });
  const auto waiting = static_cast<unsigned>(busy) + busy_on_nodes() + static_cast<unsigned>(queue_.size());
  return waiting < total_places() ? total_places() - waiting : 0;
}

std::vector<WorkerInfo> Engine::worker_infos() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<WorkerInfo> infos;
  for (const auto& [id, worker] : workers_)
    infos.push_back({id, worker->pid, name_of(worker->state), worker->answers, "", 0, worker->state, 0});
  for (const auto& [number, node] : nodes_)
    for (const auto& worker : node->status.workers)
      infos.push_back({worker.id, worker.pid, name_of(static_cast<State>(worker.state)), worker.answers, node->host,
                       number, static_cast<State>(worker.state), worker.memory});
  return infos;
}

// ---- the queue (mutex held; either thread)

void Engine::enqueue(Job& job, bool in_front) {
  if (job.queued || options_.forks) return;  // forks know their job; nobody else can do it
  job.queued = true;
  if (in_front)
    queue_.push_front(job.id);
  else
    queue_.push_back(job.id);
}

void Engine::dispatch() {
  if (stopping_) return;
  if (options_.forks) return start_parked();
  drop_gone_segments();
  if (wanted_ > 0 && workers_.empty() && !queue_.empty()) {
    start_failures_ = 0;  // the last attempt failed for good; a new job is a new attempt
    add_missing_workers();
  }
  for (const bool again : {false, true}) {
    if (again && others_come()) break;
    for (auto& [id, worker] : workers_) {
      if (queue_.empty()) return;
      if (worker->state == State::kIdle && has_had_its_turn(*worker) == again && !feed(*worker)) return;
    }
  }
  if (options_.nodes) feed_nodes();
}

// Futures that nobody has collected yet are different workers', as long as there are any: as in future, where a worker
// is busy until its answer is collected, and all are there when plan() returns.
bool Engine::has_had_its_turn(const WorkerLink& worker) {
  return jobs_.count(worker.last_task) > 0 || queue_.front() < worker.collected_before;
}

void Engine::note_collected(uint64_t task) {
  if (others_due_.is_never()) return;
  for (auto& [id, worker] : workers_)
    if (worker->last_task == task) worker->collected_before = next_job_;
}

// A future is next, and workers that have done nothing yet are ready, or about to be.
bool Engine::others_come() {
  if (others_due_.is_never() || queue_.empty() || checked(queue_.front()).is_map()) return false;
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) {
    const WorkerLink& worker = *entry.second;
    return worker.state == State::kStarting || (worker.state == State::kIdle && worker.answers == 0);
  });
}

// Gives the worker the next piece of work; false when there is none.
bool Engine::feed(WorkerLink& worker) {
  while (!queue_.empty()) {
    Job& job = checked(queue_.front());
    const bool map = job.is_map();
    const bool useful = !map || job.has_work();
    if (!map || !useful) {
      queue_.pop_front();
      job.queued = false;
    }
    if (!useful) continue;
    if (map)
      give_map(worker, job);
    else
      give_task(worker, job);
    return true;
  }
  return false;
}

void Engine::give_task(WorkerLink& worker, Job& job) {
  worker.last_task = job.id;
  worker.state = State::kBusy;
  worker.job = job.id;
  watch_time(worker, job);
  send_segments(worker, job);
  std::vector<wire::SharedFd> fds;
  if (job.payload_file) fds.push_back(job.payload_file);
  worker.writer.push(wire::FrameType::kTask, job.id, job.payload, std::move(fds));
  flush_worker(worker);
}

void Engine::give_map(WorkerLink& worker, Job& job) {
  worker.state = State::kBusy;
  worker.job = job.id;
  worker.in_map = true;
  watch_time(worker, job);
  ++job.joined;
  // An equal share of what dead workers left behind.
  const size_t share_size = (job.leftover.size() + total_places() - 1) / total_places();
  base::ByteWriter body;
  body.put<uint64_t>(share_size);
  for (size_t i = 0; i < share_size; ++i) {
    job.table->mark(job.leftover.front(), shm::kStateClaimed, worker.id);
    body.put<uint64_t>(job.leftover.front());
    job.leftover.pop_front();
  }
  send_segments(worker, job);
  std::vector<wire::SharedFd> files;
  if (job.table_file) files = {job.table_file, job.data_file};  // a fork has them already
  if (job.context.file) files.push_back(job.context.file);
  if (job.context.file) worker.context = job.context.map;
  worker.writer.push(wire::FrameType::kMap, job.id, wire::to_shared(body.bytes()), std::move(files));
  flush_worker(worker);
}

// A worker has left the map. When the last one leaves, elements without an answer are found that no live
// worker has: those started died with their worker, the others go back to the queue.
void Engine::leave_map(Job& job) {
  --job.joined;
  if (job.joined > 0 || job.has_work() || job.answered == job.answers.size()) return;
  for (uint64_t position = 0; position < job.answers.size(); ++position) {
    if (!job.open(job.element_at(position)) || job.table->stopped(position)) continue;
    const uint32_t state = job.table->state(position);
    const bool at_node = nodes_.count(state & ~shm::kStateKind) > 0;
    if (!at_node && (state & shm::kStateKind) != shm::kStateStarted) job.leftover.push_back(position);
  }
  if (!job.leftover.empty()) enqueue(job, true);
}

// Every job that waits, and every map that nobody works on, gets the reason as its answer.
void Engine::fail_queue(const std::string& reason) {
  const SharedBytes bytes = SharedBytes::copy(reason.data(), reason.size());
  for (const uint64_t id : queue_) {
    Job& job = checked(id);
    job.queued = false;
    job.fill_all(wire::AnswerKind::kNotStarted, bytes);
  }
  queue_.clear();
}

// Wakes the R thread when what it waits for is there.
void Engine::notify() {
  if (std::exchange(fork_awaited_, false)) ready_.wake();
  if (awaited_job_ == 0) return;
  const Job* const job = find(awaited_job_);
  if (job == nullptr) return;
  if (job->open(awaited_element_) && job->immediate.empty() && !lacks_workers(*job)) return;
  awaited_job_ = 0;
  ready_.wake();
}

// ---- the I/O thread

void Engine::run() {
  Deadline deadline = Deadline::now();
  for (;;) {
    const std::vector<sys::Poller::Event> events = poller_.wait(deadline);
    const Turn turn = run_turn(events);
    if (turn.last) return;
    deadline = turn.next;
    if (turn.companion != nullptr) deadline = std::min(deadline, run_companion(*turn.companion, events));
  }
}

Engine::Turn Engine::run_turn(const std::vector<sys::Poller::Event>& events) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return {Deadline::now(), nullptr, true};
  try {
    for (const auto& event : events) handle_event(event);
    handle_deadlines();
    bury_nodes();
    dispatch();
    fail_when_nobody_can_come();
  } catch (const std::exception& error) {  // nothing is known to lead here; the session must not end with us
    break_down(error.what());
  }
  notify();
  return {next_deadline(), companion_.get(), !broken_.empty()};
}

Deadline Engine::run_companion(Companion& companion, const std::vector<sys::Poller::Event>& events) {
  const bool readable = std::any_of(events.begin(), events.end(), [](const auto& event) {
    return event.token == token(kCompanion) && event.readable;
  });
  if (companion_over_) return Deadline::never();
  const Deadline deadline = companion.turn(readable);
  if (companion.is_over()) {
    companion_over_ = true;
    poller_.remove(companion.fd());
    return Deadline::never();
  }
  const bool writes = companion.wants_write();
  if (writes != companion_writes_) poller_.want_write(companion.fd(), token(kCompanion), writes);
  companion_writes_ = writes;
  return deadline;
}

// What waits gets the reason as its answer, what is submitted later as an error.
void Engine::break_down(const std::string& reason) {
  broken_ = reason;
  const SharedBytes bytes = SharedBytes::copy(reason.data(), reason.size());
  for (auto& [id, job] : jobs_) job.fill_all(wire::AnswerKind::kNotStarted, bytes);
}

void Engine::handle_event(const sys::Poller::Event& event) {
  const auto kind = static_cast<Token>(event.token >> 32);
  if (kind == kWake) return wake_.drain();
  if (kind == kCompanion) return;
  if (kind == kLaunch) return launch_ended(static_cast<uint32_t>(event.token));
  if (kind == kNode) return handle_node_event(event);
  if (kind == kTemplate) {
    if (template_ && event.writable) flush_template();
    if (template_ && event.readable) receive_from_template();
    return;
  }
  const auto found = workers_.find(static_cast<uint32_t>(event.token));
  if (found == workers_.end()) return;  // buried by an earlier event of this turn
  WorkerLink& worker = *found->second;
  if (kind == kProcess) return worker_died(worker, "ended before it was ready");
  if (event.writable) flush_worker(worker);
  if (event.readable && worker.data.valid()) receive_from_worker(worker);
}

Deadline Engine::next_deadline() {
  Deadline next = others_due_;
  if (template_) next = std::min(next, template_->hello_by);
  for (const auto& [id, worker] : workers_)
    next = std::min(next, std::min(worker->deadline, std::min(worker->look_at, worker->replace_at)));
  return std::min(next, std::min(next_node_deadline(), look_at_launches()));
}

void Engine::handle_deadlines() {
  if (template_ && template_->hello_by.passed()) template_failed("it did not answer in time");
  if (others_due_.passed()) others_due_ = Deadline::never();
  handle_node_deadlines();
  std::vector<uint32_t> ids;  // some are buried on the way, and others come
  for (const auto& [id, worker] : workers_) ids.push_back(id);
  for (const uint32_t id : ids) {
    const auto found = workers_.find(id);
    if (found != workers_.end()) handle_worker_deadlines(*found->second);
  }
}

}  // namespace avenir::engine
