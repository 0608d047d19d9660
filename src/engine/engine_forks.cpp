// The part of the engine that the multicore plan uses: workers that the R thread forks, each for one job.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engine/engine.h"
#include "sys/library_threads.h"
#include "sys/memory_file.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "sys/socket_pair.h"

namespace avenir::engine {

namespace {

using State = WorkerLink::State;

// What a job reads must not be missing from the session's input; and reading a terminal would stop a process that is
// not in its foreground.
void give_up_standard_input() {
  const sys::OwnFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
}

// What the child keeps of the preparations: the far ends, made before the fork.
WorkerFds become_worker(WorkerFds fds) {
  give_up_standard_input();
  ::setpgid(0, 0);  // a terminal's Ctrl-C goes to the session, which interrupts what it wants interrupted
  sys::reset_signal(SIGCHLD);
  sys::go_on_after_parent();  // to end, too
  return fds;
}

}  // namespace

uint64_t Engine::new_task(JobPolicy policy) {
  check_alive();
  Job job;
  job.policy = policy;
  job.answers = Answers(1);
  std::lock_guard<std::mutex> lock(mutex_);
  return add_job(std::move(job));
}

uint64_t Engine::new_map(shm::TaskTable table, std::vector<uint64_t> element_of, JobPolicy policy) {
  check_alive();
  Job job;
  job.policy = policy;
  job.answers = Answers(table.positions());
  job.element_of = std::move(element_of);
  job.table.emplace(std::move(table));
  std::lock_guard<std::mutex> lock(mutex_);
  return add_job(std::move(job));
}

std::optional<WorkerFds> Engine::fork_worker(uint64_t id) {
  check_alive();
  auto link = std::make_unique<WorkerLink>();
  sys::FdPair data = sys::make_socket_pair(), control = sys::make_socket_pair();
  link->data = std::move(data.first);
  link->control = std::move(control.first);
  link->log = sys::make_memory_file("avenir-log");
  link->state = State::kParked;
  link->own_child = true;
  link->job = id;
  WorkerFds fds{std::move(data.second), std::move(control.second), sys::duplicate(link->slot.fd()),
                sys::open_pidfd(::getpid())};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    checked(id);
    link->id = next_worker_++;
    link->slot->worker = link->id;
    link->slot->memory_limit = options_.memory_limit;
    link->slot->threads = threads_;
  }
  sys::end_idle_openmp_threads();
  // The link is nobody else's yet: in the child it goes with this function, and the fork guard closes all others' ends.
  const pid_t pid = ::fork();
  if (pid == 0) return become_worker(std::move(fds));
  const int error_number = errno;
  std::lock_guard<std::mutex> lock(mutex_);
  Job& job = checked(id);
  if (pid < 0) {
    job.width = forks_of(job);  // those that are there go on without another
    base::raise_system_error("forking a worker", error_number);
  }
  ::setpgid(pid, pid);
  job.width = std::max(job.width, forks_of(job) + 1);
  WorkerLink& worker = *link;
  workers_[worker.id] = std::move(link);
  watch_worker(worker);
  adopt_process(worker, pid, sys::open_pidfd(pid));
  start_parked();
  return std::nullopt;
}

shm::TaskTable Engine::share_table(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  return shm::TaskTable::attach(sys::duplicate(checked(id).table->fd()));
}

bool Engine::wants_help(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  const Job* const job = find(id);
  return job != nullptr && (lacks_workers(*job) || depends_on_scheduler());
}

bool Engine::wants_fork(uint64_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  const Job* const job = find(id);
  return job != nullptr && lacks_workers(*job);
}

unsigned Engine::unfinished_forks() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<unsigned>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& entry) { return entry.second->has_job(); }));
}

void Engine::await_end_of_fork() {
  std::lock_guard<std::mutex> lock(mutex_);
  fork_awaited_ = true;
}

// mutex held. Workers forked for this job that do it, wait to, or have just ended: what follows from that is known when
// they are buried. One that does not heed an interrupt does not count in a map, which others can go on with.
unsigned Engine::forks_of(const Job& job) const {
  return static_cast<unsigned>(std::count_if(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const WorkerLink& worker = *entry.second;
    return worker.job == job.id && !(worker.replaced && job.is_map());
  }));
}

// mutex held. Its work is not done, and workers that were forked for it are gone. A map goes on with fewer where the
// system has refused to make more, but not without any.
bool Engine::lacks_workers(const Job& job) const {
  if (!options_.forks || job.cancelled) return false;
  if (!job.is_map()) return job.open(0) && forks_of(job) == 0;
  if (!job.has_work()) return false;
  const uint64_t work = job.leftover.size() + job.table->units_left();
  return forks_of(job) < std::max<uint64_t>(1, std::min<uint64_t>(job.width, work));
}

// mutex held. Lets forked workers begin, in the order of their submission, as far as there are free slots.
void Engine::start_parked() {
  unsigned busy = 0;
  for (const auto& [number, worker] : workers_) busy += worker->state == State::kBusy && worker->counts() ? 1 : 0;
  for (auto& [number, worker] : workers_) {
    if (worker->state != State::kParked) continue;
    Job* const job = find(worker->job);
    const bool useful = job != nullptr && (job->is_map() ? job->has_work() : job->open(0));
    if (useful && busy >= wanted_) continue;
    if (useful) ++busy;
    if (!useful)
      retire(*worker);
    else if (job->is_map())
      give_map(*worker, *job);
    else
      give_task(*worker, *job);
  }
}

// mutex held. A future whose fork has not begun is over.
void Engine::cancel_parked(Job& job) {
  for (auto& [number, worker] : workers_) {
    if (worker->state != State::kParked || worker->job != job.id) continue;
    job.fill(0, wire::AnswerKind::kCancelled, {});
    retire(*worker);
  }
}

}  // namespace avenir::engine
