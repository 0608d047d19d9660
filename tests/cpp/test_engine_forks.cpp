#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>

#include "engine/worker_port.h"
#include "shm/task_table.h"
#include "support.h"
#include "sys/signals.h"
#include "sys/socket_pair.h"
#include "test_session.h"

// The engine with workers that this very process forks, each for one job.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1  // gcc's word for it
#endif
#endif

#if defined(__SANITIZE_THREAD__)
// The forks start a thread of their own; the engine's fork handlers see to the locks.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

using avenir::base::ErrorKind;
using avenir::engine::EngineOptions;
using avenir::engine::Interruption;
using avenir::engine::JobPolicy;
using avenir::engine::WorkerFds;
using avenir::engine::WorkerPort;
using avenir::shm::TaskTable;
using avenir::wire::AnswerKind;
using namespace avenir::testing;
namespace base = avenir::base;
namespace shm = avenir::shm;
namespace sys = avenir::sys;
namespace wire = avenir::wire;

namespace {

EngineOptions forks(unsigned workers) {
  EngineOptions options;
  options.workers = workers;
  options.forks = true;
  options.interrupt_grace = 60;
  return options;
}

// The worker's side, in the child: what the job's code would do.
class Fork {
 public:
  explicit Fork(WorkerFds fds) : data_(fds.data.get()), port_(std::move(fds), "") {
    port_.start_watcher();
    wire::Frame frame;
    if (!port_.receive(frame)) port_.leave_process(0);
    job_ = frame.header.id;
    message_ = frame.body;
  }

  WorkerPort& port() { return port_; }
  void hang_up() { ::shutdown(data_, SHUT_RDWR); }

  void answer(const std::string& value, uint64_t element = 0) {
    port_.answer(job_, element, AnswerKind::kValue, reinterpret_cast<const uint8_t*>(value.data()), value.size());
  }
  void announce_start() {
    const std::string news = "started";
    port_.send_immediate(job_, reinterpret_cast<const uint8_t*>(news.data()), news.size());
  }
  // Says that it has started, and waits until somebody opens the fifo for writing.
  void wait_at(const std::string& fifo) {
    announce_start();
    const sys::OwnFd opened(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC));
  }
  bool enter(uint64_t position = 0, bool timed = false) { return port_.enter(job_, position, timed); }

  void each_position(TaskTable& table, const std::function<void(uint64_t)>& evaluate) {
    base::ByteReader body(message_);
    for (auto left = body.get<uint64_t>(); left > 0; --left) start(table, body.get<uint64_t>(), evaluate);
    for (auto units = table.claim(1); units.begin < units.end; units = table.claim(1))
      start(table, units.begin, evaluate);
  }

  [[noreturn]] void leave() {
    port_.say_idle(job_);
    port_.leave_process(0);
  }

 private:
  void start(TaskTable& table, uint64_t position, const std::function<void(uint64_t)>& evaluate) {
    if (table.stopped(position)) return;
    table.mark(position, shm::kStateStarted, port_.number());
    enter(position);
    evaluate(position);
    port_.leave();
  }

  int data_;
  WorkerPort port_;
  uint64_t job_ = 0;
  base::SharedBytes message_;
};

// Forks a worker whose code is `body`; returns in the parent only.
template <typename Body>
void fork_for(TestSession& session, uint64_t job, const Body& body) {
  auto fds = session.engine().fork_worker(job);
  if (!fds) return;
  try {
    Fork fork(std::move(*fds));
    body(fork);
    fork.leave();
  } catch (...) {
    ::_exit(99);
  }
}

template <typename Body>
uint64_t submit(TestSession& session, const Body& body) {
  const uint64_t job = session.engine().new_task();
  fork_for(session, job, body);
  return job;
}

void run_task(Fork& fork, const std::function<void()>& code) {
  fork.enter();
  code();
  fork.port().leave();
}

uint64_t new_map(TestSession& session, uint64_t elements, bool keep_going = false) {
  return session.engine().new_map(TaskTable::create(elements, elements, session.engine().workers(), keep_going), {});
}

// A fork for a map. `evaluate` is given the fork and the position.
template <typename Evaluate>
void fork_for_map(TestSession& session, uint64_t job, const Evaluate& evaluate) {
  TaskTable table = session.engine().share_table(job);
  fork_for(session, job,
           [&](Fork& fork) { fork.each_position(table, [&](uint64_t position) { evaluate(fork, position); }); });
}

void echo_position(Fork& fork, uint64_t position) { fork.answer(std::to_string(position), position); }

std::vector<pid_t> pids_in_state(TestSession& session, const std::string& state) {
  std::vector<pid_t> pids;
  for (const auto& worker : session.engine().worker_infos())
    if (worker.state == state) pids.push_back(worker.pid);
  return pids;
}

void release(const std::string& fifo) { const sys::OwnFd fd(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC)); }

std::string make_fifo(const TempFolder& folder, const std::string& name = "fifo") {
  REQUIRE(::mkfifo(folder.path(name).c_str(), 0600) == 0);
  return folder.path(name);
}

// A task that holds the only place until its fifo is released.
uint64_t occupy(TestSession& session, const std::string& fifo) {
  const uint64_t job = submit(session, [&](Fork& fork) {
    run_task(fork, [&] { fork.wait_at(fifo); });
    fork.answer("released");
  });
  session.wait_started(job);
  return job;
}

// Holds a process that allows it, so that its parent cannot reap it when it has ended.
class Holder {
 public:
  explicit Holder(pid_t held) {
    auto [ours, its] = sys::make_socket_pair();
    holder_ = ::fork();
    if (holder_ == 0) {
      ours.reset();
      char byte = ::ptrace(PTRACE_SEIZE, held, nullptr, nullptr) == 0 ? 'y' : 'n';
      (void)!::write(its.get(), &byte, 1);
      (void)!::read(its.get(), &byte, 1);
      ::_exit(0);
    }
    end_ = std::move(ours);
    its.reset();
    char byte = 'n';
    REQUIRE(::read(end_.get(), &byte, 1) == 1);
    REQUIRE(byte == 'y');
  }
  void let_go() {
    end_.reset();
    CHECK(::waitpid(holder_, nullptr, 0) == holder_);
  }

 private:
  pid_t holder_;
  sys::OwnFd end_;
};

class LeavesNothing {
 public:
  LeavesNothing() : before_(open_fds()) {}
  ~LeavesNothing() {
    CHECK(open_fds() == before_);
    const bool no_child_left = ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
    CHECK(no_child_left);
  }

 private:
  const std::set<int> before_;
};

}  // namespace

TEST_SUITE_BEGIN("engine forks");

// ---- futures

TEST_CASE("a fork answers with what this process knew when it was made") {
  const LeavesNothing nothing;
  TestSession session(forks(2));
  std::string known = "before";
  const uint64_t job = submit(session, [&](Fork& fork) { fork.answer(known + " " + std::to_string(::getppid())); });
  known = "after";
  CHECK(session.value_of(job) == "before " + std::to_string(::getpid()));
}

TEST_CASE("many forks are answered, each with its own value, and are gone when they have answered") {
  const LeavesNothing nothing;
  TestSession session(forks(3));
  std::vector<uint64_t> jobs;
  for (int i = 0; i < 40; ++i) jobs.push_back(submit(session, [i](Fork& fork) { fork.answer(std::to_string(i)); }));
  for (int i = 39; i >= 0; --i) CHECK(session.value_of(jobs[static_cast<size_t>(i)]) == std::to_string(i));
  CHECK(eventually([&] { return session.engine().worker_infos().empty(); }));
  CHECK(session.engine().free_workers() == 3);
}

TEST_CASE("forks beyond the number of workers are parked, and begin in their order") {
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  TestSession session(forks(1));
  const uint64_t first = occupy(session, fifo);
  std::vector<uint64_t> later;
  for (int i = 0; i < 3; ++i) {
    later.push_back(submit(session, [&, i](Fork& fork) {
      const sys::OwnFd file(::open(folder.path("order").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      const char digit = static_cast<char>('0' + i);
      sys::write_all(file.get(), &digit, 1);
      const auto size = ::lseek(file.get(), 0, SEEK_CUR);
      fork.answer(std::to_string(size));
    }));
  }
  CHECK(pids_in_state(session, "waiting").size() == 3);
  CHECK(session.engine().unfinished_forks() == 4);
  CHECK(session.engine().free_workers() == 0);
  CHECK_FALSE(session.engine().answered(later[0], 0));
  release(fifo);
  CHECK(session.value_of(first) == "released");
  for (size_t i = 0; i < 3; ++i) CHECK(session.value_of(later[i]) == std::to_string(i + 1));
  CHECK(eventually([&] { return session.engine().unfinished_forks() == 0; }));
}

TEST_CASE("a future whose parked fork is killed wants another one, and no other does") {
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  TestSession session(forks(1));
  const uint64_t first = occupy(session, fifo);
  const uint64_t victim = submit(session, [](Fork& fork) { fork.answer("never"); });
  const pid_t pid = pids_in_state(session, "waiting").at(0);
  const uint64_t other = submit(session, [](Fork& fork) { fork.answer("other"); });
  REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(eventually([&] { return session.engine().wants_fork(victim); }));
  CHECK_FALSE(session.engine().wants_fork(other));
  fork_for(session, victim, [](Fork& fork) { fork.answer("after all"); });
  release(fifo);
  CHECK(session.value_of(victim) == "after all");
  CHECK(session.value_of(first) == "released");
  CHECK(session.value_of(other) == "other");
}

TEST_CASE("a future that may be tried again wants a fork for each attempt, and one that is cancelled wants none") {
  TestSession session(forks(2));
  const auto deadly = [](Fork& fork) { run_task(fork, [] { ::raise(SIGKILL); }); };
  const uint64_t job = session.engine().new_task(JobPolicy{2});
  fork_for(session, job, deadly);
  CHECK(eventually([&] { return session.engine().wants_fork(job); }));
  fork_for(session, job, deadly);
  CHECK(eventually([&] { return session.engine().wants_fork(job); }));
  fork_for(session, job, deadly);
  CHECK(session.losses_of(job).size() == 3);
  CHECK_FALSE(session.engine().wants_fork(job));

  const uint64_t cancelled = session.engine().new_task(JobPolicy{2});
  fork_for(session, cancelled, deadly);
  CHECK(eventually([&] { return session.engine().wants_fork(cancelled); }));
  session.engine().cancel(cancelled, 0, true);
  CHECK_FALSE(session.engine().wants_fork(cancelled));
  CHECK(session.wait(cancelled).kind == AnswerKind::kCancelled);
}

TEST_CASE("a future whose fork does not heed its time limit wants no other one") {
  EngineOptions options = forks(1);
  options.interrupt_grace = 1;
  TestSession session(std::move(options));
  const uint64_t job = session.engine().new_task(JobPolicy{2, 0.01});
  fork_for(session, job, [](Fork& fork) {
    ::signal(SIGINT, SIG_IGN);
    fork.enter(0, true);
    for (;;) ::pause();
  });
  bool wanted = false;
  CHECK(eventually([&] {
    wanted = wanted || session.engine().wants_fork(job);
    return session.engine().answered(job, 0);
  }));
  CHECK_FALSE(wanted);
  CHECK(session.loss_of(job).cause == avenir::wire::LossCause::kTimeLimit);
}

TEST_CASE("a map wants as many forks as it had, as long as there is work for them") {
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  TestSession session(forks(2));
  const uint64_t job = new_map(session, 10, true);
  const auto wait_or_die = [&](Fork& fork, uint64_t position) {
    if (position == 0) fork.wait_at(fifo);
    if (position == 1) ::raise(SIGKILL);
    echo_position(fork, position);
  };
  fork_for_map(session, job, wait_or_die);
  session.wait_started(job);
  fork_for_map(session, job, wait_or_die);
  CHECK(session.loss_of(job, 1).signal == SIGKILL);
  CHECK(eventually([&] { return session.engine().wants_fork(job); }));
  fork_for_map(session, job, wait_or_die);
  for (uint64_t i = 2; i < 10; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
  CHECK_FALSE(session.engine().wants_fork(job));
  release(fifo);
  CHECK(session.value_of(job, 0) == "0");
}

TEST_CASE("a fork that dies while it runs is lost with its exit code or signal") {
  const LeavesNothing nothing;
  TestSession session(forks(2));
  const uint64_t killed = submit(session, [](Fork& fork) { run_task(fork, [] { ::raise(SIGKILL); }); });
  const uint64_t left = submit(session, [](Fork& fork) { run_task(fork, [] { ::_exit(7); }); });
  CHECK(session.loss_of(killed).signal == SIGKILL);
  CHECK(session.loss_of(left).exit_code == 7);
  CHECK(session.value_of(submit(session, [](Fork& fork) { fork.answer("alive"); })) == "alive");
}

TEST_CASE("a fork that ends some time after its connection is lost with its own exit code, not with a signal of ours") {
  TestSession session(forks(1));
  const uint64_t job = submit(session, [](Fork& fork) {
    run_task(fork, [&fork] {
      fork.hang_up();
      ::usleep(50000);
      ::_exit(7);
    });
  });
  const wire::LostMessage lost = session.loss_of(job);
  CHECK(lost.signal == 0);
  CHECK(lost.exit_code == 7);
}

TEST_CASE("a fork that lives on without its connection is killed, and what it did is lost") {
  const LeavesNothing nothing;
  TestSession session(forks(1));
  const uint64_t job = submit(session, [](Fork& fork) {
    run_task(fork, [&fork] {
      fork.hang_up();
      for (;;) ::pause();
    });
  });
  CHECK(session.loss_of(job).signal == SIGKILL);
  CHECK(session.value_of(submit(session, [](Fork& fork) { fork.answer("alive"); })) == "alive");
}

TEST_CASE("a fork that takes its time to end is told of as lost before, and reaped then") {
  const LeavesNothing nothing;
  const TempFolder folder;
  TestSession session(forks(1));
  const uint64_t job = submit(session, [fifo = make_fifo(folder)](Fork& fork) {
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    run_task(fork, [&] { fork.wait_at(fifo); });
  });
  session.wait_started(job);
  const pid_t pid = session.engine().worker_infos().at(0).pid;
  Holder holder(pid);
  ::kill(pid, SIGKILL);
  CHECK(session.loss_of(job).status_known == 0);
  CHECK(session.value_of(submit(session, [](Fork& fork) { fork.answer("alive"); })) == "alive");
  holder.let_go();
  CHECK(eventually([&] { return ::kill(pid, 0) < 0 && errno == ESRCH; }));
}

TEST_CASE("a parked fork that is cancelled is told so and gone, the one that runs goes on") {
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  TestSession session(forks(1));
  const uint64_t first = occupy(session, fifo);
  const uint64_t cancelled = submit(session, [](Fork& fork) { fork.answer("never"); });
  const pid_t pid = pids_in_state(session, "waiting").at(0);
  session.engine().cancel(cancelled, 0, false);
  CHECK(session.wait(cancelled).kind == AnswerKind::kCancelled);
  CHECK(eventually([&] { return process_gone(pid); }));
  release(fifo);
  CHECK(session.value_of(first) == "released");
}

TEST_CASE("a fork that runs is interrupted by a cancel that asks for it") {
  TestSession session(forks(1));
  const uint64_t job = submit(session, [](Fork& fork) {
    sigset_t interrupt;
    ::sigemptyset(&interrupt);
    ::sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);
    fork.enter();
    fork.announce_start();
    int signal = 0;
    ::sigwait(&interrupt, &signal);
    fork.answer(fork.port().leave() == Interruption::kInterrupt ? "interrupted" : "stray signal");
  });
  session.wait_started(job);
  session.engine().cancel(job, 0, true);
  CHECK(session.value_of(job) == "interrupted");
}

// ---- maps

TEST_CASE("the elements of a map are claimed by its forks, each answered once") {
  for (const unsigned workers : {1u, 3u}) {
    const LeavesNothing nothing;
    TestSession session(forks(workers));
    const uint64_t job = new_map(session, 500);
    for (unsigned i = 0; i < workers; ++i) fork_for_map(session, job, echo_position);
    size_t right = 0;
    for (uint64_t i = 0; i < 500; ++i) right += session.value_of(job, i) == std::to_string(i) ? 1 : 0;
    CHECK(right == 500);
    CHECK_FALSE(session.engine().wants_fork(job));
  }
}

TEST_CASE("an element that kills its fork is lost; without keep_going later ones are not started") {
  TestSession session(forks(1));
  const uint64_t job = new_map(session, 5);
  fork_for_map(session, job, [](Fork& fork, uint64_t position) {
    if (position == 2) ::raise(SIGKILL);
    echo_position(fork, position);
    fork.port().flush();
  });
  CHECK(session.value_of(job, 1) == "1");
  CHECK(session.loss_of(job, 2).element == 2);
  fork_for_map(session, job, echo_position);
  CHECK(eventually([&] { return session.engine().unfinished_forks() == 0; }));
  CHECK_FALSE(session.engine().answered(job, 3));
}

TEST_CASE("a map whose forks have died with work left wants another fork, which does the rest") {
  TestSession session(forks(2));
  const uint64_t job = new_map(session, 20, true);
  const auto deadly = [](Fork& fork, uint64_t position) {
    if (position < 2) ::raise(SIGKILL);
    echo_position(fork, position);
  };
  fork_for_map(session, job, [](Fork&, uint64_t) { ::raise(SIGKILL); });
  CHECK(session.loss_of(job, 0).signal == SIGKILL);
  CHECK(eventually([&] { return session.engine().wants_fork(job); }));
  fork_for_map(session, job, deadly);
  CHECK(session.loss_of(job, 1).signal == SIGKILL);
  CHECK(eventually([&] { return session.engine().wants_fork(job); }));
  fork_for_map(session, job, deadly);
  for (uint64_t i = 2; i < 20; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
  CHECK_FALSE(session.engine().wants_fork(job));
}

TEST_CASE("a fork of a map that is killed before it begins takes no element with it") {
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  TestSession session(forks(1));
  const uint64_t first = occupy(session, fifo);
  const uint64_t job = new_map(session, 3);
  fork_for_map(session, job, echo_position);
  REQUIRE(::kill(pids_in_state(session, "waiting").at(0), SIGKILL) == 0);
  CHECK(eventually([&] { return session.engine().wants_fork(job); }));
  fork_for_map(session, job, echo_position);
  release(fifo);
  CHECK(session.value_of(first) == "released");
  for (uint64_t i = 0; i < 3; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
}

// ---- the child

TEST_CASE("a fork has its four descriptors of the engine's and no other, and an empty standard input") {
  const std::set<int> before = open_fds();
  TestSession session(forks(1));
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  const uint64_t first = occupy(session, fifo);  // another worker, whose sockets must not be held open here
  const uint64_t job = session.engine().new_task();
  if (auto fds = session.engine().fork_worker(job)) {
    std::set<int> expected = before;
    for (const auto* fd : {&fds->data, &fds->control, &fds->slot, &fds->session})
      if (fd->valid()) expected.insert(fd->get());
    char byte;
    const bool right = open_fds() == expected && ::read(STDIN_FILENO, &byte, 1) == 0;
    Fork fork(std::move(*fds));
    fork.answer(right ? "right" : "wrong");
    fork.leave();
  }
  release(fifo);
  CHECK(session.value_of(first) == "released");
  CHECK(session.value_of(job) == "right");
}

TEST_CASE("a fork is the leader of a process group, and its engine is dead") {
  TestSession session(forks(1));
  const uint64_t job = submit(session, [&](Fork& fork) {
    fork.answer(::getpgrp() == ::getpid() && session.engine().dead() ? "right" : "wrong");
  });
  CHECK(session.value_of(job) == "right");
}

// ---- bad times

TEST_CASE("a fork that the system refuses is an error of its own kind; the forks that are there go on") {
  const int code = exit_code_of_child([] {
    TestSession session(forks(2));
    sys::FdPair gate = sys::make_socket_pair();
    const uint64_t there = submit(session, [&](Fork& fork) {
      char byte;
      gate.first.reset();
      sys::read_all(gate.second.get(), &byte, 1);
      fork.answer("there");
    });
    if (::getuid() == 0 && ::setuid(65534) != 0) return 2;  // root has no limit
    const rlimit one{1, 1};
    if (::setrlimit(RLIMIT_NPROC, &one) != 0) return 3;
    const uint64_t refused = session.engine().new_task();
    if (error_kind_of([&] { session.engine().fork_worker(refused); }) != ErrorKind::kOverloaded) return 4;
    gate.first.reset();
    return session.value_of(there) == "there" ? 0 : 5;
  });
  CHECK(code == 0);
}

TEST_CASE("the end of the engine leaves no fork, whether it runs or is parked") {
  const LeavesNothing nothing;
  const TempFolder folder;
  const std::string fifo = make_fifo(folder);
  TestSession session(forks(1));
  occupy(session, fifo);
  for (int i = 0; i < 3; ++i) submit(session, [](Fork& fork) { fork.answer("never"); });
  std::vector<pid_t> pids;
  for (const auto& worker : session.engine().worker_infos()) pids.push_back(worker.pid);
  CHECK(pids.size() == 4);
  session.close();
  for (const pid_t pid : pids) CHECK(process_gone(pid));
}

TEST_SUITE_END();
