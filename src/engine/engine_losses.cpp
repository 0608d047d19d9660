// The part of the engine that looks after what goes wrong with a job: lost workers, time limits, workers that do not
// heed an interrupt or have grown too large. The engine's mutex is held throughout.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "engine/engine.h"
#include "sys/memory_file.h"
#include "sys/memory_use.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using State = WorkerLink::State;
using wire::LossCause;

constexpr unsigned kMostUnstartedLosses = 3;

constexpr double kReplaceSeconds = 0.1;    // how long others wait for the place of an interrupted worker
constexpr double kExitNewsSeconds = 0.25;  // how long a worker may take to end, and the template to say how it did

double seconds_since(uint64_t nanoseconds) {
  const std::chrono::nanoseconds then(nanoseconds);
  return std::chrono::duration<double>(Deadline::Clock::now().time_since_epoch() - then).count();
}

// It may have evaluated its task to the end, and nobody has heard of it.
bool has_spoken_in_vain(const WorkerLink& worker) {
  return worker.cause == LossCause::kUnread || worker.cause == LossCause::kProtocol;
}

uint64_t to_nanoseconds(double seconds) { return static_cast<uint64_t>(std::min(seconds, 1e9) * 1e9); }

}  // namespace

// ---- lost workers

// Why it has ended, where that is not known yet.
void Engine::find_cause(WorkerLink& worker) {
  if (worker.cause != LossCause::kUnknown) return;
  if (worker.slot->quit != 0) worker.cause = LossCause::kQuit;
  if (worker.exit.signal != SIGKILL) return;
  const auto kills = sys::out_of_memory_kills();
  if (kills && memory_kills_ && *kills > *memory_kills_) worker.cause = LossCause::kOutOfMemory;
  memory_kills_ = kills;
}

wire::LostMessage Engine::lost_message(const WorkerLink& worker, uint64_t element) const {
  wire::LostMessage lost;
  lost.worker = worker.id;
  lost.pid = worker.pid;
  lost.signal = worker.exit.signal;
  lost.exit_code = worker.exit.code;
  lost.status_known = worker.exit.known ? 1 : 0;
  lost.cause = worker.cause;
  lost.memory_watched = memory_kills_ ? 1 : 0;
  lost.element = element;
  lost.log = sys::read_tail(worker.log.get(), kLogTail);
  lost.note = worker.note;
  lost.host = options_.host;
  return lost;
}

// Notes one more end of a worker that had begun with this element: is there to be no further attempt? What has run into
// its time limit would do so again.
bool Engine::gives_up(const WorkerLink& worker, Job& job, uint64_t element) {
  auto& losses = job.losses[element];
  losses.push_back(lost_message(worker, element));
  return is_over(job, losses) || worker.cause == LossCause::kTimeLimit;
}

// A lost node is no fault of what it was doing: that has one further attempt than was granted for lost workers.
bool Engine::is_over(const Job& job, const std::vector<wire::LostMessage>& losses) const {
  const auto nodes = static_cast<size_t>(
      std::count_if(losses.begin(), losses.end(), [](const auto& lost) { return lost.cause == LossCause::kNodeLost; }));
  return job.cancelled || losses.size() - nodes > job.policy.retries || nodes > job.policy.retries + 1;
}

void Engine::fill_lost(Job& job, uint64_t element) {
  job.fill(element, wire::AnswerKind::kLost, wire::to_shared(wire::encode_losses(job.losses[element])));
  job.losses.erase(element);
}

void Engine::lose_task(const WorkerLink& worker, Job& job) {
  const bool began = worker.slot->job == job.id || has_spoken_in_vain(worker);
  if (job.cancelled && !began) {
    job.fill(0, wire::AnswerKind::kCancelled, {});
    return;
  }
  const bool over = began ? gives_up(worker, job, 0) : ++job.unstarted_losses >= kMostUnstartedLosses;
  if (over && !began) job.losses[0].push_back(lost_message(worker, 0));
  if (over)
    fill_lost(job, 0);
  else
    enqueue(job, true);  // in a fork: it wants another one
}

void Engine::lose_elements(const WorkerLink& worker, Job& job) {
  bool began = false;
  for (uint64_t position = 0; position < job.answers.size(); ++position)
    if (lose_position(worker, job, position)) began = true;
  // A map that kills worker after worker before any element begins would do so for ever.
  job.unstarted_losses = began ? 0 : job.unstarted_losses + 1;
  if (job.unstarted_losses >= kMostUnstartedLosses) lose_all(worker, job);
  if (worker.in_map) leave_map(job);
  if (job.has_work()) enqueue(job, true);
}

// True when the worker had begun with this position.
bool Engine::lose_position(const WorkerLink& worker, Job& job, uint64_t position) {
  const uint32_t state = job.table->state(position);
  const uint64_t element = job.element_at(position);
  if ((state & ~shm::kStateKind) != worker.id || !job.open(element) || job.table->stopped(position)) return false;
  const bool began = (state & shm::kStateKind) == shm::kStateStarted;
  if (!began || !gives_up(worker, job, element)) {
    job.leftover.push_back(position);
    return began;
  }
  if (!job.table->keep_going()) job.table->stop_from(position);
  fill_lost(job, element);
  return true;
}

void Engine::lose_all(const WorkerLink& worker, Job& job) {
  job.leftover.clear();
  if (!job.table->keep_going()) job.table->stop_from(0);
  for (uint64_t element = 0; element < job.answers.size(); ++element)
    if (job.open(element))
      job.fill(element, wire::AnswerKind::kLost, wire::to_shared(wire::encode_losses({lost_message(worker, element)})));
}

// ---- interrupted workers

// Asks the worker's watcher thread; the worker is killed when the grace passes and it is still at the same
// job, but for a position that was not cancelled.
void Engine::interrupt_worker(WorkerLink& worker, uint64_t from) {
  wire::FrameWriter writer;
  writer.push(wire::FrameType::kInterrupt, worker.job, base::SharedBytes::copy(&from, sizeof from));
  writer.flush(worker.control.get(), false);
  worker.deadline = std::min(worker.deadline, Deadline::in_seconds(options_.interrupt_grace));
  worker.replace_at = std::min(worker.replace_at, Deadline::in_seconds(kReplaceSeconds));
}

bool Engine::runs_uncancelled(const WorkerLink& worker) {
  if (worker.state != State::kBusy) return false;
  const Job* const job = find(worker.job);
  if (job == nullptr || !job->is_map() || worker.slot->job != job->id) return false;
  const uint64_t position = worker.slot->position;
  return !job->table->stopped(position) && worker.overdue != position;
}

void Engine::handle_worker_deadlines(WorkerLink& worker) {
  if (worker.look_at.passed()) look_at_time(worker);
  if (worker.replace_at.passed()) replace_late(worker);
  if (worker.deadline.passed()) grace_is_over(worker);  // it may be gone then
}

void Engine::grace_is_over(WorkerLink& worker) {
  if (runs_uncancelled(worker)) {
    worker.deadline = Deadline::never();
  } else if (worker.state == State::kDying) {
    reap_own_child(worker);
    if (std::exchange(worker.may_end, false) && !worker.exit.known)
      end_worker(worker);
    else if (worker.own_child && !worker.exit.known)
      reap_later(worker);
    else
      bury_worker(worker);
  } else if (worker.state == State::kStarting && worker.pid < 0 && template_) {
    template_failed("it did not start a worker in time");  // stopped, say
  } else {
    if (worker.state == State::kBusy) worker.cause = worker.overdue ? LossCause::kTimeLimit : LossCause::kInterrupt;
    sys::send_signal(worker.pidfd, worker.pid, SIGKILL);
    worker_died(worker, "did not answer within " + std::to_string(std::lround(options_.start_timeout)) + " s");
  }
}

// It takes its time to end: nobody waits for that any longer, but somebody has to reap it.
void Engine::reap_later(WorkerLink& worker) {
  tell_losses(worker);
  worker.deadline = Deadline::in_seconds(kExitNewsSeconds);
}

// It has had the time to do so by itself.
void Engine::end_worker(WorkerLink& worker) {
  sys::send_signal(worker.pidfd, worker.pid, SIGKILL);
  worker.deadline = Deadline::in_seconds(kExitNewsSeconds);
}

// Somebody else works in its place while it takes its time to end: what comes next is not slowed by it.
void Engine::replace_late(WorkerLink& worker) {
  worker.replace_at = Deadline::never();
  if (worker.state != State::kBusy || runs_uncancelled(worker)) return;
  worker.replaced = true;
  add_missing_workers();
}

// It has no job any more: is it one too many? So it is when another one has got its place, which is as good. (Forks
// leave anyway.)
void Engine::give_up_place(WorkerLink& worker) {
  worker.replaced = false;
  if (!options_.forks && places_taken() > wanted_) retire(worker);
}

unsigned Engine::places_taken() const {
  return static_cast<unsigned>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& entry) { return entry.second->counts(); }));
}

// ---- time limits

void Engine::watch_time(WorkerLink& worker, const Job& job) {
  worker.overdue.reset();
  worker.look_at = Deadline::in_seconds(job.policy.time_limit);
  if (job.policy.timed()) wake_.wake();  // it waits for a later deadline, or for none
}

// When the present evaluation's time may be up: nothing is asked of the worker until then, and as a rule it has long
// been at another one. One that has been stopped (SIGSTOP) before it began will begin no more, and another gets the
// job.
void Engine::look_at_time(WorkerLink& worker) {
  const Job* const job = find(worker.job);
  worker.look_at = Deadline::never();
  if (worker.state != State::kBusy || job == nullptr) return;
  const double limit = job->policy.time_limit;
  const bool evaluates = worker.slot->job == job->id;
  const uint64_t position = worker.slot->position;
  if (!evaluates && sys::is_stopped(worker.pid)) {
    sys::send_signal(worker.pidfd, worker.pid, SIGKILL);
    return;
  }
  const double left = evaluates ? limit - seconds_since(worker.slot->began) : limit;
  if (left <= 0 && worker.overdue != position) end_at_limit(worker, *job, position);
  worker.look_at = Deadline::in_seconds(left > 0 ? left : limit);
}

// Its watcher thread interrupts the evaluation; when that does not help it is killed after the grace.
void Engine::end_at_limit(WorkerLink& worker, const Job& job, uint64_t position) {
  base::ByteWriter body;
  body.put(position);
  body.put(to_nanoseconds(job.policy.time_limit));
  wire::FrameWriter writer;
  writer.push(wire::FrameType::kTimeLimit, job.id, wire::to_shared(body.bytes()));
  writer.flush(worker.control.get(), false);
  worker.overdue = position;
  worker.deadline = Deadline::in_seconds(options_.interrupt_grace);
  worker.replace_at = Deadline::in_seconds(kReplaceSeconds);
}

// ---- workers that end as they should

void Engine::begin_dying(WorkerLink& worker) {
  worker.state = State::kDying;
  worker.deadline = Deadline::in_seconds(kExitNewsSeconds);
  worker.look_at = worker.replace_at = Deadline::never();
  if (worker.pidfd.valid() && !worker.own_child) poller_.remove(worker.pidfd.get());
}

// Without its sockets a worker leaves by itself.
void Engine::retire(WorkerLink& worker) {
  worker.has_no_job();
  begin_dying(worker);
  if (worker.own_child && worker.pidfd.valid()) worker.deadline = Deadline::never();  // it is heard of
  poller_.remove(worker.data.get());
  worker.dismiss();
}

// It has answered what it had begun; what it had only claimed goes to others.
void Engine::leaves_for_memory(WorkerLink& worker, Job* job) {
  if (job != nullptr && job->is_map()) unclaim(worker, *job);
  job_done(worker, job);
  if (job != nullptr && job->is_map() && job->has_work()) enqueue(*job, true);
  begin_dying(worker);
  add_missing_workers();
}

void Engine::unclaim(const WorkerLink& worker, Job& job) {
  for (uint64_t position = 0; position < job.answers.size(); ++position)
    if (job.table->state(position) == (shm::kStateClaimed | worker.id) && job.open(job.element_at(position)))
      job.leftover.push_back(position);
}

}  // namespace avenir::engine
