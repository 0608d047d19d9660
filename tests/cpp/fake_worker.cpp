#include "fake_worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include "engine/node_run.h"
#include "engine/template_server.h"
#include "engine/worker_port.h"
#include "net/zstd.h"
#include "plain_stream.h"
#include "shm/job_data.h"
#include "shm/publication.h"
#include "shm/region.h"
#include "shm/task_table.h"
#include "support.h"
#include "sys/signals.h"
#include "test_session.h"

namespace avenir::testing {

namespace {

volatile sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

// True for the first process that asks for this path.
bool first_to_make(const std::string& path) {
  return sys::OwnFd(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)).valid();
}

[[noreturn]] void die_by(int signal) {
  sys::SignalsBlocked const blocked;
  ::signal(signal, SIG_DFL);
  ::kill(::getpid(), signal);
  sigset_t none;
  ::sigemptyset(&none);
  for (;;) ::sigsuspend(&none);
}

// Serves as src/worker/worker_loop.cpp does, with commands in the place of R code:
//
//   echo TEXT         the value TEXT
//   size PADDING      the value is the length of the whole command
//   big N             a value of N bytes
//   pid, parent       a value: the process, its parent
//   record TEXT       a record
//   fail TEXT         a record that stops later elements of a map, as an error does
//   say TEXT          an immediate condition, then the value "said"
//   wait PATH         an immediate condition "started", then waits until somebody opens the fifo for writing
//   deaf PATH         the same, whatever interrupts come
//   hold              an immediate condition "started", then waits for an interrupt; a record
//   stubborn          the same, but for ever
//   raise N, exit N   ends while the task runs
//   complain TEXT     writes to its standard error and ends by signal 9
//   child             the value: the process id of a child of this worker, which waits for ever
//   hold-first PATH   holds, once for each PATH; else the value "went on"
//   die-first N PATH  ends by signal 9 while the task runs, N times for each PATH; else the value "went on"
//   quit N            says that it quits, and ends with this code
//   leave             a value; then the worker has grown too large
//   twice TEXT        answers twice; astray: answers an element that is not there, then its own
//   silent            says that it is free without an answer
//   share N           a segment of N bytes 's', and the value "shared"
//   held              how many of the segments it was sent the worker has: "N"
//   view NAME         keeps a view of the segment ("MAKER NUMBER") until
//   unview            comes; `look` gives its first byte
//   view-and-fork NAME, view-and-die NAME   has a view, forks meanwhile, or dies
//   send-back NAME    the segment comes with the value "back"
//   garbage, surprise, endless, no-file, short-file, unknown-kind, segment-without-file, segment-too-short,
//   segment-unsealed  breaks the protocol
//   early-death PATH  ends before the task begins, once for each PATH; with no PATH always
class FakeWorker {
 public:
  FakeWorker(engine::WorkerFds fds, const std::string& folder, bool other_protocol)
      : data_(fds.data.get()), port_(std::move(fds), make_folder(folder)) {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    ::sigaction(SIGINT, &action, nullptr);
    fill_commands();
    port_.start_watcher();
    if (other_protocol)
      send_hello_of_another_build();
    else
      port_.say_hello();
  }

  [[noreturn]] void run() {
    wire::Frame frame;
    while (port_.receive(frame)) {
      if (frame.header.type == wire::FrameType::kDropSegments || frame.header.type == wire::FrameType::kDropContext)
        continue;
      job_ = frame.header.id;
      if (frame.header.type == wire::FrameType::kTask) run_task(frame);
      if (frame.header.type == wire::FrameType::kMap) run_map(frame);
      port_.flush();
      port_.say_idle(job_);
    }
    port_.await_end();
  }

 private:
  using Command = void (FakeWorker::*)(const std::string& argument);

  static std::string make_folder(const std::string& folder) {
    const std::string own = folder + "/worker-" + std::to_string(::getpid());
    std::filesystem::create_directory(own);
    return own;
  }

  void fill_commands() {
    commands_ = {{"echo", &FakeWorker::echo},
                 {"big", &FakeWorker::big},
                 {"pid", &FakeWorker::pid},
                 {"parent", &FakeWorker::parent},
                 {"record", &FakeWorker::record},
                 {"fail", &FakeWorker::fail},
                 {"say", &FakeWorker::say},
                 {"wait", &FakeWorker::wait},
                 {"linger", &FakeWorker::linger},
                 {"hold", &FakeWorker::hold},
                 {"stubborn", &FakeWorker::stubborn},
                 {"raise", &FakeWorker::raise},
                 {"exit", &FakeWorker::exit},
                 {"complain", &FakeWorker::complain},
                 {"child", &FakeWorker::child},
                 {"quit", &FakeWorker::quit},
                 {"leave", &FakeWorker::leave},
                 {"deaf", &FakeWorker::deaf},
                 {"hold-first", &FakeWorker::hold_first},
                 {"die-first", &FakeWorker::die_first},
                 {"twice", &FakeWorker::twice},
                 {"astray", &FakeWorker::astray},
                 {"silent", &FakeWorker::silent},
                 {"garbage", &FakeWorker::garbage},
                 {"surprise", &FakeWorker::surprise},
                 {"endless", &FakeWorker::endless},
                 {"no-file", &FakeWorker::no_file},
                 {"short-file", &FakeWorker::short_file},
                 {"size", &FakeWorker::size},
                 {"unknown-kind", &FakeWorker::unknown_kind},
                 {"share", &FakeWorker::share},
                 {"view", &FakeWorker::view},
                 {"unview", &FakeWorker::unview},
                 {"look", &FakeWorker::look},
                 {"view-and-fork", &FakeWorker::view_and_fork},
                 {"view-and-die", &FakeWorker::view_and_die},
                 {"send-back", &FakeWorker::send_back},
                 {"held", &FakeWorker::held},
                 {"segment-without-file", &FakeWorker::segment_without_file},
                 {"segment-too-short", &FakeWorker::segment_too_short},
                 {"segment-unsealed", &FakeWorker::segment_unsealed}};
  }

  void run_task(wire::Frame& frame) {
    base::SharedBytes payload = frame.body;
    if (!frame.fds.empty()) payload = shm::attach(frame.fds.front(), base::ByteReader(frame.body).get<uint64_t>());
    evaluate(text(payload), 0, 0);
  }

  // The context of a map: "", or "vanish PATH": the first worker claims a unit and dies before it has marked
  // it.
  void run_map(wire::Frame& frame) {
    table_.emplace(shm::TaskTable::attach(std::move(frame.fds.at(0))));
    const shm::JobData data = shm::JobData::attach(frame.fds.at(1));
    const bool in_pieces = frame.fds.size() > 2;
    const std::string context = text((in_pieces ? shm::JobData::attach(frame.fds[2]) : data).context());
    if (context.rfind("vanish ", 0) == 0 && first_to_make(context.substr(7))) {
      table_->claim(1);
      die_by(SIGKILL);
    }
    base::ByteReader body(frame.body);
    for (auto left = body.get<uint64_t>(); left > 0; --left) run_position(data, body.get<uint64_t>());
    for (;;) {
      const shm::UnitRange units = table_->claim(1);
      if (units.begin == units.end) break;
      run_unit(data, units.begin);
    }
    table_.reset();
  }

  void run_unit(const shm::JobData& data, uint64_t unit) {
    const auto [begin, end] = data.unit(unit);
    for (uint64_t position = begin; position < end; ++position)
      table_->mark(position, shm::kStateClaimed, port_.number());
    for (uint64_t position = begin; position < end; ++position) run_position(data, position);
  }

  void run_position(const shm::JobData& data, uint64_t position) {
    if (table_->stopped(position)) return;
    table_->mark(position, shm::kStateStarted, port_.number());
    const uint64_t element = data.element_at(position);
    evaluate(text(data.element(element)), position, element);
  }

  void evaluate(const std::string& code, uint64_t position, uint64_t element) {
    const size_t space = std::min(code.find(' '), code.size());
    const std::string name = code.substr(0, space);
    const std::string argument = space < code.size() ? code.substr(space + 1) : "";
    if (name == "early-death" && (argument.empty() || first_to_make(argument))) die_by(SIGKILL);
    position_ = position;
    element_ = element;
    code_size_ = code.size();
    interrupted = 0;
    if (!port_.enter(job_, position, true)) return answer("interrupted before it began", wire::AnswerKind::kRecord);
    const auto command = commands_.find(name);
    if (command == commands_.end()) {
      port_.leave();
      return answer("survived " + name);
    }
    (this->*command->second)(argument);
    port_.leave();
  }

  void answer(const std::string& value, wire::AnswerKind kind = wire::AnswerKind::kValue) {
    port_.answer(job_, element_, kind, reinterpret_cast<const uint8_t*>(value.data()), value.size());
  }
  void announce(const std::string& news) {
    port_.send_immediate(job_, reinterpret_cast<const uint8_t*>(news.data()), news.size());
  }

  void echo(const std::string& value) { answer(value); }
  void size(const std::string&) { answer(std::to_string(code_size_)); }
  void big(const std::string& size) { answer(std::string(std::stoul(size), 'b')); }
  void pid(const std::string&) { answer(std::to_string(::getpid())); }
  void parent(const std::string&) { answer(std::to_string(::getppid())); }
  void record(const std::string& value) { answer(value, wire::AnswerKind::kRecord); }
  void fail(const std::string& value) {
    record(value);
    if (table_ && !table_->keep_going()) table_->stop_from(position_);
  }
  void say(const std::string& news) {
    announce(news);
    answer("said");
  }
  void wait(const std::string& path) {
    announce("started");
    answer(sys::OwnFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)).valid() ? "released" : "no such fifo");
  }
  // Has answered, and is not done yet.
  void linger(const std::string& path) {
    answer("answered");
    port_.flush();
    const sys::OwnFd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  void deaf(const std::string& path) {
    announce("started");
    while (!sys::OwnFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)).valid()) {
    }
    answer("released");
  }
  void hold(const std::string&) {
    sigset_t interrupt, before;
    ::sigemptyset(&interrupt);
    ::sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    announce("started");
    while (interrupted == 0) ::sigsuspend(&before);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    record("interrupted");
  }
  void stubborn(const std::string&) {
    announce("started");
    sigset_t none;
    ::sigemptyset(&none);
    for (;;) ::sigsuspend(&none);
  }
  void hold_first(const std::string& path) {
    if (first_to_make(path)) return hold("");
    answer("went on");
  }
  void die_first(const std::string& argument) {
    const size_t space = argument.find(' ');
    for (int i = 0; i < std::stoi(argument.substr(0, space)); ++i)
      if (first_to_make(argument.substr(space + 1) + std::to_string(i))) die_by(SIGKILL);
    answer("went on");
  }
  void quit(const std::string& code) {
    port_.note_quit();
    ::_exit(std::stoi(code));
  }
  void leave(const std::string&) {
    answer(std::to_string(::getpid()));
    port_.leave();
    port_.leave_for_memory(job_);
  }
  void raise(const std::string& signal) { die_by(std::stoi(signal)); }
  void exit(const std::string& code) { ::_exit(std::stoi(code)); }
  void complain(const std::string& reason) {
    std::fprintf(stderr, "%s\n", reason.c_str());
    std::fflush(stderr);
    die_by(SIGKILL);
  }
  void child(const std::string&) {
    const pid_t made = ::fork();
    if (made == 0)
      for (;;) ::pause();
    answer(std::to_string(made));
  }

  void twice(const std::string& value) {
    answer(value);
    answer("second");
  }
  void astray(const std::string& value) {
    const uint8_t nothing = 0;
    port_.answer(job_, element_ + 1000, wire::AnswerKind::kValue, &nothing, 1);
    answer(value);
  }
  void silent(const std::string&) {}
  void garbage(const std::string&) { write_raw(std::string(200, '\xee')); }
  void surprise(const std::string&) { send_raw(wire::FrameType::kFork, {}); }
  void endless(const std::string&) {
    const wire::FrameHeader header{wire::FrameType::kAnswer, 0, job_, uint64_t{1} << 39};
    write_raw(std::string(reinterpret_cast<const char*>(&header), sizeof header));
  }
  void no_file(const std::string&) { send_raw(wire::FrameType::kBigAnswer, head_of(10, wire::AnswerKind::kValue)); }
  void short_file(const std::string&) {
    auto file = std::make_shared<sys::OwnFd>(shm::publish("short", 5, "avenir-test"));
    send_raw(wire::FrameType::kBigAnswer, head_of(1 << 20, wire::AnswerKind::kValue), {std::move(file)});
  }
  void unknown_kind(const std::string&) {
    send_raw(wire::FrameType::kAnswer, head_of(0, wire::AnswerKind::kCancelled));
  }

  void share(const std::string& size) {
    shm::Publication publication(shm::Reuse::kNever);
    const std::string data(std::stoul(size), 's');
    publication.add(shm::VectorType::kRaw, data.data(), data.size(), data.size());
    publication.finish();
    port_.answer(job_, element_, wire::AnswerKind::kValue, reinterpret_cast<const uint8_t*>("shared"), 6,
                 engine::Follows::kMore, publication.segments());
  }
  void held(const std::string&) { answer(std::to_string(shm::SegmentStore::process().held())); }
  // The segment of this name ("MAKER NUMBER"), and with it a view that stays.
  shm::SharedSegment viewed(const std::string& name) {
    std::istringstream words(name);
    shm::SegmentId id{};
    words >> id.maker >> id.number;
    const auto segment = shm::SegmentStore::process().find(id);
    view_ = segment->view(0, 1);
    viewed_ = segment;
    return segment;
  }
  void view(const std::string& name) {
    viewed(name);
    answer("viewed");
  }
  void unview(const std::string&) {
    view_ = {};
    viewed_.reset();
    answer("gone");
  }
  void look(const std::string&) { answer(std::string(1, static_cast<char>(*view_.data))); }
  void view_and_fork(const std::string& name) {
    viewed(name);
    const pid_t made = ::fork();
    if (made == 0) ::_exit(0);
    ::waitpid(made, nullptr, 0);
    unview("");
  }
  void view_and_die(const std::string& name) {
    viewed(name);
    die_by(SIGKILL);
  }
  void send_back(const std::string& name) {
    const shm::Segments segments{viewed(name)};
    port_.answer(job_, element_, wire::AnswerKind::kValue, reinterpret_cast<const uint8_t*>("back"), 4,
                 engine::Follows::kMore, segments);
    view_ = {};
    viewed_.reset();
  }
  void segment_without_file(const std::string&) { send_segment({}, 10); }
  void segment_too_short(const std::string&) {
    send_segment({std::make_shared<sys::OwnFd>(shm::publish("short", 5, "avenir-test"))}, 10);
  }
  void segment_unsealed(const std::string&) {
    auto file = std::make_shared<sys::OwnFd>(sys::make_memory_file("avenir-test"));
    sys::write_at(file->get(), "0123456789", 10, 0);
    // Where there are no seals the size is what is wrong.
    const uint64_t size = sys::is_sealed_against_shrinking(file->get()) ? 11 : 10;
    send_segment({std::move(file)}, size);
  }
  void send_segment(std::vector<wire::SharedFd> fds, uint64_t size) const {
    const shm::SegmentRef ref{{1, 1}, size};
    send_raw(wire::FrameType::kSegment, base::SharedBytes::copy(&ref, sizeof ref), std::move(fds));
  }

  base::SharedBytes head_of(uint64_t length, wire::AnswerKind kind) const {
    const wire::AnswerHead head{element_, kind, 0, length};
    return base::SharedBytes::copy(&head, sizeof head);
  }
  void write_raw(const std::string& junk) const { sys::write_all(data_, junk.data(), junk.size()); }
  void send_raw(wire::FrameType type, base::SharedBytes body, std::vector<wire::SharedFd> fds = {}) const {
    wire::FrameWriter writer;
    writer.push(type, job_, std::move(body), std::move(fds));
    writer.flush(data_, true);
  }
  void send_hello_of_another_build() const {
    wire::HelloMessage hello;
    hello.protocol = wire::kProtocolVersion + 1;
    send_raw(wire::FrameType::kHello, wire::to_shared(hello.encode()));
  }

  const int data_;  // the port's
  engine::WorkerPort port_;
  std::map<std::string, Command> commands_;
  shm::SharedSegment viewed_;
  shm::ViewMemory view_;  // goes before its segment
  std::optional<shm::TaskTable> table_;
  uint64_t job_ = 0, position_ = 0, element_ = 0;
  size_t code_size_ = 0;
};

[[noreturn]] void wait_for_ever() {
  for (;;) ::pause();
}

[[noreturn]] void exit_with_complaint() {
  std::fprintf(stderr, "no R here\n");
  ::_exit(7);
}

[[noreturn]] void send_to_session(wire::FrameType first, const std::string& rest) {
  wire::FrameWriter writer;
  writer.push(first, 0, {});
  writer.flush(engine::kTemplateSocketFd, true);
  sys::write_all(engine::kTemplateSocketFd, rest.data(), rest.size());
  wait_for_ever();
}

std::string frame_with_short_body() {
  // Worker 1 is the first that any session asks for.
  const wire::FrameHeader header{wire::FrameType::kForked, 0, 1, 1};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + "x";
}

engine::WorkerFds serve(const std::string& behaviour, const std::string& folder, bool watch) {
  if (behaviour == "template-exits") exit_with_complaint();
  if (behaviour == "template-mute") wait_for_ever();
  if (behaviour == "template-garbage") send_to_session(wire::FrameType::kHello, std::string(100, '\xee'));
  if (behaviour == "template-lies") send_to_session(wire::FrameType::kHello, frame_with_short_body());
  if (behaviour == "template-threads") std::thread(wait_for_ever).detach();
  return engine::serve_forks(sys::OwnFd(engine::kTemplateSocketFd), sys::OwnFd(watch ? engine::kTemplateSessionFd : -1),
                             folder);
}

engine::WorkerFds started(bool watch) {
  return {sys::OwnFd(engine::kWorkerDataFd), sys::OwnFd(engine::kWorkerControlFd), sys::OwnFd(engine::kWorkerSlotFd),
          sys::OwnFd(watch ? engine::kWorkerSessionFd : -1)};
}

// Writes the pids of its template and two workers to its standard output, which the test reads, and waits to
// be killed.
[[noreturn]] void run_session(const std::string& folder) {
  TestSession session(folder, "well", 2);
  std::string pids = session.value("parent");
  for (int i = 0; i < 2; ++i) session.wait_started(session.submit("stubborn"));
  for (const auto& worker : session.engine().worker_infos()) pids += " " + std::to_string(worker.pid);
  pids += "\n";
  sys::write_all(STDOUT_FILENO, pids.data(), pids.size());
  wait_for_ever();
}

// A node with its socket as descriptor 3, whose workers are `behaviour`.
[[noreturn]] void run_node(const std::string& behaviour, const std::string& folder) {
  engine::EngineOptions options;
  options.r = fake_spec(behaviour, folder);
  options.temp_folder = folder;
  options.start_timeout = 60;
  const auto ending = engine::run_node(std::move(options), fake_node_hello(),
                                       [] { return std::make_unique<PlainStream>(sys::OwnFd(3)); });
  ::_exit(ending.refused ? 1 : 0);
}

}  // namespace

wire::NodeHello fake_node_hello(unsigned workers) {
  wire::NodeHello hello;
  hello.pid = ::getpid();
  hello.workers = workers;
  hello.cores = 2;
  hello.packs = net::zstd_missing().empty() ? 1 : 0;
  hello.avenir = "1.0";
  hello.r = "4.2.2";
  hello.platform = "here";
  hello.host = "h" + std::to_string(::getpid());
  return hello;
}

engine::EngineOptions options_for_nodes() {
  engine::EngineOptions options;
  options.workers = 0;
  options.nodes = true;
  options.hello = fake_node_hello();
  return options;
}

void run_fake(const std::string& behaviour, const std::string& folder, const std::string& mode) {
  if (mode == "session") run_session(folder);
  if (mode == "node") run_node(behaviour, folder);
  if (behaviour == "exits") exit_with_complaint();
  const bool watch = mode.find(":watch") != std::string::npos;
  engine::WorkerFds fds = mode.rfind("template", 0) == 0 ? serve(behaviour, folder, watch) : started(watch);
  if (behaviour == "worker-mute") wait_for_ever();
  if (behaviour == "worker-exits") exit_with_complaint();
  auto* const worker = new FakeWorker(std::move(fds), folder, behaviour == "worker-other");  // as long as the process
  try {
    worker->run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fake worker: %s\n", error.what());
    ::_exit(1);
  }
}

}  // namespace avenir::testing
