#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include "engine/worker_port.h"
#include "shm/region.h"
#include "support.h"
#include "sys/socket_pair.h"

using namespace avenir::engine;
using namespace avenir::testing;
namespace sys = avenir::sys;
namespace wire = avenir::wire;

namespace {

volatile sig_atomic_t interrupts = 0;

// A worker's port and the session's ends of its sockets. Only in a child process: the port's thread ends with
// the process.
struct Worker {
  sys::FdPair data = sys::make_socket_pair(), control = sys::make_socket_pair();
  avenir::shm::SharedSlot slot = avenir::shm::SharedSlot::create();
  WorkerPort port{{std::move(data.second), std::move(control.second), sys::duplicate(slot.fd()), sys::OwnFd()}, ""};
  wire::FrameReader reader;

  Worker() {
    ::signal(SIGINT, [](int) { interrupts = interrupts + 1; });
    port.start_watcher();
  }
  void interrupt(uint64_t job, uint64_t from) { tell(wire::FrameType::kInterrupt, job, {from}); }
  void time_is_up(uint64_t job, uint64_t position, uint64_t nanoseconds) {
    tell(wire::FrameType::kTimeLimit, job, {position, nanoseconds});
  }
  void tell(wire::FrameType type, uint64_t job, const std::vector<uint64_t>& body) {
    wire::FrameWriter writer;
    writer.push(type, job, avenir::base::SharedBytes::copy(body.data(), body.size() * sizeof(uint64_t)));
    writer.flush(control.first.get(), true);
  }
  bool refuses(uint64_t job, uint64_t position) {
    if (!port.enter(job, position)) return true;
    port.leave();
    return false;
  }
  void answer(uint64_t job, const std::string& value) {
    port.answer(job, 0, wire::AnswerKind::kValue, reinterpret_cast<const uint8_t*>(value.data()), value.size());
  }
  wire::Frame next_frame() {
    std::vector<wire::Frame> frames;
    reader.receive(data.first.get(), true, frames);
    return std::move(frames.at(0));
  }
};

// The number of the first check that does not hold; 0 when all do.
template <typename Body>
int in_a_worker(Body body) {
  return exit_code_of_child([&] { return body(*new Worker); });
}

}  // namespace

TEST_CASE("an interrupt refuses what has not begun, from its position on and of its job only") {
  CHECK(in_a_worker([](Worker& worker) {
          worker.interrupt(1, 5);
          if (!eventually([&] { return worker.refuses(1, 7); })) return 1;
          if (!worker.refuses(1, 5)) return 2;
          if (worker.refuses(1, 4)) return 3;
          if (worker.refuses(2, 7)) return 4;
          worker.interrupt(1, 2);
          if (!eventually([&] { return worker.refuses(1, 4); })) return 5;
          worker.interrupt(1, 6);  // does not take the earlier one back
          worker.interrupt(3, 0);
          if (!eventually([&] { return worker.refuses(3, 0); })) return 6;
          return interrupts == 0 ? 0 : 7;
        }) == 0);
}

TEST_CASE("an interrupt is a SIGINT for what runs from its position on, and for nothing else") {
  CHECK(in_a_worker([](Worker& worker) {
          if (!worker.port.enter(1, 3)) return 1;
          worker.interrupt(1, 4);
          worker.interrupt(2, 0);
          if (worker.port.leave() != Interruption::kNone) return 2;
          if (!worker.port.enter(1, 3)) return 3;
          worker.interrupt(1, 3);
          if (!eventually([] { return interrupts > 0; })) return 4;
          if (worker.port.leave() != Interruption::kInterrupt) return 5;
          if (interrupts != 1) return 6;
          return worker.port.enter(4, 0) && worker.port.leave() == Interruption::kNone ? 0 : 7;
        }) == 0);
}

TEST_CASE("a time limit ends the evaluation that it names when that has run for as long, and no other") {
  CHECK(in_a_worker([](Worker& worker) {
          constexpr uint64_t kHour = 3600 * uint64_t{1000000000};
          if (!worker.port.enter(1, 3, true)) return 1;
          if (worker.slot->began == 0) return 2;
          worker.time_is_up(1, 3, kHour);  // too early
          worker.time_is_up(1, 2, 0);
          worker.time_is_up(2, 3, 0);
          if (worker.port.leave() != Interruption::kNone) return 3;
          if (!worker.port.enter(1, 4, true)) return 4;  // nothing of it lasts
          worker.time_is_up(1, 4, 1);
          if (!eventually([] { return interrupts > 0; })) return 5;
          if (worker.port.leave() != Interruption::kTimeLimit) return 6;
          return interrupts == 1 && worker.port.enter(1, 5, true) ? 0 : 7;
        }) == 0);
}

TEST_CASE("a worker is over its memory limit when its own memory is more, and never without a limit") {
  CHECK(in_a_worker([](Worker& worker) {
          if (worker.port.over_memory_limit()) return 1;
          worker.slot->memory_limit = uint64_t{1} << 50;
          if (worker.port.over_memory_limit()) return 2;
          worker.slot->memory_limit = 1;
          return worker.port.over_memory_limit() ? 0 : 3;
        }) == 0);
}

TEST_CASE("that the code has quit is noted, but not by a process that it forks") {
  CHECK(in_a_worker([](Worker& worker) {
          const int code = exit_code_of_child([&] {
            worker.port.note_quit();
            return 0;
          });
          if (code != 0 || worker.slot->quit != 0) return 1;
          worker.port.note_quit();
          return worker.slot->quit == 1 ? 0 : 2;
        }) == 0);
}

TEST_CASE("a finished answer is sent while the next task runs, however long that takes") {
  CHECK(in_a_worker([](Worker& worker) {
          worker.port.flush();
          worker.answer(1, "finished");
          const wire::Frame frame = worker.next_frame();
          if (frame.header.type != wire::FrameType::kAnswer || frame.header.id != 1) return 1;
          const auto answers = wire::decode_answers(frame.body);
          return answers.size() == 1 && text(answers[0].bytes) == "finished" ? 0 : 2;
        }) == 0);
}

TEST_CASE("the slot tells the session what runs, and that nothing does") {
  CHECK(in_a_worker([](Worker& worker) {
          worker.port.enter(7, 9);
          if (worker.slot->job != 7 || worker.slot->position != 9) return 1;
          worker.port.leave();
          worker.port.say_idle(7);
          return worker.slot->job == 0 ? 0 : 2;
        }) == 0);
}

TEST_CASE(
    "answers come before the word that the worker is free, immediate conditions after the answers before "
    "them") {
  CHECK(in_a_worker([](Worker& worker) {
          const uint8_t news = 'n';
          worker.answer(1, "value");
          worker.port.send_immediate(1, &news, 1);
          worker.answer(1, "another");
          worker.port.say_idle(1);
          for (const auto type : {wire::FrameType::kAnswer, wire::FrameType::kImmediate, wire::FrameType::kAnswer,
                                  wire::FrameType::kIdle}) {
            std::vector<wire::Frame> frames;
            wire::FrameHeader header;
            if (!sys::read_all(worker.data.first.get(), &header, sizeof header) || header.type != type) return 1;
            std::string body(header.length, ' ');
            if (!sys::read_all(worker.data.first.get(), body.data(), body.size())) return 2;
          }
          return 0;
        }) == 0);
}

TEST_CASE("the session's end ends the worker, even while a task runs") {
  for (const bool closes_control : {true, false}) {
    const int code = in_a_worker([=](Worker& worker) {
      worker.port.enter(1, 0);
      if (closes_control) {
        worker.control.first.reset();
        for (;;) ::pause();
      }
      worker.data.first.reset();
      wire::Frame frame;
      return worker.port.receive(frame) ? 1 : 0;
    });
    CHECK(code == 0);
  }
}

TEST_CASE("a child that user code forks off a worker holds none of its descriptors") {
  const auto before = open_fds();
  CHECK(in_a_worker([&](Worker& worker) {
          return exit_code_of_child([&] {
            worker.data.first.reset();
            worker.control.first.reset();
            worker.slot.take_fd();
            return open_fds() == before ? 0 : 1;
          });
        }) == 0);
}
