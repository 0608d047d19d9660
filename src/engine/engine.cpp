#include "engine/engine.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "shm/region.h"
#include "sys/memory_file.h"
#include "sys/memory_use.h"
#include "sys/signals.h"
#include "sys/socket_pair.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using base::SharedBytes;
using State = WorkerLink::State;

// What a poller token stands for, in its upper half; the lower half is a worker's id.
enum Token : uint64_t { kWake = 1, kTemplate = 2, kData = 3, kProcess = 4 };
uint64_t token(Token kind, uint32_t worker = 0) { return (static_cast<uint64_t>(kind) << 32) | worker; }

constexpr unsigned kMostStartFailures = 3;
constexpr unsigned kShortageRounds = 2;  // a single start may fail by chance

wire::SharedFd share(sys::OwnFd fd) { return std::make_shared<sys::OwnFd>(std::move(fd)); }

sys::OwnFd open_null() {
  sys::OwnFd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) base::raise_system_error("opening /dev/null");
  return fd;
}

// A file that both sides append to, whatever their offsets.
sys::OwnFd make_log() {
  sys::OwnFd log = sys::make_memory_file("avenir-log");
  ::fcntl(log.get(), F_SETFL, O_APPEND);
  return log;
}

sys::SpawnSpec with_fds(sys::SpawnSpec spec, const char* mode, const std::vector<int>& fds) {
  spec.argv.emplace_back(mode);
  for (const int fd : fds) spec.fds.emplace_back(fd, static_cast<int>(spec.fds.size()));
  return spec;
}

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

// The segments that have come since its last answer.
std::shared_ptr<const void> take_arrived(WorkerLink& worker) {
  if (worker.arrived.empty()) return nullptr;
  return std::make_shared<shm::Segments>(std::exchange(worker.arrived, {}));
}

}  // namespace

// The session's end of the template process.
struct Engine::Template {
  pid_t pid = -1;
  sys::OwnFd socket, log;
  wire::FrameReader reader;
  wire::FrameWriter writer;
  bool wants_write = false;
  bool has_forked = false;
  Deadline hello_by = Deadline::never();
};

Engine::Engine(EngineOptions options)
    : options_(std::move(options)),
      wanted_(options_.workers),
      threads_(options_.threads),
      memory_kills_(sys::out_of_memory_kills()) {
  poller_.add(wake_.fd(), token(kWake));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!options_.forks) start_template();
    add_missing_workers();
  }
  const sys::SignalsBlocked blocked;
  thread_ = std::make_unique<std::thread>([this] { run(); });
}

Engine::~Engine() {
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
  for (auto& [id, worker] : workers_) worker->dismiss();
  if (template_) template_->socket.reset();
  const Deadline deadline = Deadline::in_seconds(0.5);
  for (auto& [id, worker] : workers_) {
    if (worker->pidfd.valid() && !sys::wait_readable(worker->pidfd.get(), deadline))
      sys::send_signal(worker->pidfd, worker->pid, SIGKILL);
    if (worker->own_child && worker->pid > 0) sys::reap_or_kill(worker->pid, deadline);
  }
  if (template_ && template_->pid > 0) sys::reap_or_kill(template_->pid, Deadline::in_seconds(1));
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
  for (auto& [id, job] : jobs_) {
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
  check_alive();
  Job job;
  job.policy = policy;
  job.segments = std::move(segments);
  job.answers = Answers(1);
  if (payload.size() >= shm::kLargePayload) {
    job.payload_file = share(shm::publish(payload.data(), payload.size(), "avenir-task"));
    const uint64_t length = payload.size();
    job.payload = SharedBytes::copy(&length, sizeof length);
  } else {
    job.payload = std::move(payload);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t id = add_job(std::move(job));
  enqueue(checked(id), false);
  dispatch();
  return id;
}

uint64_t Engine::submit_map(shm::TaskTable table, sys::OwnFd data, std::vector<uint64_t> element_of, JobPolicy policy,
                            shm::Segments segments) {
  check_alive();
  Job job;
  job.policy = policy;
  job.segments = std::move(segments);
  job.answers = Answers(table.positions());
  job.table_file = share(table.take_fd());
  job.data_file = share(std::move(data));
  job.element_of = std::move(element_of);
  job.table.emplace(std::move(table));
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t id = add_job(std::move(job));
  enqueue(checked(id), false);
  dispatch();
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
  if (line.fd >= 0) poller_.leave_reading(line.fd, token(kData, line.worker), true);
  return line;
}

void Engine::receive(const DirectLine& line) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = workers_.find(line.worker);
  if (found == workers_.end() || !found->second->data.valid()) return;
  receive_from_worker(*found->second);  // it may be gone then
  dispatch();
  if (workers_.count(line.worker) == 0 || workers_[line.worker]->state == State::kDying) wake_.wake();  // new deadlines
}

void Engine::close_line(const DirectLine& line) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = workers_.find(line.worker);
  if (found == workers_.end() || !found->second->data.valid()) return;
  poller_.leave_reading(found->second->data.get(), token(kData, line.worker), false);
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
  if (!runs && !job->is_map()) job->fill(0, wire::AnswerKind::kCancelled, {});
  wake_.wake();  // the kill after the grace is the I/O thread's
}

void Engine::forget(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  if (jobs_.erase(id) > 0) queue_.erase(std::remove(queue_.begin(), queue_.end(), id), queue_.end());
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
  const auto busy = std::count_if(workers_.begin(), workers_.end(),
                                  [](const auto& entry) { return entry.second->has_job() && entry.second->counts(); });
  const auto waiting = static_cast<unsigned>(busy) + static_cast<unsigned>(queue_.size());
  return waiting < wanted_ ? wanted_ - waiting : 0;
}

std::vector<WorkerInfo> Engine::worker_infos() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<WorkerInfo> infos;
  for (const auto& [id, worker] : workers_) infos.push_back({id, worker->pid, name_of(worker->state), worker->answers});
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
  if (workers_.empty() && !queue_.empty()) {
    start_failures_ = 0;  // the last attempt failed for good; a new job is a new attempt
    add_missing_workers();
  }
  for (auto& [id, worker] : workers_) {
    if (queue_.empty()) return;
    if (worker->state == State::kIdle && !feed(*worker)) return;
  }
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
  const size_t share_size = (job.leftover.size() + wanted_ - 1) / wanted_;
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
    if ((job.table->state(position) & shm::kStateKind) != shm::kStateStarted) job.leftover.push_back(position);
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
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    try {
      for (const auto& event : events) handle_event(event);
      handle_deadlines();
      dispatch();
    } catch (const std::exception& error) {  // nothing is known to lead here; the session must not end with us
      break_down(error.what());
    }
    notify();
    if (!broken_.empty()) return;
    deadline = next_deadline();
  }
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
  Deadline next = Deadline::never();
  if (template_) next = std::min(next, template_->hello_by);
  for (const auto& [id, worker] : workers_)
    next = std::min(next, std::min(worker->deadline, std::min(worker->look_at, worker->replace_at)));
  return next;
}

void Engine::handle_deadlines() {
  if (template_ && template_->hello_by.passed()) template_failed("it did not answer in time");
  std::vector<uint32_t> ids;  // some are buried on the way, and others come
  for (const auto& [id, worker] : workers_) ids.push_back(id);
  for (const uint32_t id : ids) {
    const auto found = workers_.find(id);
    if (found != workers_.end()) handle_worker_deadlines(*found->second);
  }
}

// ---- the template process

void Engine::start_template() {
  auto starting = std::make_unique<Template>();
  sys::FdPair ends = sys::make_socket_pair();
  starting->socket = std::move(ends.first);
  starting->log = make_log();
  const sys::OwnFd null = open_null();
  const sys::OwnFd session = sys::open_pidfd(::getpid());
  std::vector<int> fds{null.get(), null.get(), starting->log.get(), ends.second.get()};
  if (session.valid()) fds.push_back(session.get());
  starting->pid = sys::spawn(with_fds(options_.r, session.valid() ? "template:watch" : "template", fds));
  starting->hello_by = Deadline::in_seconds(options_.start_timeout);
  poller_.add(starting->socket.get(), token(kTemplate));
  template_ = std::move(starting);
}

void Engine::reap_template() {
  poller_.remove(template_->socket.get());
  template_->socket.reset();
  ::kill(template_->pid, SIGKILL);
  sys::reap_or_kill(template_->pid, Deadline::now());
  template_.reset();
}

// Before it has forked a worker: they are started one by one from here on. Later: its workers live on, a new
// one replaces it.
void Engine::template_failed(const std::string& reason) {
  const bool served = template_->has_forked;
  const std::string log = sys::read_tail(template_->log.get(), kLogTail);
  reap_template();
  std::vector<uint32_t> orphaned;
  for (auto& [id, worker] : workers_)
    if (worker->state == State::kStarting && !worker->own_child && worker->pid < 0) orphaned.push_back(id);
  if (!served) start_directly_ = true;
  if (!served)
    worker_start_failed("the template process failed: " + reason + (log.empty() ? "" : "\n" + log), start_round_);
  for (const uint32_t id : orphaned) drop_worker(id);
  add_missing_workers();
}

void Engine::flush_template() {
  sys::IoStatus status = sys::IoStatus::kClosed;
  try {
    status = template_->writer.flush(template_->socket.get(), false);
  } catch (const base::Error&) {  // its end is noticed, and a new one made
    ::kill(template_->pid, SIGKILL);
  }
  const bool wants = status == sys::IoStatus::kWouldBlock;
  if (wants != template_->wants_write) poller_.want_write(template_->socket.get(), token(kTemplate), wants);
  template_->wants_write = wants;
}

void Engine::receive_from_template() {
  std::vector<wire::Frame> frames;
  sys::IoStatus status;
  try {
    status = template_->reader.receive(template_->socket.get(), false, frames);
    for (wire::Frame& frame : frames) handle_template_frame(frame);
  } catch (const base::Error&) {
    status = sys::IoStatus::kClosed;
  }
  if (status == sys::IoStatus::kClosed && template_) template_failed("it ended");
}

void Engine::handle_template_frame(wire::Frame& frame) {
  if (!template_) return;
  if (frame.header.type == wire::FrameType::kHello) {
    template_->hello_by = Deadline::never();
    return;
  }
  const auto found = workers_.find(static_cast<uint32_t>(frame.header.id));
  if (found == workers_.end()) return;
  WorkerLink& worker = *found->second;
  base::ByteReader body(frame.body);
  if (frame.header.type == wire::FrameType::kForked) {
    const auto pid = body.get<int32_t>();
    template_->has_forked = true;
    adopt_process(worker, pid, frame.fds.empty() ? sys::OwnFd() : std::move(frame.fds.front()));
  } else if (frame.header.type == wire::FrameType::kExited) {
    worker.exit = sys::ExitStatus::from_wait(body.get<int32_t>());
    worker_died(worker, "ended before it was ready");
  } else if (frame.header.type == wire::FrameType::kForkFailed) {
    const auto error_number = body.get<int32_t>();
    const std::string reason = body.get_string();
    const unsigned round = worker.start_round;
    drop_worker(worker.id);
    if (error_number == 0) start_directly_ = true;  // it has threads: forking it is not safe
    if (error_number != 0) {
      shortage_ = reason;  // told if the others do: else it is the answer of all that waits
      worker_start_failed(reason, round);
    }
    if (error_number == 0 || workers_.empty()) add_missing_workers();
  }
}

// ---- workers

void Engine::add_missing_workers() {
  if (options_.forks) return;
  while (!stopping_ && places_taken() < wanted_ && start_failures_ < kMostStartFailures) {
    if (failed_rounds_ > 0 && one_is_starting()) return;  // the system may be short of something: one by one
    try {
      add_worker();
    } catch (const base::Error& error) {  // out of descriptors, of processes, of memory
      drop_worker(next_worker_ - 1);
      worker_start_failed(error.what(), start_round_);
    }
  }
  if (workers_.empty() && start_failures_ >= kMostStartFailures && !stopping_) fail_queue("no worker could be started");
}

bool Engine::one_is_starting() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& entry) { return entry.second->state == State::kStarting; });
}

void Engine::add_worker() {
  const uint32_t id = next_worker_++;  // first of all: whoever catches an error drops this one, and no other
  auto worker = std::make_unique<WorkerLink>();
  worker->id = id;
  worker->start_round = start_round_;
  worker->slot->worker = worker->id;
  worker->slot->memory_limit = options_.memory_limit;
  worker->slot->threads = threads_;
  sys::FdPair data = sys::make_socket_pair(), control = sys::make_socket_pair();
  worker->data = std::move(data.first);
  worker->control = std::move(control.first);
  worker->log = make_log();
  worker->deadline = Deadline::in_seconds(options_.start_timeout);
  watch_worker(*worker);
  std::vector<wire::SharedFd> fds{share(std::move(data.second)), share(std::move(control.second)),
                                  share(worker->slot.take_fd()), share(sys::duplicate(worker->log))};
  WorkerLink& added = *(workers_[worker->id] = std::move(worker));
  if (!start_directly_ && !template_) start_template();
  if (start_directly_) return start_worker_directly(added, std::move(fds));
  template_->writer.push(wire::FrameType::kFork, added.id, {}, std::move(fds));
  flush_template();
}

void Engine::start_worker_directly(WorkerLink& worker, std::vector<wire::SharedFd> fds) {
  const sys::OwnFd null = open_null();
  const sys::OwnFd session = sys::open_pidfd(::getpid());
  std::vector<int> numbers{null.get(), null.get(), worker.log.get(), fds[0]->get(), fds[1]->get(), fds[2]->get()};
  if (session.valid()) numbers.push_back(session.get());
  worker.own_child = true;
  try {
    const pid_t pid = sys::spawn(with_fds(options_.r, session.valid() ? "worker:watch" : "worker", numbers));
    adopt_process(worker, pid, sys::open_pidfd(pid));
  } catch (const base::Error& error) {
    drop_worker(worker.id);
    worker_start_failed(error.what(), start_round_);
  }
}

void Engine::watch_worker(const WorkerLink& worker) { poller_.add(worker.data.get(), token(kData, worker.id)); }

void Engine::drop_worker(uint32_t id) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  WorkerLink& worker = *found->second;
  if (worker.data.valid()) poller_.remove(worker.data.get());
  if (worker.pidfd.valid()) poller_.remove(worker.pidfd.get());
  workers_.erase(found);
}

// `round`: the worker's, or the present one.
void Engine::worker_start_failed(const std::string& reason, unsigned round) {
  if (round == start_round_) {
    ++start_failures_;
    ++start_round_;
    ++failed_rounds_;
  }
  const bool hopeless = start_failures_ >= kMostStartFailures;
  const bool any = std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) {
    return entry.second->state == State::kIdle || entry.second->state == State::kBusy;
  });
  if (hopeless && !any) fail_queue(reason);
  if (any && failed_rounds_ == kShortageRounds) shortage_ = reason;
}

void Engine::adopt_process(WorkerLink& worker, pid_t pid, sys::OwnFd pidfd) {
  worker.pid = pid;
  worker.pidfd = std::move(pidfd);
  if (worker.pidfd.valid() && worker.state != State::kDying)
    poller_.add(worker.pidfd.get(), token(kProcess, worker.id));
}

// Takes what the worker has sent. kClosed: its end is gone, or it broke the protocol and is not trusted any
// more.
sys::IoStatus Engine::drain_worker(WorkerLink& worker) {
  if (!worker.data.valid()) return sys::IoStatus::kClosed;
  std::vector<wire::Frame> frames;
  sys::IoStatus status;
  try {
    status = worker.reader.receive(worker.data.get(), false, frames);
    for (wire::Frame& frame : frames) handle_worker_frame(worker, frame);
  } catch (const base::Error& error) {
    status = sys::IoStatus::kClosed;
    worker.cause = wire::LossCause::kProtocol;
    worker.note = error.what();
  }
  if (status == sys::IoStatus::kClosed && worker.data.valid()) {
    poller_.remove(worker.data.get());
    worker.data.reset();
  }
  return status;
}

void Engine::receive_from_worker(WorkerLink& worker) {
  if (drain_worker(worker) != sys::IoStatus::kClosed) return;
  // Without its socket it is of no use, even if it lives.
  sys::send_signal(worker.pidfd, worker.pid, SIGKILL);
  worker_died(worker, "ended before it was ready");
}

void Engine::handle_worker_frame(WorkerLink& worker, wire::Frame& frame) {
  Job* const job = find(frame.header.id);
  switch (frame.header.type) {
    case wire::FrameType::kHello: {
      const auto hello = wire::HelloMessage::decode(frame.body);
      if (hello.protocol != wire::kProtocolVersion)
        throw base::Error(base::ErrorKind::kDisconnected, "a worker of another build");
      if (worker.state != State::kStarting) return;
      worker.ready = true;
      // Removed when it dies, so it must be one of ours.
      if (hello.temp_folder.rfind(options_.temp_folder + "/", 0) == 0 &&
          hello.temp_folder.find("..") == std::string::npos)
        worker.temp_folder = hello.temp_folder;
      if (worker.pid < 0) worker.pid = hello.pid;  // the template's news comes by another socket
      worker.state = State::kIdle;
      worker.deadline = Deadline::never();
      if (worker.start_round == start_round_) failed_rounds_ = 0;
      if (places_taken() < wanted_) add_missing_workers();
      return give_up_place(worker);
    }
    case wire::FrameType::kAnswer:
      for (wire::Answer& answer : wire::decode_answers(frame.body)) {
        count_answer(worker);
        auto segments = take_arrived(worker);
        if (job != nullptr) job->fill(answer.element, answer.kind, std::move(answer.bytes), std::move(segments));
      }
      return;
    case wire::FrameType::kBigAnswer: {
      const wire::AnswerHead head = wire::decode_answer_head(frame.body);
      if (frame.fds.empty()) throw base::Error(base::ErrorKind::kDisconnected, "a large answer without its file");
      count_answer(worker);
      auto segments = take_arrived(worker);
      if (job == nullptr) return;
      job->fill(head.element, head.kind, shm::attach(frame.fds.front(), head.length), std::move(segments));
      return;
    }
    case wire::FrameType::kSegment:
      return receive_segment(worker, frame);
    case wire::FrameType::kSegmentsEnded:
      return end_leases(worker, frame);
    case wire::FrameType::kImmediate:
      if (job != nullptr) job->immediate.push_back(frame.body);
      return;
    case wire::FrameType::kIdle:
      if (worker.state != State::kBusy || worker.job != frame.header.id) return;
      job_done(worker, job);
      return give_up_place(worker);
    case wire::FrameType::kLeaving:
      if (worker.state == State::kBusy && worker.job == frame.header.id) leaves_for_memory(worker, job);
      return;
    default:
      throw base::Error(base::ErrorKind::kDisconnected, "a frame that no worker may send");
  }
}

// The worker has no job any more.
void Engine::job_done(WorkerLink& worker, Job* job) {
  if (job != nullptr && !job->is_map() && job->open(0))
    throw base::Error(base::ErrorKind::kDisconnected, "it left a task without an answer");
  const bool left = worker.in_map && job != nullptr;
  worker.state = State::kIdle;
  worker.has_no_job();
  if (!worker.own_child) sys::resize_file(worker.log.get(), 0);  // the next job's last words are its own
  if (left) leave_map(*job);
}

void Engine::count_answer(WorkerLink& worker) {
  ++worker.answers;
  start_failures_ = 0;
}

void Engine::flush_worker(WorkerLink& worker) {
  if (!worker.data.valid()) return;
  sys::IoStatus status = sys::IoStatus::kClosed;
  try {
    status = worker.writer.flush(worker.data.get(), false);
  } catch (const base::Error&) {  // out of kernel memory, say: the worker cannot be told what to do
    sys::send_signal(worker.pidfd, worker.pid, SIGKILL);
  }
  const bool wants = status == sys::IoStatus::kWouldBlock;
  if (wants != worker.wants_write) poller_.want_write(worker.data.get(), token(kData, worker.id), wants);
  worker.wants_write = wants;
}

// Its process or its socket ended, or it has just been killed. It is buried (and `worker` gone) at once when
// it is known how it ended, else when the template says so or has had the time to. May be called again
// meanwhile.
void Engine::worker_died(WorkerLink& worker, const std::string& start_failure) {
  if (worker.state != State::kDying) {
    const bool never_started = worker.state == State::kStarting;
    begin_dying(worker);
    while (drain_worker(worker) == sys::IoStatus::kDone) {
    }
    if (never_started)
      worker_start_failed(describe_start_failure(worker, start_failure), worker.start_round);
    else
      add_missing_workers();  // the next one starts while it is being found out how this one ended
  }
  reap_own_child(worker);
  if (worker.exit.known || (!worker.own_child && !template_)) bury_worker(worker);
}

void Engine::reap_own_child(WorkerLink& worker) {
  if (!worker.own_child || worker.exit.known || worker.pid < 0) return;
  if (const auto status = sys::reap(worker.pid)) worker.exit = *status;
}

std::string Engine::describe_start_failure(const WorkerLink& worker, const std::string& reason) const {
  const std::string log = sys::read_tail(worker.log.get(), kLogTail);
  return "worker " + std::to_string(worker.id) + " " + reason +
         (log.empty() ? "; it wrote nothing to its standard error" : "; its last output was:\n" + log);
}

// The answers that it had not sent when it died.
void Engine::take_unsent(WorkerLink& worker) {
  Job* const job = find(worker.slot->batch_job.load());
  const uint64_t size = worker.slot->batch_size.load(std::memory_order_acquire);
  if (job == nullptr || size == 0 || size > shm::kBatchCapacity) return;
  try {
    for (wire::Answer& answer : wire::decode_answers(SharedBytes::copy(worker.slot->batch, size)))
      job->fill(answer.element, answer.kind, std::move(answer.bytes));
  } catch (const base::Error&) {  // not answers: it had lost its senses before it died
  }
}

void Engine::bury_worker(WorkerLink& worker) {
  take_unsent(worker);
  find_cause(worker);
  if (Job* const job = find(worker.job)) {
    if (job->is_map())
      lose_elements(worker, *job);
    else if (job->open(0))
      lose_task(worker, *job);
  }
  // One that ends unused again and again must not be replaced for ever.
  if (worker.ready && worker.job == 0 && worker.answers == 0) ++start_failures_;
  std::error_code ignored;
  if (!worker.temp_folder.empty()) std::filesystem::remove_all(worker.temp_folder, ignored);
  drop_worker(worker.id);
  add_missing_workers();
}

}  // namespace avenir::engine
