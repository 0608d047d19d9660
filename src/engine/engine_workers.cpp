// The part of the engine that has workers: the template process that forks them, what they send, how they end. The
// engine's mutex is held throughout.

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "engine/early_template.h"
#include "engine/engine.h"
#include "engine/template_link.h"
#include "engine/token.h"
#include "shm/region.h"
#include "sys/memory_file.h"
#include "sys/socket_pair.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using base::SharedBytes;
using State = WorkerLink::State;

constexpr unsigned kMostStartFailures = 3;
constexpr double kSoon = 1;              // second after a worker is ready, in which others are likely to be
constexpr unsigned kShortageRounds = 2;  // a single start may fail by chance

wire::SharedFd share(sys::OwnFd fd) { return std::make_shared<sys::OwnFd>(std::move(fd)); }

sys::SpawnSpec with_fds(sys::SpawnSpec spec, const char* mode, const std::vector<int>& fds) {
  spec.argv.emplace_back(mode);
  for (const int fd : fds) spec.fds.emplace_back(fd, static_cast<int>(spec.fds.size()));
  return spec;
}

// The segments that have come since its last answer.
std::shared_ptr<const void> take_arrived(WorkerLink& worker) {
  if (worker.arrived.empty()) return nullptr;
  return std::make_shared<shm::Segments>(std::exchange(worker.arrived, {}));
}

}  // namespace

sys::OwnFd open_null() {
  sys::OwnFd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) base::raise_system_error("opening /dev/null");
  return fd;
}

sys::OwnFd make_log() {
  sys::OwnFd log = sys::make_memory_file("avenir-log");
  ::fcntl(log.get(), F_SETFL, O_APPEND);
  return log;
}

// ---- the template process

void Engine::start_template() {
  auto starting = std::make_unique<Template>();
  if (auto early = options_.hands_over ? take_early_template() : std::nullopt) {
    starting->pid = early->pid;
    starting->socket = std::move(early->socket);
    starting->log = std::move(early->log);
  } else {
    spawn_template(*starting);
  }
  starting->hello_by = Deadline::in_seconds(options_.start_timeout);
  poller_.add(starting->socket.get(), token(kTemplate));
  template_ = std::move(starting);
}

void Engine::spawn_template(Template& starting) const {
  sys::FdPair ends = sys::make_socket_pair();
  starting.socket = std::move(ends.first);
  starting.log = make_log();
  const sys::OwnFd null = open_null();
  const sys::OwnFd session = sys::open_pidfd(::getpid());
  std::vector<int> fds{null.get(), null.get(), starting.log.get(), ends.second.get()};
  if (session.valid()) fds.push_back(session.get());
  starting.pid = sys::spawn(with_fds(options_.r, session.valid() ? "template:watch" : "template", fds));
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

// Takes what the worker has sent. kClosed: its end is gone, or it broke the protocol and is not trusted any more, or
// there was no room for what it sent, of which the rest makes no sense then.
sys::IoStatus Engine::drain_worker(WorkerLink& worker) {
  if (!worker.data.valid()) return sys::IoStatus::kClosed;
  std::vector<wire::Frame> frames;
  sys::IoStatus status;
  try {
    const bool ended = worker.state == State::kDying;
    status = ended ? worker.reader.receive_rest(worker.data.get(), frames)
                   : worker.reader.receive(worker.data.get(), false, frames);
    for (wire::Frame& frame : frames) handle_worker_frame(worker, frame);
  } catch (const base::Error& error) {
    status = sys::IoStatus::kClosed;
    const bool starved = error.kind() == base::ErrorKind::kOverloaded;
    worker.cause = starved ? wire::LossCause::kUnread : wire::LossCause::kProtocol;
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
  // Without its socket it is of no use, even if it lives. But a signal would hide how it ends.
  worker.may_end = worker.cause == wire::LossCause::kUnknown;
  if (!worker.may_end) sys::send_signal(worker.pidfd, worker.pid, SIGKILL);
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
      others_due_ = Deadline::in_seconds(kSoon);
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
      if (job != nullptr) job->relay(frame.body);
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
  worker.answered = !worker.in_map;
  start_failures_ = 0;
}

void Engine::flush_worker(WorkerLink& worker) {
  if (!worker.data.valid()) return;
  sys::IoStatus status = sys::IoStatus::kClosed;
  try {
    status = worker.writer.flush(worker.data.get(), false);
  } catch (const base::Error& error) {  // out of kernel memory, say
    worker.cause = wire::LossCause::kUntold;
    worker.note = error.what();
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
    drain_worker(worker);
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

// To those who wait for what it was doing.
void Engine::tell_losses(WorkerLink& worker) {
  if (std::exchange(worker.losses_told, true)) return;
  take_unsent(worker);
  find_cause(worker);
  Job* const job = find(worker.job);
  if (job == nullptr) return;
  if (job->is_map())
    lose_elements(worker, *job);
  else if (job->open(0))
    lose_task(worker, *job);
}

void Engine::bury_worker(WorkerLink& worker) {
  tell_losses(worker);
  // One that ends unused again and again must not be replaced for ever.
  if (worker.ready && worker.job == 0 && worker.answers == 0) ++start_failures_;
  std::error_code ignored;
  if (!worker.temp_folder.empty()) std::filesystem::remove_all(worker.temp_folder, ignored);
  drop_worker(worker.id);
  add_missing_workers();
}

}  // namespace avenir::engine
