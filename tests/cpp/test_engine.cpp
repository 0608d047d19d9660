#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/scope.h"
#include "shm/region.h"
#include "support.h"
#include "sys/poller.h"
#include "sys/socket_pair.h"
#include "test_session.h"

// The engine with fake workers, which are this program again: see fake_worker.h for their behaviours and
// commands.

using avenir::base::ErrorKind;
using avenir::engine::JobPolicy;
using avenir::wire::AnswerKind;
using avenir::wire::LossCause;
using avenir::wire::LostMessage;
using namespace avenir::testing;
namespace sys = avenir::sys;

namespace {

constexpr double kNever = 1e9;

std::vector<std::string> echoes(size_t count) {
  std::vector<std::string> elements;
  for (size_t i = 0; i < count; ++i) elements.push_back("echo " + std::to_string(i));
  return elements;
}

void make_fifo(const std::string& path) { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }

// Lets the task that waits for this fifo go on. The task has opened it, or is about to.
void release(const std::string& path) { const sys::OwnFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC)); }

std::map<uint32_t, pid_t> pids_by_id(TestSession& session) {
  std::map<uint32_t, pid_t> pids;
  for (const auto& worker : session.engine().worker_infos()) pids[worker.id] = worker.pid;
  return pids;
}

pid_t only_busy_worker(TestSession& session) {
  std::vector<pid_t> busy;
  REQUIRE(eventually([&] {
    busy.clear();
    for (const auto& worker : session.engine().worker_infos())
      if (worker.state == std::string("busy")) busy.push_back(worker.pid);
    return busy.size() == 1;
  }));
  return busy[0];
}

bool no_child_left() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

// What a test leaves behind is looked at when its session and its folder's owner have gone.
class LeavesNothing {
 public:
  LeavesNothing() : before_(open_fds()) {}
  ~LeavesNothing() {
    CHECK(open_fds() == before_);
    CHECK(no_child_left());
  }

 private:
  const std::set<int> before_;
};

}  // namespace

TEST_SUITE_BEGIN("engine");

// ---- answers

TEST_CASE("futures are answered, each with its own value, by any number of workers") {
  for (const unsigned workers : {1u, 2u, 5u}) {
    const TempFolder folder;
    const LeavesNothing nothing;
    TestSession session(folder.path(), "well", workers);
    std::vector<uint64_t> jobs;
    for (int i = 0; i < 100; ++i) jobs.push_back(session.submit("echo " + std::to_string(i)));
    for (int i = 99; i >= 0; --i) CHECK(session.value_of(jobs[static_cast<size_t>(i)]) == std::to_string(i));
  }
}

TEST_CASE("records are told from values, and an empty value is a value") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  CHECK(session.wait(session.submit("record with output")).kind == AnswerKind::kRecord);
  const auto empty = session.wait(session.submit("echo"));
  CHECK(empty.kind == AnswerKind::kValue);
  CHECK(empty.bytes.size() == 0);
}

TEST_CASE("submission does not wait: neither for workers that start nor for one that is stopped") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  const pid_t pid = session.wait_idle().at(0);
  REQUIRE(::kill(pid, SIGSTOP) == 0);
  // More than a socket takes, for a worker that takes nothing: it returns, or the test does not end.
  const std::string padding(200 * 1024, 'x');
  std::vector<uint64_t> jobs;
  for (int i = 0; i < 50; ++i) jobs.push_back(session.submit("size " + padding));
  CHECK_FALSE(session.engine().answered(jobs[0], 0));
  CHECK(session.engine().free_workers() == 0);
  REQUIRE(::kill(pid, SIGCONT) == 0);
  for (const uint64_t job : jobs) CHECK(session.value_of(job) == std::to_string(padding.size() + 5));
}

// Reads a line until `done`. The engine's own thread may have been about to read what had come before it was opened.
template <typename Done>
void read_until(avenir::engine::Engine& engine, const avenir::engine::Engine::DirectLine& line, const Done& done) {
  const auto deadline = avenir::base::Deadline::in_seconds(kPatience);
  while (!done() && !deadline.passed())
    if (avenir::sys::wait_readable(line.fd, avenir::base::Deadline::in_seconds(0.02))) engine.receive(line);
  CHECK(done());
  engine.close_line(line);
}

TEST_CASE("who waits for a task may read its worker's socket itself, also when the worker ends") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 2);
  for (const std::string command : {"echo", "raise 9"}) {
    session.wait_idle();
    uint64_t job = session.submit(command);
    auto line = session.engine().open_line(job);
    for (int i = 0; i < 1000 && line.fd < 0; ++i) {  // it was over before the line was opened
      session.wait(job);
      job = session.submit(command);
      line = session.engine().open_line(job);
    }
    REQUIRE(line.fd >= 0);
    read_until(session.engine(), line, [&] { return session.engine().answered(job, 0); });
    const auto answer = session.wait(job);
    CHECK(answer.kind == (command == "echo" ? AnswerKind::kValue : AnswerKind::kLost));
  }
  const uint64_t map = session.submit_map({{"echo"}, {}, {}, "", false});
  CHECK(session.engine().open_line(map).fd < 0);  // a map has many workers
  session.wait(map);
}

TEST_CASE("a worker whose end of a task was read by who waited for it gets the next task") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  session.wait_idle();
  uint64_t first = 0, second = 0;
  avenir::engine::Engine::DirectLine line;
  for (int i = 0; i < 1000 && line.fd < 0; ++i) {
    if (i > 0) session.wait(first);
    if (i > 0) session.wait(second);
    first = session.submit("echo first");
    second = session.submit("echo second");
    line = session.engine().open_line(first);
  }
  REQUIRE(line.fd >= 0);
  read_until(session.engine(), line, [&] { return session.engine().answered(second, 0); });
  CHECK(session.value_of(first) == "first");
  CHECK(session.value_of(second) == "second");
}

TEST_CASE("values are taken together up to the first that is not there or is a record, and can be given back") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);  // one: the last answer comes last
  const uint64_t job = session.submit_map({{"echo a", "echo b", "record c", "echo d"}, {}, {}, "", false});
  session.wait(job, 3);
  session.engine().give_back(job, {3, AnswerKind::kValue, avenir::base::SharedBytes::copy("d", 1), {}});
  session.wait(job, 2);
  const auto first = session.engine().take_values(job, nullptr, 0, 4);
  REQUIRE(first.size() == 2);
  CHECK(first[1].element == 1);
  CHECK(session.engine().take_values(job, nullptr, 2, 4).empty());
  const int order[] = {4, 3, 2, 1};
  const auto last = session.engine().take_values(job, order, 0, 4);
  REQUIRE(last.size() == 1);
  CHECK(last[0].element == 3);
}

TEST_CASE("payloads and answers of any size arrive, large ones by memory files") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 2);
  constexpr size_t kLarge = avenir::shm::kLargePayload;
  for (const size_t size : {kLarge - 1, kLarge, kLarge + 1, 20 * kLarge}) {
    CHECK(session.value("size " + std::string(size - 5, 'x')) == std::to_string(size));
    CHECK(session.value("big " + std::to_string(size)) == std::string(size, 'b'));
  }
}

TEST_CASE("a map's elements are answered each with its own value, in any number of workers") {
  for (const unsigned workers : {1u, 3u}) {
    const TempFolder folder;
    const LeavesNothing nothing;
    TestSession session(folder.path(), "well", workers);
    MapSpec map;
    map.elements = echoes(10000);
    const uint64_t job = session.submit_map(map);
    size_t right = 0;
    for (size_t i = 0; i < map.elements.size(); ++i) right += session.value_of(job, i) == std::to_string(i) ? 1 : 0;
    CHECK(right == map.elements.size());
  }
}

TEST_CASE("a map of nothing is no work for anyone") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  session.submit_map({});
  CHECK(session.value("echo after") == "after");
  CHECK(eventually([&] { return session.engine().free_workers() == 2; }));
}

TEST_CASE("explicit chunks and a permuted order give every element its own value") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = echoes(7);
  map.order = {6, 4, 2, 0, 1, 3, 5};
  map.bounds = {0, 3, 3, 7};
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 7; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
}

TEST_CASE("one chunk is one worker's") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 3);
  session.wait_idle();
  MapSpec map;
  map.elements = std::vector<std::string>(6, "pid");
  map.bounds = {0, 3, 6};
  const uint64_t job = session.submit_map(map);
  std::vector<std::string> pids;
  for (size_t i = 0; i < 6; ++i) pids.push_back(session.value_of(job, i));
  CHECK(std::set<std::string>(pids.begin(), pids.begin() + 3).size() == 1);
  CHECK(std::set<std::string>(pids.begin() + 3, pids.end()).size() == 1);
}

TEST_CASE("large elements of a map travel as large answers do") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = std::vector<std::string>(8, "big 1000000");
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 8; ++i) CHECK(session.value_of(job, i).size() == 1000000);
}

TEST_CASE("futures and maps that are submitted together are all answered") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = echoes(200);
  const uint64_t before = session.submit("echo before"), first = session.submit_map(map);
  const uint64_t between = session.submit("echo between"), second = session.submit_map(map);
  CHECK(session.value_of(second, 199) == "199");
  CHECK(session.value_of(between) == "between");
  CHECK(session.value_of(first, 0) == "0");
  CHECK(session.value_of(before) == "before");
}

TEST_CASE("exactly one answer is counted: a second one and one for an element that is not there are dropped") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  const uint64_t twice = session.submit("twice first"), astray = session.submit("astray here");
  CHECK(session.value_of(twice) == "first");
  CHECK(session.value_of(astray) == "here");
  CHECK(error_kind_of([&] { session.engine().take(twice, 0); }) == ErrorKind::kInternal);
  CHECK(session.value("echo again") == "again");
}

TEST_CASE("asking for a job or an element that is not there is the caller's error") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  CHECK(error_kind_of([&] { session.engine().take(77, 0); }) == ErrorKind::kInvalid);
  const uint64_t job = session.submit("echo");
  CHECK(error_kind_of([&] { session.engine().take(job, 1); }) == ErrorKind::kInvalid);
  CHECK(error_kind_of([&] { session.engine().answered(job, 1); }) == ErrorKind::kInvalid);
}

TEST_CASE("what is to be relayed at once comes before the answer, while the task still runs") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t job = session.submit("wait " + folder.path("gate"));
  CHECK(session.wait_immediate(job) == "started");
  CHECK_FALSE(session.engine().answered(job, 0));
  release(folder.path("gate"));
  CHECK(session.value_of(job) == "released");
}

TEST_CASE("answers to a forgotten job are dropped, and the worker goes on") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t job = session.submit("wait " + folder.path("gate"));
  session.wait_started(job);
  session.engine().forget(job);
  CHECK(error_kind_of([&] { session.engine().answered(job, 0); }) == ErrorKind::kInvalid);
  const uint64_t next = session.submit("echo next");
  release(folder.path("gate"));
  CHECK(session.value_of(next) == "next");
}

TEST_CASE("a forgotten job that waits is never begun") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t running = session.submit("wait " + folder.path("gate"));
  session.wait_started(running);
  session.engine().forget(session.submit("exit 1"));
  release(folder.path("gate"));
  CHECK(session.value_of(running) == "released");
  CHECK(session.value("echo alive") == "alive");
  CHECK(session.engine().worker_infos().at(0).id == 1);
}

TEST_CASE("free workers are those with nothing to do and nothing waiting for them") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  CHECK(session.engine().free_workers() == 2);
  make_fifo(folder.path("gate"));
  const uint64_t job = session.submit("wait " + folder.path("gate"));
  session.wait_started(job);
  CHECK(session.engine().free_workers() == 1);
  release(folder.path("gate"));
  session.wait(job);
  CHECK(eventually([&] { return session.engine().free_workers() == 2; }));
}

// ---- deaths

TEST_CASE("a worker killed while it runs a task loses that task and no other, and is replaced") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 2);
  const uint64_t victim = session.submit("hold");
  session.wait_started(victim);
  const uint64_t other = session.submit("echo other");
  CHECK(session.value_of(other) == "other");
  const pid_t pid = only_busy_worker(session);
  REQUIRE(::kill(pid, SIGKILL) == 0);
  const LostMessage lost = session.loss_of(victim);
  CHECK(lost.pid == pid);
  CHECK(lost.status_known == 1);
  CHECK(lost.signal == SIGKILL);
  const auto pids = session.wait_idle();
  CHECK(pids.size() == 2);
  CHECK(std::count(pids.begin(), pids.end(), pid) == 0);
}

TEST_CASE("how a worker ended is reported: a signal, an exit code, its last words") {
  for (const char* behaviour : {"well", "template-threads"}) {  // a template's child and our own
    const TempFolder folder;
    const LeavesNothing nothing;
    TestSession session(folder.path(), behaviour, 1);
    CHECK(session.loss_of(session.submit("raise 15")).signal == SIGTERM);
    const LostMessage left = session.loss_of(session.submit("exit 3"));
    CHECK(left.signal == 0);
    CHECK(left.exit_code == 3);
    CHECK(session.loss_of(session.submit("complain out of luck")).log == "out of luck\n");
    CHECK(session.value("echo alive") == "alive");
  }
}

TEST_CASE("an idle worker that dies is replaced, and nobody loses anything") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  const pid_t pid = session.wait_idle().at(0);
  REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(eventually([&] {
    const auto pids = session.wait_idle();
    return std::count(pids.begin(), pids.end(), pid) == 0;
  }));
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("a task whose worker dies before it begins is given to another, silently") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  CHECK(session.value("early-death " + folder.path("once")) == "survived early-death");
}

TEST_CASE("a task that kills worker after worker before it begins is lost in the end") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  CHECK(session.loss_of(session.submit("early-death")).signal == SIGKILL);
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("a dead worker of a map loses the element that it ran; those it had only claimed are done by others") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 3);
  MapSpec map;
  map.elements = echoes(40);
  map.elements[5] = "raise 9";
  map.bounds = {0, 10, 20, 30, 40};
  map.keep_going = true;
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 40; ++i) {
    if (i == 5)
      CHECK(session.loss_of(job, i).element == 5);
    else if (i > 5)
      CHECK(session.value_of(job, i) == std::to_string(i));
  }
}

TEST_CASE("finished elements survive their worker when a later one takes long") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  MapSpec map;
  map.elements = {"echo 0", "echo 1", "hold", "echo 3"};
  map.keep_going = true;
  const uint64_t job = session.submit_map(map);
  CHECK(session.value_of(job, 0) == "0");
  CHECK(session.value_of(job, 1) == "1");
  REQUIRE(::kill(session.engine().worker_infos().at(0).pid, SIGKILL) == 0);
  CHECK(session.loss_of(job, 2).signal == SIGKILL);
  CHECK(session.value_of(job, 3) == "3");
}

TEST_CASE("losses in every worker at once leave no element without its one answer") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 3);
  MapSpec map;
  map.elements = echoes(300);
  for (size_t i = 7; i < 300; i += 50) map.elements[i] = i % 100 == 7 ? "raise 9" : "exit 2";
  map.keep_going = true;
  const uint64_t job = session.submit_map(map);
  size_t lost = 0;
  for (size_t i = 0; i < 300; ++i) lost += session.wait(job, i).kind == AnswerKind::kLost ? 1 : 0;
  CHECK(lost >= 6);  // and perhaps some that were finished but not yet sent
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("an element claimed by a worker that died before it said so is done by another") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = echoes(20);
  map.context = "vanish " + folder.path("once");
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 20; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
}

TEST_CASE("after a loss later elements of a map are not begun") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  MapSpec map;
  map.elements = echoes(100000);  // another worker may begin with some before it is known how this one ended
  map.elements[2] = "hold";
  const uint64_t job = session.submit_map(map);
  CHECK(session.value_of(job, 0) == "0");
  CHECK(session.value_of(job, 1) == "1");
  REQUIRE(::kill(session.engine().worker_infos().at(0).pid, SIGKILL) == 0);
  CHECK(session.loss_of(job, 2).element == 2);
  CHECK(session.value("echo after") == "after");
  CHECK_FALSE(session.engine().answered(job, 99999));
}

TEST_CASE("an error at one element stops later ones only") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = echoes(50);
  map.elements[20] = "fail here";
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 20; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
  CHECK(session.wait(job, 20).kind == AnswerKind::kRecord);
}

TEST_CASE("a worker that breaks the protocol is treated as dead") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1);
  for (const char* command : {"garbage", "surprise", "endless", "no-file", "short-file", "unknown-kind", "silent"}) {
    INFO(std::string(command));
    CHECK(session.wait(session.submit(command)).kind == AnswerKind::kLost);
    CHECK(session.value("echo alive") == "alive");
  }
}

TEST_CASE("what a worker has started ends with it") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  const pid_t first = std::stoi(session.value("child")), second = std::stoi(session.value("child"));
  CHECK_FALSE(process_gone(first));
  SUBCASE("when it is killed") {
    REQUIRE(::kill(session.wait_idle().at(0), SIGKILL) == 0);
    CHECK(eventually([&] { return process_gone(first) && process_gone(second); }));
  }
  SUBCASE("when the session closes") {
    session.close();
    CHECK(eventually([&] { return process_gone(first) && process_gone(second); }));
  }
}

TEST_CASE("the template's death loses no worker and no task; a new one is made when a worker is needed") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 2);
  session.wait_idle();
  const pid_t template_pid = std::stoi(session.value("parent"));
  make_fifo(folder.path("gate"));
  const uint64_t running = session.submit("wait " + folder.path("gate"));
  session.wait_started(running);
  REQUIRE(::kill(template_pid, SIGKILL) == 0);
  CHECK(eventually([&] { return process_gone(template_pid); }));
  release(folder.path("gate"));
  CHECK(session.value_of(running) == "released");
  const auto old = pids_by_id(session);
  CHECK(session.wait(session.submit("raise 9")).kind == AnswerKind::kLost);
  const auto pids = session.wait_idle();
  CHECK(pids.size() == 2);
  size_t kept = 0;
  for (const auto& [id, pid] : old) kept += static_cast<size_t>(std::count(pids.begin(), pids.end(), pid));
  CHECK(kept == 1);
  session.close();
  for (const auto& [id, pid] : old) CHECK(eventually([p = pid] { return process_gone(p); }));
}

TEST_CASE("a template that is stopped is replaced when it does not start a worker in time") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1, 1);
  const pid_t template_pid = std::stoi(session.value("parent"));
  REQUIRE(::kill(template_pid, SIGSTOP) == 0);
  CHECK(session.wait(session.submit("raise 9")).kind == AnswerKind::kLost);
  CHECK(session.value("echo again") == "again");
  CHECK(process_gone(template_pid));
}

// ---- starts

TEST_CASE("a program that is not there is an error at once") {
  const LeavesNothing nothing;
  const TempFolder folder;
  avenir::engine::EngineOptions options;
  options.r = fake_spec("well", folder.path());
  options.r.path = "/no/such/R";
  CHECK(error_message_of([&] { avenir::engine::Engine engine(options); }).find("/no/such/R") != std::string::npos);
}

TEST_CASE("when nothing can be started, tasks and maps get the reason, with what was written to standard error") {
  const TempFolder folder;
  const LeavesNothing nothing;
  for (const char* behaviour : {"exits", "worker-exits"}) {
    INFO(std::string(behaviour));
    TestSession session(folder.path(), behaviour, 2);
    MapSpec map;
    map.elements = echoes(2);
    const uint64_t job = session.submit("echo"), map_job = session.submit_map(map);
    const auto answer = session.wait(job);
    CHECK(answer.kind == AnswerKind::kNotStarted);
    CHECK(text(answer.bytes).find("no R here") != std::string::npos);
    for (const size_t i : {0, 1}) CHECK(session.wait(map_job, i).kind == AnswerKind::kNotStarted);
    CHECK(session.wait(session.submit("echo again")).kind == AnswerKind::kNotStarted);
  }
}

TEST_CASE("without a template that serves, workers are started one by one") {
  for (const char* behaviour : {"template-exits", "template-garbage", "template-lies", "template-threads"}) {
    INFO(std::string(behaviour));
    const TempFolder folder;
    const LeavesNothing nothing;
    TestSession session(folder.path(), behaviour, 2);
    CHECK(session.value("echo served") == "served");
    CHECK(session.wait(session.submit("raise 9")).kind == AnswerKind::kLost);
    CHECK(session.wait_idle().size() == 2);
    CHECK(session.value("parent") == std::to_string(::getpid()));
  }
}

TEST_CASE("a template that never says hello is given up at its deadline") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "template-mute", 1, 5);
  CHECK(session.value("echo served") == "served");
}

TEST_CASE("workers that never say hello are given up at their deadline") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "worker-mute", 1, 1);
  const auto answer = session.wait(session.submit("echo"));
  CHECK(answer.kind == AnswerKind::kNotStarted);
  CHECK(text(answer.bytes).find("did not answer within") != std::string::npos);
}

TEST_CASE("workers of another build are refused") {
  const TempFolder folder;
  TestSession session(folder.path(), "worker-other", 1);
  CHECK(session.wait(session.submit("echo")).kind == AnswerKind::kNotStarted);
}

namespace {

// This process has no descriptor left, while this lives.
class DescriptorsTaken {
 public:
  DescriptorsTaken() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit low{static_cast<rlim_t>(*open_fds().rbegin()) + 20, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) fillers_.emplace_back(fd);
  }
  ~DescriptorsTaken() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorsTaken(const DescriptorsTaken&) = delete;
  DescriptorsTaken& operator=(const DescriptorsTaken&) = delete;
  // But so many.
  void leave(size_t room) {
    REQUIRE(fillers_.size() > room);
    fillers_.resize(fillers_.size() - room);
  }

 private:
  rlimit before_;
  std::vector<sys::OwnFd> fillers_;
};

}  // namespace

TEST_CASE("running out of descriptors costs workers, never the tasks of those that are there") {
  const LeavesNothing nothing;
  for (size_t room = 0; room < 14; ++room) {
    CAPTURE(room);
    const TempFolder folder;
    TestSession session(folder.path(), "well", 3);
    session.wait_idle();
    const uint64_t held = session.submit("hold");
    session.wait_started(held);
    DescriptorsTaken taken;
    taken.leave(room);
    for (int i = 0; i < 2; ++i) CHECK(session.wait(session.submit("raise 9")).kind == AnswerKind::kLost);
    session.engine().cancel(held, 0, true);
    CHECK(session.wait(held).kind == AnswerKind::kRecord);
    CHECK(session.value("echo alive") == "alive");
  }
}

TEST_CASE("an answer that there is no descriptor for is lost by our fault, not by the worker's") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t held = session.submit("wait " + folder.path("gate"));
  session.wait_started(held);
  const uint64_t big = session.submit("big 1000000");
  {
    DescriptorsTaken taken;
    taken.leave(1);
    const sys::OwnFd gate(::open(folder.path("gate").c_str(), O_WRONLY | O_CLOEXEC));
    CHECK(session.value_of(held) == "released");
    const LostMessage lost = session.loss_of(big);
    CHECK(lost.cause == LossCause::kUnread);
    CHECK(lost.note.find("receiving a descriptor") != std::string::npos);
  }
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("futures that nobody has collected are different workers', while there are any") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 3);
  session.wait_idle();
  const auto answered = [&] {
    const uint64_t job = session.submit("pid");
    CHECK(eventually([&] { return session.engine().answered(job, 0); }));
    session.wait_idle();
    return job;
  };
  std::vector<uint64_t> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(answered());
  std::set<std::string> pids;
  for (int i = 0; i < 3; ++i) pids.insert(session.value_of(jobs[static_cast<size_t>(i)]));
  CHECK(pids.size() == 3);
  CHECK(pids.count(session.value_of(jobs[3])) == 1);
}

TEST_CASE("a worker that has answered its task and only clears up after it counts as free") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  session.wait_idle();
  make_fifo(folder.path("gate"));
  const uint64_t lingers = session.submit("linger " + folder.path("gate"));
  CHECK(session.value_of(lingers) == "answered");
  CHECK(session.engine().free_workers() == 2);
  const uint64_t held = session.submit("hold");
  session.wait_started(held);
  CHECK(session.engine().free_workers() == 1);
  release(folder.path("gate"));
}

// ---- cancelling

TEST_CASE("a cancelled task that waits is answered at once and never begun") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t running = session.submit("wait " + folder.path("gate"));
  session.wait_started(running);
  const uint64_t queued = session.submit("exit 1");
  session.engine().cancel(queued, 0, true);
  CHECK(session.wait(queued).kind == AnswerKind::kCancelled);
  release(folder.path("gate"));
  CHECK(session.value_of(running) == "released");
  CHECK(session.value("echo same worker") == "same worker");
  CHECK(session.engine().worker_infos().at(0).id == 1);
}

TEST_CASE("a running task that is interrupted ends by itself, and its worker lives on") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  const uint64_t running = session.submit("hold"), other = session.submit("hold");
  session.wait_started(running);
  session.wait_started(other);
  const auto before = pids_by_id(session);
  session.engine().cancel(running, 0, true);
  const auto answer = session.wait(running);
  CHECK(answer.kind == AnswerKind::kRecord);
  CHECK(text(answer.bytes) == "interrupted");
  CHECK_FALSE(session.engine().answered(other, 0));
  CHECK(session.value("echo alive") == "alive");
  CHECK(pids_by_id(session) == before);
}

TEST_CASE("a running task that is cancelled without an interrupt runs to its end") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t job = session.submit("wait " + folder.path("gate"));
  session.wait_started(job);
  session.engine().cancel(job, 0, false);
  release(folder.path("gate"));
  CHECK(session.value_of(job) == "released");
}

TEST_CASE("a task that does not heed the interrupt is killed after the grace") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1, kNever, 0.05);
  const uint64_t job = session.submit("stubborn");
  session.wait_started(job);
  session.engine().cancel(job, 0, true);
  const LostMessage lost = session.loss_of(job);
  CHECK(lost.signal == SIGKILL);
  CHECK(lost.cause == LossCause::kInterrupt);
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("an interrupt never hits a later task") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  session.wait_idle();
  const auto before = pids_by_id(session);
  for (int i = 0; i < 300; ++i) {
    const uint64_t cancelled = session.submit("echo soon"), next = session.submit("echo next");
    session.engine().cancel(cancelled, 0, true);
    CHECK(session.value_of(next) == "next");
    session.wait(cancelled);
  }
  CHECK(pids_by_id(session) == before);
}

TEST_CASE("a cancelled map is not gone on with: running elements are interrupted, others never begun") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = std::vector<std::string>(50, "hold");
  const uint64_t job = session.submit_map(map);
  session.wait_started(job);
  session.engine().cancel(job, 0, true);
  CHECK(session.wait(job, 0).kind == AnswerKind::kRecord);
  CHECK(session.value("echo after") == "after");
  CHECK(eventually([&] { return session.engine().free_workers() == 2; }));
  for (size_t i = 2; i < 50; ++i) CHECK_FALSE(session.engine().answered(job, i));
}

TEST_CASE("cancelling a map from one element on leaves earlier ones alone") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  make_fifo(folder.path("gate"));
  MapSpec map;
  map.elements = {"wait " + folder.path("gate"), "hold", "exit 1", "exit 1"};
  const uint64_t job = session.submit_map(map);
  session.wait_started(job);
  session.wait_started(job);
  session.engine().cancel(job, 1, true);
  CHECK(session.wait(job, 1).kind == AnswerKind::kRecord);
  CHECK_FALSE(session.engine().answered(job, 0));
  release(folder.path("gate"));
  CHECK(session.value_of(job, 0) == "released");
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("a map that is cancelled while elements change hands ends without a kill") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  session.wait_idle();
  const auto before = pids_by_id(session);
  for (int i = 0; i < 30; ++i) {
    MapSpec map;
    map.elements = echoes(500);
    map.elements[499] = "hold";  // whoever gets there must hear the interrupt
    const uint64_t job = session.submit_map(map);
    session.wait(job, static_cast<uint64_t>(i) * 10);
    session.engine().cancel(job, 0, true);
    session.engine().forget(job);
    CHECK(session.value("echo after") == "after");
    CHECK(eventually([&] { return session.engine().free_workers() == 2; }));
  }
  CHECK(pids_by_id(session) == before);
}

TEST_CASE("cancelling what is not known or already answered does nothing") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  session.engine().cancel(1234, 0, true);
  const uint64_t job = session.submit("echo done");
  while (!session.engine().answered(job, 0))
    sys::wait_readable(session.engine().ready_fd(), avenir::base::Deadline::in_seconds(1));
  session.engine().cancel(job, 0, true);
  CHECK(session.value_of(job) == "done");
}

TEST_CASE("a worker that does not heed an interrupt is replaced before it is killed, so that others need not wait") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1);
  const uint64_t job = session.submit("stubborn");
  session.wait_started(job);
  session.engine().cancel(job, 0, true);
  CHECK(session.value("echo in its place") == "in its place");
  CHECK_FALSE(session.engine().answered(job, 0));
}

TEST_CASE("an interrupted worker that ends its task after it was replaced is one too many, and goes") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t job = session.submit("deaf " + folder.path("gate"));
  session.wait_started(job);
  session.engine().cancel(job, 0, true);
  CHECK(session.value("echo in its place") == "in its place");
  release(folder.path("gate"));
  CHECK(eventually([&] { return session.engine().worker_infos().size() == 1; }));
  CHECK(session.value("echo still there") == "still there");
}

TEST_CASE("an engine grows and shrinks while it works: nothing is lost, and in the end there are as many as wanted") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1);
  make_fifo(folder.path("gate"));
  const uint64_t running = session.submit("wait " + folder.path("gate"));
  session.wait_started(running);
  const auto before = pids_by_id(session);
  session.engine().resize(3, 1);
  CHECK(session.value("echo grown") == "grown");
  CHECK(eventually([&] { return session.engine().worker_infos().size() == 3; }));
  CHECK(eventually([&] { return session.engine().free_workers() == 2; }));
  session.engine().resize(1, 1);
  CHECK(eventually([&] { return session.engine().worker_infos().size() == 1; }));
  release(folder.path("gate"));
  CHECK(session.value_of(running) == "released");
  CHECK(session.value("echo shrunk") == "shrunk");
  CHECK(pids_by_id(session) == before);
}

// ---- further attempts, time limits, memory

TEST_CASE("what was begun when its worker was lost is done again as often as it may be") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 2);
  const std::string code = "die-first 2 " + folder.path("mark");
  CHECK(session.value_of(session.submit(code, JobPolicy{2})) == "went on");
  MapSpec map;
  map.elements = echoes(50);
  map.elements[7] = "die-first 2 " + folder.path("other");
  const uint64_t job = session.submit_map(map, JobPolicy{2});
  for (size_t i = 0; i < 50; ++i) CHECK(session.value_of(job, i) == (i == 7 ? "went on" : std::to_string(i)));
}

TEST_CASE("without a further attempt it is lost, with the end of every worker that has tried") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  CHECK(session.losses_of(session.submit("raise 9")).size() == 1);
  MapSpec map;
  map.elements = echoes(20);
  map.elements[3] = "exit 5";
  const uint64_t job = session.submit_map(map, JobPolicy{2});
  const auto losses = session.losses_of(job, 3);
  REQUIRE(losses.size() == 3);
  for (const LostMessage& lost : losses) CHECK(lost.exit_code == 5);
  CHECK(losses[0].pid != losses[2].pid);
}

TEST_CASE("a map that keeps going answers all elements but those that are lost") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  map.elements = echoes(40);
  map.keep_going = true;
  for (const size_t i : {0u, 13u, 39u}) map.elements[i] = "raise 9";
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 40; ++i) {
    if (map.elements[i] == "raise 9")
      CHECK(session.loss_of(job, i).signal == SIGKILL);
    else
      CHECK(session.value_of(job, i) == std::to_string(i));
  }
}

TEST_CASE("a task that is cancelled while its worker is lost is not tried again") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  const uint64_t job = session.submit("stubborn", JobPolicy{5});
  session.wait_started(job);
  session.engine().cancel(job, 0, false);
  REQUIRE(::kill(only_busy_worker(session), SIGKILL) == 0);
  CHECK(session.losses_of(job).size() == 1);
}

TEST_CASE("an evaluation that takes longer than its limit is interrupted, the next one has its own time") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  session.wait_idle();
  const auto before = pids_by_id(session);
  CHECK(session.wait(session.submit("hold", JobPolicy{0, 0.01})).kind == AnswerKind::kRecord);
  MapSpec map;
  map.elements = {"echo a", "hold", "echo b", "hold", "echo c"};
  map.keep_going = true;
  const uint64_t job = session.submit_map(map, JobPolicy{0, 0.01});
  CHECK(session.value_of(job, 0) == "a");
  CHECK(session.wait(job, 1).kind == AnswerKind::kRecord);
  CHECK(session.value_of(job, 2) == "b");
  CHECK(session.wait(job, 3).kind == AnswerKind::kRecord);
  CHECK(session.value_of(job, 4) == "c");
  CHECK(pids_by_id(session).begin()->second == before.begin()->second);
}

TEST_CASE("one that does not heed its limit, or is stopped, is lost to it after the grace and not tried again") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1, kNever, 0.05);
  const uint64_t stubborn = session.submit("stubborn", JobPolicy{3, 0.01});
  const auto losses = session.losses_of(stubborn);
  CHECK(losses.size() == 1);
  CHECK(losses.at(0).cause == LossCause::kTimeLimit);
  const uint64_t stopped = session.submit("raise " + std::to_string(SIGSTOP), JobPolicy{0, 0.01});
  CHECK(session.loss_of(stopped).cause == LossCause::kTimeLimit);
  CHECK(session.value("echo alive") == "alive");
}

TEST_CASE("one that is stopped before it begins is lost at the limit, and another one has its job") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  const pid_t pid = session.wait_idle().at(0);
  REQUIRE(::kill(pid, SIGSTOP) == 0);
  CHECK(session.value_of(session.submit("echo well", JobPolicy{0, 0.05})) == "well");
  CHECK(session.wait_idle().at(0) != pid);
}

TEST_CASE("why a worker has ended is told: by quit(), by us for what it sent, by us after an interrupt") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1, kNever, 0.05);
  const LostMessage left = session.loss_of(session.submit("quit 4"));
  CHECK(left.cause == LossCause::kQuit);
  CHECK(left.exit_code == 4);
  CHECK(session.loss_of(session.submit("raise 9")).cause == LossCause::kUnknown);
  const LostMessage odd = session.loss_of(session.submit("surprise"));
  CHECK(odd.cause == LossCause::kProtocol);
  CHECK(odd.note.find("no worker may send") != std::string::npos);
}

TEST_CASE("a worker that has grown too large goes after its task or element, and loses nothing") {
  const TempFolder folder;
  const LeavesNothing nothing;
  TestSession session(folder.path(), "well", 1);
  const std::string first = session.value("leave"), second = session.value("leave");
  CHECK(first != second);
  MapSpec map;
  map.elements = {"leave", "echo b", "leave", "echo d", "echo e"};
  map.bounds = {0, 5};  // one chunk: what is left of it is for others
  const uint64_t job = session.submit_map(map);
  CHECK(session.value_of(job, 0) != session.value_of(job, 2));
  CHECK(session.value_of(job, 1) == "b");
  CHECK(session.value_of(job, 4) == "e");
}

// ---- forks of the session

TEST_CASE(
    "in a fork that the user makes every call is refused and no descriptor of the engine is open; the parent "
    "goes on") {
  const TempFolder folder;
  const auto before = open_fds();
  TestSession session(folder.path(), "well", 2);
  session.wait_idle();
  const uint64_t running = session.submit("hold");
  session.wait_started(running);
  MapSpec map;
  map.elements = {"echo 0", "hold", "hold", "hold"};
  const uint64_t job = session.submit_map(map);
  const uint64_t large = session.submit("size " + std::string(1 << 20, 'x'));
  const auto refused = [](const auto& call) { return error_kind_of(call) == ErrorKind::kUnsupported; };
  avenir::engine::Engine& engine = session.engine();
  const int code = exit_code_of_child([&] {
    if (!engine.dead()) return 1;
    if (!refused([&] { engine.submit_task(shared("echo")); })) return 2;
    if (!refused([&] { engine.take(running, 0); })) return 3;
    if (!refused([&] { engine.take_immediate(running); })) return 4;
    if (!refused([&] { engine.answered(running, 0); })) return 5;
    if (!refused([&] { engine.cancel(running, 0, true); })) return 6;
    if (!refused([&] { engine.forget(running); })) return 7;
    if (!refused([&] { engine.free_workers(); })) return 8;
    if (!refused([&] { engine.worker_infos(); })) return 9;
    if (!refused([&] { session.submit_map({}); })) return 10;
    if (open_fds() != before) return 11;
    session.close();
    return 0;
  });
  CHECK(code == 0);
  CHECK_FALSE(engine.dead());
  CHECK(session.value_of(job, 0) == "0");
  engine.cancel(running, 0, true);
  CHECK(session.wait(running).kind == AnswerKind::kRecord);
  engine.cancel(job, 0, true);
  CHECK(session.value_of(large) == std::to_string((1 << 20) + 5));
}

TEST_CASE("a fork that lives on hides no death and keeps no worker alive") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  const auto pids = session.wait_idle();
  sys::FdPair gate = sys::make_socket_pair();
  const pid_t child = ::fork();
  if (child == 0) {
    char byte;
    gate.first.reset();
    sys::read_all(gate.second.get(), &byte, 1);
    ::_exit(0);
  }
  CHECK(session.loss_of(session.submit("raise 9")).signal == SIGKILL);
  CHECK(session.value("echo alive") == "alive");
  session.close();
  for (const pid_t pid : pids) CHECK(eventually([p = pid] { return process_gone(p); }));
  gate.first.reset();
  CHECK(::waitpid(child, nullptr, 0) == child);
}

// ---- the end

TEST_CASE("the end of the engine leaves no process, no descriptor and no temporary folder, whatever was going on") {
  const LeavesNothing nothing;
  const TempFolder folder;
  TestSession session(folder.path(), "well", 3);
  std::vector<pid_t> pids;
  SUBCASE("idle") {
    pids = session.wait_idle();
    pids.push_back(std::stoi(session.value("parent")));
  }
  SUBCASE("busy") {
    for (int i = 0; i < 3; ++i) session.wait_started(session.submit(i == 0 ? "hold" : "stubborn"));
    for (int i = 0; i < 100; ++i) session.submit("size " + std::string(1 << 18, 'x'));
    for (const auto& [id, pid] : pids_by_id(session)) pids.push_back(pid);
  }
  SUBCASE("stopped") {
    pids = session.wait_idle();
    for (const pid_t pid : pids) ::kill(pid, SIGSTOP);
  }
  SUBCASE("starting") {}
  SUBCASE("just after deaths") {
    pids = session.wait_idle();
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
  }
  session.close();
  for (const pid_t pid : pids) CHECK(process_gone(pid));
  CHECK_FALSE(std::filesystem::exists(folder.path()));
}

TEST_CASE(
    "a session that is killed, alone, with its template or while all others are stopped, takes all processes and the "
    "temporary folder along") {
  enum Others { kWork, kLackTemplate, kAreStopped };
  for (const Others others : {kWork, kLackTemplate, kAreStopped}) {
    const LeavesNothing nothing;
    const TempFolder folder;
    sys::FdPair output = sys::make_socket_pair();
    sys::SpawnSpec spec = fake_spec("well", folder.path());
    spec.argv.emplace_back("session");
    for (int target = 0; target < 3; ++target) spec.fds.emplace_back(output.second.get(), target);
    const pid_t victim = sys::spawn(spec);
    output.second.reset();
    std::string line;
    char byte;
    while (sys::read_all(output.first.get(), &byte, 1) && byte != '\n') line += byte;
    std::istringstream words(line);
    std::vector<pid_t> pids;  // the template's first
    for (pid_t pid; words >> pid;) pids.push_back(pid);
    REQUIRE(pids.size() == 3);
    REQUIRE(::kill(victim, SIGSTOP) == 0);  // or it would make a new template
    if (others == kLackTemplate) REQUIRE(::kill(pids[0], SIGKILL) == 0);
    for (const pid_t pid : pids)
      if (others == kAreStopped) REQUIRE(::kill(pid, SIGSTOP) == 0);
    REQUIRE(::kill(victim, SIGKILL) == 0);
    CHECK(::waitpid(victim, nullptr, 0) == victim);
    for (const pid_t pid : pids) CHECK(eventually([p = pid] { return process_gone(p); }));
    CHECK(eventually([&] { return !std::filesystem::exists(folder.path()); }));
  }
}

TEST_CASE("engines beside each other do not disturb each other") {
  const LeavesNothing nothing;
  const TempFolder folder_a, folder_b;
  TestSession a(folder_a.path(), "well", 1), b(folder_b.path(), "well", 1);
  const uint64_t held = a.submit("hold");
  a.wait_started(held);
  CHECK(b.value("echo b") == "b");
  a.close();
  CHECK(b.value("echo still b") == "still b");
}

#ifdef __linux__
TEST_CASE("while nothing happens the engine's thread waits without a time limit") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  session.wait_idle();
  session.value("echo once");
  // The kernel's own account of what each other thread waits in: the number of the call and its arguments.
  const auto waits_for_ever = [](const std::filesystem::path& task) {
    std::ifstream file(task / "syscall");
    long number = -1;
    uint64_t arguments[6] = {};
    file >> number >> std::hex;
    for (uint64_t& argument : arguments) file >> argument;
#ifdef AVENIR_PORTABLE
    const bool waits = static_cast<int>(arguments[2]) == -1 || arguments[2] == 0;  // poll's time, ppoll's pointer
#else
    const bool waits = static_cast<int>(arguments[3]) == -1;  // epoll_wait's time
#endif
    return number > 0 && waits;
  };
  CHECK(eventually([&] {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
      if (task.path().filename() != std::to_string(::getpid()) && waits_for_ever(task.path())) return true;
    return false;
  }));
}
#endif

TEST_SUITE_END();
