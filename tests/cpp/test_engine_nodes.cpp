#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>

#include "engine/node_channel.h"
#include "fake_worker.h"
#include "net/zstd.h"
#include "plain_stream.h"
#include "support.h"
#include "sys/poller.h"
#include "sys/socket_pair.h"
#include "test_session.h"

// Nodes: a session's engine without workers of its own, and processes of this very program that are nodes with two fake
// workers each, joined by socket pairs. Tasks are the commands of fake_worker.cpp.

using avenir::base::Deadline;
using avenir::engine::JobPolicy;
using avenir::engine::NodeChannel;
using avenir::wire::AnswerKind;
using avenir::wire::FrameType;
using avenir::wire::LossCause;
using namespace avenir::testing;
namespace base = avenir::base;
namespace engine = avenir::engine;
namespace sys = avenir::sys;
namespace wire = avenir::wire;

namespace {

std::unique_ptr<sys::ByteStream> stream_of(sys::OwnFd socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

// A session that expects nodes, and the nodes that it has got.
class NodeSession : public TestSession {
 public:
  explicit NodeSession(engine::EngineOptions options = options_for_nodes()) : TestSession(std::move(options)) {
    engine().open_group("test");
  }
  ~NodeSession() {
    close();
    for (const pid_t pid : nodes_) sys::reap_or_kill(pid, Deadline::in_seconds(kPatience));
  }

  pid_t start_node(const std::string& behaviour = "well") {
    sys::FdPair ends = sys::make_socket_pair();
    folders_.push_back(std::make_unique<TempFolder>());
    sys::SpawnSpec spec = fake_spec(behaviour, folders_.back()->path());
    spec.argv.emplace_back("node");
    for (const int fd : {0, 1, 2}) spec.fds.emplace_back(fd, fd);
    spec.fds.emplace_back(ends.second.get(), 3);
    const pid_t pid = sys::spawn(spec);
    nodes_.push_back(pid);
    engine().add_node("plan/test/" + std::to_string(nodes_.size()) + "/0", stream_of(std::move(ends.first)));
    return pid;
  }

  size_t ready() {
    size_t count = 0;
    for (const auto& node : engine().node_infos()) count += node.state == std::string("ready") ? 1 : 0;
    return count;
  }
  void await_ready(size_t count) {
    REQUIRE(eventually([&] { return ready() == count; }));
  }

 private:
  std::vector<std::unique_ptr<TempFolder>> folders_;
  std::vector<pid_t> nodes_;
};

// A connection of which these bytes have come already: its descriptor tells of what comes behind them.
class FullStream final : public sys::ByteStream {
 public:
  FullStream(sys::OwnFd socket, std::string bytes) : plain_(std::move(socket)), bytes_(std::move(bytes)) {}
  int fd() const override { return plain_.fd(); }
  sys::IoStatus read(uint8_t* target, size_t room, size_t& moved) override {
    if (!has_buffered()) return plain_.read(target, room, moved);
    moved = bytes_.copy(reinterpret_cast<char*>(target), room, taken_);
    taken_ += moved;
    return sys::IoStatus::kDone;
  }
  sys::IoStatus write(const uint8_t* data, size_t size, size_t& moved) override {
    return plain_.write(data, size, moved);
  }
  bool has_buffered() const override { return taken_ < bytes_.size(); }
  void abandon() override { plain_.abandon(); }

 private:
  PlainStream plain_;
  std::string bytes_;
  size_t taken_ = 0;
};

// The test as a node, to say what no node says.
class FalseNode {
 public:
  explicit FalseNode(NodeSession& session, const std::string& identity = "plan/test/false/0") {
    sys::FdPair ends = sys::make_socket_pair();
    socket_ = ends.second.get();
    channel_ = std::make_unique<NodeChannel>(stream_of(std::move(ends.second)));
    session.engine().add_node(identity, stream_of(std::move(ends.first)));
  }
  NodeChannel& channel() { return *channel_; }
  int socket() const { return socket_; }
  void say(FrameType type, uint64_t id, const base::Bytes& body) {
    channel_->push(type, id, body);
    channel_->flush();
  }
  void say_hello(wire::NodeHello hello = fake_node_hello()) { say(FrameType::kNodeHello, 0, hello.encode()); }
  // The next frame of this type.
  wire::Frame await(FrameType type) {
    const auto deadline = Deadline::in_seconds(kPatience);
    while (!deadline.passed()) {
      while (!frames_.empty()) {
        wire::Frame frame = std::move(frames_.front());
        frames_.erase(frames_.begin());
        if (frame.header.type == type) return frame;
      }
      sys::wait_readable(channel_->fd(), deadline);
      if (channel_->receive(frames_) == sys::IoStatus::kClosed && frames_.empty())
        throw std::runtime_error("the session has hung up");
    }
    throw std::runtime_error("the frame did not come");
  }

 private:
  int socket_;
  std::unique_ptr<NodeChannel> channel_;
  std::vector<wire::Frame> frames_;
};

MapSpec echo_map(size_t count) {
  MapSpec map;
  for (size_t i = 0; i < count; ++i) map.elements.push_back("echo " + std::to_string(i));
  return map;
}

size_t right_values(NodeSession& session, uint64_t job, size_t count) {
  size_t right = 0;
  for (size_t i = 0; i < count; ++i) right += session.value_of(job, i) == std::to_string(i) ? 1 : 0;
  return right;
}

std::string reason_of_end(NodeSession& session) {
  std::string reason;
  REQUIRE(eventually([&] {
    for (const auto& node : session.engine().node_infos()) reason = node.reason;
    return !reason.empty();
  }));
  return reason;
}

}  // namespace

TEST_SUITE_BEGIN("nodes");

TEST_CASE("futures are answered by nodes, each with its own value") {
  for (const int nodes : {1, 3}) {
    NodeSession session;
    for (int i = 0; i < nodes; ++i) session.start_node();
    std::vector<uint64_t> jobs;
    for (int i = 0; i < 100; ++i) jobs.push_back(session.submit("echo " + std::to_string(i)));
    for (int i = 99; i >= 0; --i) CHECK(session.value_of(jobs[static_cast<size_t>(i)]) == std::to_string(i));
  }
}

TEST_CASE("maps on nodes: every element its own value, also with chunks and in another order") {
  for (const int nodes : {1, 3}) {
    NodeSession session;
    for (int i = 0; i < nodes; ++i) session.start_node();
    for (const size_t count : {1u, 10000u, 100000u}) {
      const uint64_t job = session.submit_map(echo_map(count));
      CHECK(right_values(session, job, count) == count);
      session.engine().forget(job);
    }
    MapSpec chunks = echo_map(1000);
    for (uint64_t i = 0; i < 1000; ++i) chunks.order.push_back((i * 7) % 1000);
    chunks.bounds = {0, 3, 3, 500, 501, 1000};
    CHECK(right_values(session, session.submit_map(chunks), 1000) == 1000);
  }
}

TEST_CASE("a chunk is done whole by one worker") {
  NodeSession session;
  session.start_node();
  MapSpec map;
  for (int i = 0; i < 200; ++i) map.elements.push_back("pid");
  for (uint64_t end = 0; end <= 200; end += 10) map.bounds.push_back(end);
  const uint64_t job = session.submit_map(map);
  for (size_t chunk = 0; chunk < 20; ++chunk) {
    const std::string pid = session.value_of(job, chunk * 10);
    for (size_t i = 1; i < 10; ++i) CHECK(session.value_of(job, chunk * 10 + i) == pid);
  }
}

TEST_CASE("local workers and nodes do a map together") {
  const TempFolder folder;
  engine::EngineOptions options = options_for_nodes();
  options.workers = 1;
  options.r = fake_spec("well", folder.path());
  options.temp_folder = folder.path();
  NodeSession session(std::move(options));
  session.start_node();
  session.await_ready(1);
  CHECK(session.engine().capacity() == 3);
  CHECK(right_values(session, session.submit_map(echo_map(20000)), 20000) == 20000);
}

TEST_CASE("what waits is done by a node that comes later, and a map by those that come meanwhile") {
  NodeSession session;
  const uint64_t task = session.submit("echo late");
  const uint64_t job = session.submit_map(echo_map(50000));
  session.start_node();
  CHECK(session.value_of(task) == "late");
  session.start_node();
  CHECK(right_values(session, job, 50000) == 50000);
}

TEST_CASE("a node killed in the middle of a map costs no result, and a retried element is evaluated again") {
  NodeSession session;
  const pid_t victim = session.start_node();
  session.start_node();
  session.await_ready(2);
  const uint64_t job = session.submit_map(echo_map(50000));
  session.value_of(job, 10);
  ::kill(victim, SIGKILL);
  size_t right = 0;
  for (size_t i = 0; i < 50000; ++i) right += i == 10 || session.value_of(job, i) == std::to_string(i) ? 1 : 0;
  CHECK(right == 50000);
  CHECK(session.ready() == 1);
}

TEST_CASE("a future whose nodes are lost again and again fails, and names node, host and reason") {
  NodeSession session;
  const uint64_t job = session.submit("stubborn");
  for (int i = 0; i < 2; ++i) {
    const pid_t node = session.start_node();
    session.wait_started(job);
    ::kill(node, SIGKILL);
  }
  const auto losses = session.losses_of(job);
  REQUIRE(losses.size() == 2);
  CHECK(losses[0].cause == LossCause::kNodeLost);
  CHECK(losses[0].host.rfind("h", 0) == 0);
  CHECK(losses[0].note == "the connection was closed");
}

TEST_CASE("a worker lost on a node is the element's error, with the host, and the node goes on") {
  NodeSession session;
  session.start_node();
  const auto loss = session.loss_of(session.submit("raise 9"));
  CHECK(loss.signal == 9);
  CHECK(loss.host.rfind("h", 0) == 0);
  CHECK(session.value("echo on") == "on");
  const TempFolder folder;
  JobPolicy policy;
  policy.retries = 2;
  CHECK(session.value_of(session.submit("die-first 2 " + folder.path("mark"), policy)) == "went on");
}

TEST_CASE("a node that is killed leaves no process behind") {
  NodeSession session;
  const pid_t node = session.start_node();
  const pid_t worker = std::stoi(session.value("pid")), parent = std::stoi(session.value("parent"));
  ::kill(node, SIGKILL);
  CHECK(eventually([&] { return process_gone(worker) && process_gone(parent); }));
}

TEST_CASE("a node that is told to end says so, and what it did goes to others") {
  NodeSession session;
  const pid_t node = session.start_node();
  const uint64_t job = session.submit("hold");
  session.wait_started(job);
  ::kill(node, SIGTERM);
  CHECK(reason_of_end(session) == "it was told to end (SIGTERM)");
  session.start_node();
  session.wait_started(job);
  session.engine().cancel(job, 0, true);
  CHECK(session.wait(job).kind == AnswerKind::kRecord);
}

TEST_CASE("an interrupt reaches what runs on a node; what waits is cancelled") {
  NodeSession session;
  session.start_node();
  const uint64_t first = session.submit("hold"), second = session.submit("hold"), third = session.submit("echo");
  session.wait_started(first);
  session.wait_started(second);
  session.engine().cancel(third, 0, true);
  CHECK(session.wait(third).kind == AnswerKind::kCancelled);
  session.engine().cancel(first, 0, true);
  CHECK(session.wait(first).kind == AnswerKind::kRecord);
  session.engine().cancel(second, 0, true);
  session.engine().forget(second);
  CHECK(session.value("echo free") == "free");
}

TEST_CASE("an error stops later elements on all nodes, and earlier ones are answered") {
  NodeSession session;
  session.start_node();
  session.start_node();
  session.await_ready(2);
  MapSpec map = echo_map(100000);
  map.elements[50] = "fail here";
  const uint64_t job = session.submit_map(map);
  CHECK(session.wait(job, 50).kind == AnswerKind::kRecord);
  for (size_t i = 0; i < 50; ++i) CHECK(session.value_of(job, i) == std::to_string(i));
  CHECK_FALSE(session.engine().answered(job, 99999));
  session.engine().cancel(job, 0, true);
  session.engine().forget(job);
  CHECK(session.value("echo on") == "on");
}

TEST_CASE("with keep_going an error stops nothing") {
  NodeSession session;
  session.start_node();
  MapSpec map = echo_map(1000);
  map.elements[50] = "fail here";
  map.keep_going = true;
  const uint64_t job = session.submit_map(map);
  CHECK(session.value_of(job, 999) == "999");
}

TEST_CASE("large payloads, elements and answers come in parts, and are what they were") {
  NodeSession session;
  session.start_node();
  const std::string padding(5 << 20, 'x');
  CHECK(session.value("size " + padding) == std::to_string(padding.size() + 5));
  CHECK(session.value("big 5000000").size() == 5000000);
  MapSpec map;
  for (int i = 0; i < 8; ++i) map.elements.push_back("size " + std::string(700000, 'y'));
  map.elements.push_back("size " + padding);
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 8; ++i) CHECK(session.value_of(job, i) == "700005");
  CHECK(session.value_of(job, 8) == std::to_string(padding.size() + 5));
}

TEST_CASE("a segment goes to a node, is there for its workers, and is dropped when it is gone here") {
  NodeSession session;
  session.start_node();
  avenir::shm::Segments segments;
  auto segment = avenir::shm::Segment::create({7, 1});
  const std::string data(3 << 20, 'd');
  segment->append(data.data(), data.size());
  segment->seal();
  segments.push_back(segment);
  for (int i = 0; i < 4; ++i) {
    const uint64_t job = session.engine().submit_task(shared("held"), {}, segments);
    CHECK(session.value_of(job) == "1");
    session.engine().forget(job);
  }
  segments.clear();
  segment.reset();
  for (int i = 0; i < 20; ++i) CHECK(session.value("held") == "0");
}

TEST_CASE("a segment that a node's worker has made arrives with the answer") {
  NodeSession session;
  session.start_node();
  const auto answer = session.wait(session.submit("share 3000000"));
  CHECK(text(answer.bytes) == "shared");
  REQUIRE(answer.segments);
  const auto& segments = *static_cast<const avenir::shm::Segments*>(answer.segments.get());
  REQUIRE(segments.size() == 1);
  const auto contents = segments[0]->contents();
  CHECK(contents.size() >= 3000000);
  CHECK(text(contents).substr(0, 3000000) == std::string(3000000, 's'));
}

TEST_CASE("a node that is dismissed finishes what it has") {
  NodeSession session;
  session.start_node();
  session.await_ready(1);
  const TempFolder folder;
  const std::string fifo = folder.path("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const uint64_t job = session.submit("wait " + fifo);
  session.wait_started(job);
  CHECK(session.engine().remove_node(session.engine().node_infos()[0].id));
  CHECK_FALSE(session.engine().remove_node(4711));
  { const sys::OwnFd fd(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC)); }
  CHECK(session.value_of(job) == "released");
  CHECK(reason_of_end(session) == "it was dismissed");
}

TEST_CASE("a node whose workers cannot start is not used, and says why") {
  NodeSession session;
  session.start_node("exits");
  const uint64_t job = session.submit("echo other");
  CHECK(reason_of_end(session).find("no R here") != std::string::npos);
  session.start_node();
  CHECK(session.value_of(job) == "other");
}

TEST_CASE("nodes of another version, R or platform, with no workers or too many, are refused, with the reason") {
  wire::NodeHello other[6];
  for (wire::NodeHello& hello : other) hello = fake_node_hello();
  other[0].protocol += 1;
  other[1].avenir = "1.1";
  other[2].r = "4.3.0";
  other[3].platform = "there";
  other[4].workers = 0;
  other[5].workers = UINT32_MAX;
  const char* const named[] = {"protocol",       "avenir 1.1", "R 4.3.0",
                               "platform there", "no workers", "4294967295 workers"};
  for (int i = 0; i < 6; ++i) {
    NodeSession session;
    FalseNode node(session);
    node.say_hello(other[i]);
    base::ByteReader refusal(node.await(FrameType::kNodeRefusal).body);
    CHECK(reason_of_end(session).find(named[i]) != std::string::npos);
    CHECK(session.engine().take_shortage().find(named[i]) != std::string::npos);
  }
}

TEST_CASE("R of the same series is taken") {
  NodeSession session;
  FalseNode node(session);
  wire::NodeHello hello = fake_node_hello();
  hello.r = "4.2.9";
  node.say_hello(hello);
  node.await(FrameType::kNodeWelcome);
}

TEST_CASE("parts are packed when the session wants it and the node can" *
          doctest::skip(!avenir::net::zstd_missing().empty())) {
  for (const unsigned wanted : {0u, 1u}) {
    engine::EngineOptions options = options_for_nodes();
    options.welcome.packs = wanted;
    NodeSession session(std::move(options));
    for (const unsigned able : {0u, 1u}) {
      FalseNode node(session, "plan/test/" + std::to_string(able) + "/0");
      wire::NodeHello hello = fake_node_hello();
      hello.packs = able;
      node.say_hello(hello);
      CHECK(wire::NodeWelcome::decode(node.await(FrameType::kNodeWelcome).body).packs == (wanted & able));
    }
  }
}

TEST_CASE("what has waited for a node reaches it packed, beside its welcome" *
          doctest::skip(!avenir::net::zstd_missing().empty())) {
  engine::EngineOptions options = options_for_nodes();
  options.welcome.packs = 1;
  NodeSession session(std::move(options));
  const std::string text(3 << 20, 'x');
  const uint64_t job = session.submit("echo " + text);
  session.start_node();
  CHECK(session.value_of(job) == text);
}

TEST_CASE("what is no frame, comes before the hello or claims a length without end, ends the connection") {
  for (int i = 0; i < 6; ++i) {
    NodeSession session;
    FalseNode node(session);
    if (i != 1) node.say_hello();
    if (i != 1) node.await(FrameType::kNodeWelcome);
    const wire::FrameHeader endless{FrameType::kNodeAnswers, 0, 1, uint64_t{1} << 30};
    const wire::PartHead part{{0, 1}, uint64_t{1} << 60, 0};
    if (i == 0) sys::write_all(node.socket(), std::string(200, '\xee').data(), 200);
    if (i == 1) node.say(FrameType::kNodeStatus, 0, wire::NodeStatus().encode());
    if (i == 2) sys::write_all(node.socket(), &endless, sizeof endless);
    if (i == 3) node.say_hello();
    if (i == 4) node.say(FrameType::kTask, 0, {});
    if (i == 5) {
      base::ByteWriter body;
      body.put(part);
      body.put<uint8_t>(1);
      node.say(FrameType::kNodePart, 0, body.bytes());
    }
    CHECK(!reason_of_end(session).empty());
    session.start_node();
    CHECK(session.value("echo well") == "well");
  }
}

TEST_CASE("a part of something large before the hello is not kept, and ends the connection") {
  NodeSession session;
  FalseNode node(session);
  base::ByteWriter body;
  body.put(wire::PartHead{{0, 1}, 8, 0});
  body.put<uint8_t>(1);
  node.say(FrameType::kNodePart, 0, body.bytes());
  CHECK(reason_of_end(session).find("before anything else") != std::string::npos);
}

TEST_CASE("of what a node says of itself and of its end only the beginning is kept") {
  NodeSession session;
  FalseNode node(session);
  wire::NodeHello hello = fake_node_hello();
  hello.host = "far" + std::string(1 << 15, '!');
  node.say_hello(hello);
  base::ByteWriter body;
  body.put_string("enough" + std::string(1 << 15, '!'));
  node.say(FrameType::kNodeGoodbye, 0, body.bytes());
  const std::string reason = reason_of_end(session);
  CHECK(reason.substr(0, 7) == "enough!");
  CHECK(reason.size() < 10000);
  const std::string host = session.engine().node_infos().front().host;
  CHECK(host.substr(0, 4) == "far!");
  CHECK(host.size() < 1000);
}

TEST_CASE("what has come and is buffered is taken to its end, though the descriptor does not tell of it") {
  NodeSession session;
  const auto text = [](FrameType type, const base::Bytes& body) {
    const wire::FrameHeader header{type, 0, 0, body.size()};
    return std::string(reinterpret_cast<const char*>(&header), sizeof header).append(body.begin(), body.end());
  };
  std::string bytes = text(FrameType::kNodeHello, fake_node_hello().encode());
  for (int i = 0; i < 20000; ++i) bytes += text(FrameType::kNodeStatus, wire::NodeStatus().encode());
  base::ByteWriter reason;
  reason.put_string("behind all that");
  bytes += text(FrameType::kNodeGoodbye, reason.bytes());
  sys::FdPair ends = sys::make_socket_pair();
  session.engine().add_node("plan/test/full/0", std::make_unique<FullStream>(std::move(ends.first), bytes));
  CHECK(reason_of_end(session) == "behind all that");
}

TEST_CASE("an answer counts once, and one to what was not asked ends the node") {
  NodeSession session;
  FalseNode node(session);
  node.say_hello();
  const uint64_t job = session.submit("anything");
  const wire::Frame task = node.await(FrameType::kNodeTask);
  wire::NodeAnswer answer;
  answer.bytes = shared("first");
  base::ByteWriter body;
  wire::encode_node_answer(answer, body);
  answer.bytes = shared("second");
  wire::encode_node_answer(answer, body);
  node.say(FrameType::kNodeAnswers, task.header.id, body.bytes());
  node.say(FrameType::kNodeAnswers, task.header.id, body.bytes());
  CHECK(session.value_of(job) == "first");
  session.submit("another");
  const uint64_t next = node.await(FrameType::kNodeTask).header.id;
  answer.element = 1;
  base::ByteWriter astray;
  wire::encode_node_answer(answer, astray);
  node.say(FrameType::kNodeAnswers, next, astray.bytes());
  CHECK(reason_of_end(session).find("not given") != std::string::npos);
}

TEST_CASE("a node that falls silent is lost after its time, and its work goes to others") {
  engine::EngineOptions options = options_for_nodes();
  options.welcome.heartbeat = 0.02;
  options.welcome.lost_after = 0.2;
  NodeSession session(std::move(options));
  FalseNode node(session);
  node.say_hello();
  const uint64_t job = session.submit("echo heard");
  node.await(FrameType::kNodeTask);
  CHECK(reason_of_end(session).find("nothing was heard") != std::string::npos);
  session.start_node();
  CHECK(session.value_of(job) == "heard");
}

TEST_CASE("beats keep a connection on which nothing else happens; a node that hears nothing ends its workers") {
  engine::EngineOptions options = options_for_nodes();
  options.welcome.heartbeat = 0.05;
  options.welcome.lost_after = 2;
  NodeSession session(std::move(options));
  const pid_t node = session.start_node();
  const pid_t worker = std::stoi(session.value("pid"));
  CHECK(eventually([&] { return session.engine().worker_infos().size() == 2; }));  // told with a beat
  CHECK(session.ready() == 1);
  ::kill(node, SIGSTOP);
  CHECK(reason_of_end(session).find("nothing was heard") != std::string::npos);
  ::kill(node, SIGCONT);
  CHECK(eventually([&] { return process_gone(worker); }));
}

TEST_CASE("a new attempt of a rank ends the one before") {
  NodeSession session;
  FalseNode before(session, "plan/test/0/0");
  before.say_hello();
  before.await(FrameType::kNodeWelcome);
  FalseNode after(session, "plan/test/0/1");
  CHECK(reason_of_end(session) == "it has come again");
}

TEST_CASE("who reads slowly is not sent ever more of a map") {
  NodeSession session;
  FalseNode node(session);
  node.say_hello();
  session.submit_map(echo_map(100000));
  const wire::Frame batch = node.await(FrameType::kNodeBatch);
  base::ByteReader in(batch.body);
  wire::decode_work(in);
  in.get<uint64_t>();
  CHECK(avenir::shm::JobData::read(batch.body.slice(batch.body.size() - in.left(), in.left())).count() == 2);
}

TEST_CASE("without a node and with none to come, what waits is answered with the launches' output") {
  NodeSession session;
  const uint64_t job = session.submit("echo");
  sys::SpawnSpec program;
  program.path = "/bin/sh";
  program.argv = {"sh", "-c", "read word; echo \"no such partition: $word\" >&2; exit 3"};
  session.engine().launch(std::move(program), "night\n", "test");
  const auto answer = session.wait(job);
  CHECK(answer.kind == AnswerKind::kNotStarted);
  CHECK(text(answer.bytes).find("exit code 3") != std::string::npos);
  CHECK(text(answer.bytes).find("no such partition: night") != std::string::npos);
  CHECK(session.wait(session.submit("echo")).kind == AnswerKind::kNotStarted);
  REQUIRE(session.engine().launch_infos().size() == 1);
  CHECK(session.engine().launch_infos()[0].exit.code == 3);
}

TEST_CASE("a launched program ends with the engine, and what it has started") {
  pid_t launched = 0;
  {
    NodeSession session;
    sys::SpawnSpec program;
    program.path = "/bin/sh";
    program.argv = {"sh", "-c", "sleep 1000 & echo $!; wait"};
    session.engine().launch(std::move(program), "", "");
    REQUIRE(eventually([&] {
      const std::string output = session.engine().launch_infos()[0].output;
      if (!output.empty() && output.back() == '\n') launched = std::stoi(output);
      return launched > 0;
    }));
  }
  CHECK(eventually([&] { return process_gone(launched); }));
}

TEST_CASE("free workers count those of nodes") {
  NodeSession session;
  CHECK(session.engine().free_workers() <= 1);
  session.start_node();
  session.await_ready(1);
  CHECK(session.engine().free_workers() == 2);
  const uint64_t job = session.submit("hold");
  session.wait_started(job);
  CHECK(session.engine().free_workers() == 1);
  session.engine().cancel(job, 0, true);
}

// Not a test: --no-skip -tc="figures*"
TEST_CASE("figures of nodes" * doctest::skip()) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  const TempFolder folder;
  TestSession local(folder.path(), "well", 2);
  local.wait_idle();
  NodeSession session;
  session.start_node();
  session.value("echo warm");
  for (TestSession* one : {&local, static_cast<TestSession*>(&session)}) {
    for (int round = 0; round < 3; ++round) {
      const auto begin = Clock::now();
      for (int i = 0; i < 1000; ++i) one->value("echo x");
      const auto middle = Clock::now();
      const uint64_t job = one->submit_map(echo_map(10000));
      for (size_t i = 0; i < 10000; ++i) one->value_of(job, i);
      one->engine().forget(job);
      std::printf("%s: round trip %.1f us, 10,000 elements %.1f ms\n", one == &local ? "local" : "node",
                  ms(middle - begin), ms(Clock::now() - middle));
    }
  }
}
