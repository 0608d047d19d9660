// The part of the engine that has nodes: how they join, what they send, how they are lost. The engine's mutex is held
// throughout, but for the public functions.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/ticket.h"
#include "engine/token.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using base::SharedBytes;
using State = NodeLink::State;
using wire::FrameType;

constexpr size_t kEndsKept = 100;
constexpr size_t kLongestName = 255, kLongestReason = 4096;  // as they are kept: some come from the other side
constexpr uint32_t kMostWorkers = 1 << 16;                   // of one node; all together can be counted

const char* name_of(State state) {
  if (state == State::kGreeting) return "joining";
  return state == State::kReady ? "ready" : "leaving";
}

// As ByteReader's get_string(), without a copy of what is not kept.
std::string beginning_of_string(base::ByteReader& in) {
  const auto size = in.get<uint64_t>();
  const auto* const text = reinterpret_cast<const char*>(in.take(size));
  return std::string(text, std::min<uint64_t>(size, kLongestReason));
}

// <plan>/<group>/<rank>/<attempt>: all but the attempt.
std::string rank_of(const std::string& identity) { return identity.substr(0, identity.rfind('/')); }

// 4.2.2 and 4.2.3 understand each other.
std::string series(const std::string& version) { return version.substr(0, version.rfind('.')); }

std::string differs(const char* what, const std::string& there, const std::string& here) {
  return std::string("it has ") + what + " " + there + ", and this session has " + here + ": both must be the same";
}

// Empty: it may join.
std::string why_refused(const wire::NodeHello& node, const wire::NodeHello& session) {
  if (node.byte_order != session.byte_order) return "its processor has another byte order";
  if (node.protocol != session.protocol)
    return differs("protocol", std::to_string(node.protocol), std::to_string(session.protocol)) +
           " (install the same version of avenir there)";
  if (node.avenir != session.avenir) return differs("avenir", node.avenir, session.avenir);
  if (series(node.r) != series(session.r)) return differs("R", node.r, session.r);
  if (node.platform != session.platform) return differs("platform", node.platform, session.platform);
  if (node.workers == 0) return "it offers no workers";
  if (node.workers > kMostWorkers)
    return "it offers " + std::to_string(node.workers) + " workers, more than " + std::to_string(kMostWorkers);
  return "";
}

}  // namespace

// ---- public functions

void Engine::add_node(const std::string& identity, std::unique_ptr<sys::ByteStream> stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (dead_ || stopping_) return;
  end_earlier_attempts(identity);
  const uint32_t id = next_worker_++;
  auto node = std::make_unique<NodeLink>(id, identity, std::move(stream));
  node->hello_by = Deadline::in_seconds(options_.start_timeout);
  poller_.add(node->channel.fd(), token(kNode, id));
  nodes_[id] = std::move(node);
  wake_.wake();  // there is a deadline, and what has come already may be buffered
}

bool Engine::remove_node(uint32_t id) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return false;
  NodeLink& node = *found->second;
  node.state = State::kDraining;
  if (node.works.empty()) node.ended = "it was dismissed";
  wake_.wake();
  return true;
}

bool Engine::has_joined_nodes() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const auto& entry) { return entry.second->state != State::kGreeting; });
}

std::vector<NodeInfo> Engine::node_infos() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<NodeInfo> infos;
  for (const auto& [id, node] : nodes_)
    infos.push_back({id, node->identity, node->host, node->pid, name_of(node->state), node->workers, node->answers,
                     node->status.memory, ""});
  for (const NodeEnd& end : ended_nodes_)
    infos.push_back({end.id, end.identity, end.host, end.pid, end.refused ? "refused" : "gone", 0, 0, 0, end.reason});
  return infos;
}

unsigned Engine::capacity() {
  std::lock_guard<std::mutex> lock(mutex_);
  return total_places();
}

// At least one, to divide by.
unsigned Engine::total_places() const {
  unsigned places = wanted_;
  for (const auto& [id, node] : nodes_)
    if (node->state == State::kReady) places += node->workers;
  return std::max(places, 1u);
}

unsigned Engine::busy_on_nodes() const {
  unsigned busy = 0;
  for (const auto& [id, node] : nodes_) busy += node->state == State::kReady ? node->busy() : 0;
  return busy;
}

// ---- what a node sends

void Engine::open_line_to_node(uint64_t job, DirectLine& line) {
  for (auto& [id, node] : nodes_) {
    const bool has = std::any_of(node->works.begin(), node->works.end(), [&](const auto& entry) {
      return entry.second.job == job && entry.second.positions.empty();
    });
    if (!has || node->wants_write || !node->ended.empty()) continue;
    line.worker = id;
    line.fd = node->channel.fd();
    line.to_node = true;
    return;
  }
}

void Engine::handle_node_event(const sys::Poller::Event& event) {
  const auto found = nodes_.find(static_cast<uint32_t>(event.token));
  if (found == nodes_.end()) return;
  if (event.writable) flush_node(*found->second);
  if (event.readable) receive_from_node(*found->second);
}

void Engine::receive_from_node(NodeLink& node) {
  if (!node.ended.empty()) return;
  std::vector<wire::Frame> frames;
  try {
    const sys::IoStatus status = node.channel.receive(frames);
    if (status == sys::IoStatus::kClosed) node.ended = "the connection was closed";
    if (status == sys::IoStatus::kDone && node.channel.has_buffered()) wake_.wake();
    for (wire::Frame& frame : frames) handle_node_frame(node, frame);
  } catch (const base::Error& error) {
    node.ended = error.what();
  }
}

void Engine::handle_node_frame(NodeLink& node, wire::Frame& frame) {
  base::ByteReader in(frame.body);
  const FrameType type = frame.header.type;
  if ((type == FrameType::kNodeHello) != (node.state == State::kGreeting && node.pid < 0))
    throw base::Error(base::ErrorKind::kDisconnected, "it did not begin with its hello, or said it twice");
  const auto work = node.works.find(frame.header.id);
  Job* const job = work == node.works.end() ? nullptr : find(work->second.job);
  switch (type) {
    case FrameType::kNodeHello:
      return greet(node, wire::NodeHello::decode(frame.body));
    case FrameType::kNodeAnswers:
      return take_node_answers(node, frame);
    case FrameType::kNodeImmediate:
      if (const auto condition = node.channel.take_payload(in, frame.body); job != nullptr)
        job->relay(condition.bytes());
      return;
    case FrameType::kNodeStopped:
      if (job != nullptr && job->is_map()) stop_map(work->second, in.get<uint64_t>());
      return;
    case FrameType::kNodeStatus:
      node.status = wire::NodeStatus::decode(frame.body);
      return;
    case FrameType::kNodeGoodbye:
      node.ended = beginning_of_string(in);
      return;
    default:
      throw base::Error(base::ErrorKind::kDisconnected, "a frame that no node may send");
  }
}

void Engine::greet(NodeLink& node, const wire::NodeHello& hello) {
  node.host = hello.host.substr(0, kLongestName);
  node.pid = hello.pid;
  const std::string reason = why_refused(hello, options_.hello);
  base::ByteWriter body;
  if (!reason.empty()) {
    body.put_string(reason);
    node.channel.push(FrameType::kNodeRefusal, 0, body.bytes());
    node.channel.flush();
    node.ended = "it was refused: " + reason;
    return;
  }
  node.workers = hello.workers;
  node.state = State::kReady;
  node.hello_by = Deadline::never();
  wire::NodeWelcome welcome = options_.welcome;
  welcome.packs = welcome.packs != 0 && hello.packs != 0 ? 1 : 0;
  node.channel.push(FrameType::kNodeWelcome, 0, welcome.encode());
  if (welcome.packs != 0) {
    node.channel.unpack();
    node.channel.pack();
  }
  flush_node(node);
}

void Engine::take_node_answers(NodeLink& node, wire::Frame& frame) {
  for (wire::NodeAnswer& answer : wire::decode_node_answers(frame.body)) {
    SharedBytes bytes = answer.thing == 0 ? std::move(answer.bytes) : node.channel.take({0, answer.thing}).bytes();
    shm::Segments segments;
    for (const wire::ThingId& id : answer.segments)
      if (auto segment = arrived_segment(node, id)) segments.push_back(std::move(segment));
    const auto work = node.works.find(frame.header.id);
    if (work != node.works.end()) take_node_answer(node, work->second, answer, std::move(bytes), std::move(segments));
  }
  const auto work = node.works.find(frame.header.id);
  if (work != node.works.end() && work->second.left == 0) node.works.erase(work);
  if (node.state == State::kDraining && node.works.empty()) node.ended = "it was dismissed";
}

// One of ours that comes back by its name, or one that the node's workers have made. Of work that was forgotten the
// former may be gone.
shm::SharedSegment Engine::arrived_segment(NodeLink& node, wire::ThingId id) {
  const auto ours = node.segments.find({id.maker, id.number});
  return ours == node.segments.end() ? node.channel.take_result(id) : ours->second.lock();
}

void Engine::take_node_answer(NodeLink& node, NodeWork& work, wire::NodeAnswer& answer, SharedBytes bytes,
                              shm::Segments segments) {
  if (answer.element >= work.answered.size())
    throw base::Error(base::ErrorKind::kDisconnected, "an answer to an element that it was not given");
  if (work.answered[answer.element]) return;
  if (answer.kind == wire::AnswerKind::kNotStarted) {
    node.took_no_work = true;
    node.ended =
        "its workers could not be started: " + std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return;
  }
  work.answered[answer.element] = true;
  --work.left;
  ++node.answers;
  const auto since_sent = Deadline::Clock::now() - work.sent;
  const auto map = node.maps.find(work.job);
  if (work.positions.empty())
    node.quickest_task = std::min(node.quickest_task, std::chrono::duration<double>(since_sent).count());
  if (map != node.maps.end() && !work.positions.empty()) {
    map->second.outstanding -= work.units_each;
    map->second.window.answered(work.units_each, since_sent);
  }
  Job* const job = find(work.job);
  if (job == nullptr) return;
  const uint64_t position = work.positions.empty() ? 0 : work.positions[answer.element];
  std::shared_ptr<const void> used;
  if (!segments.empty()) used = std::make_shared<shm::Segments>(std::move(segments));
  job->fill(job->is_map() ? job->element_at(position) : 0, answer.kind, std::move(bytes), std::move(used));
}

// An error ends a map: positions behind it are not to begin anywhere.
void Engine::stop_map(const NodeWork& work, uint64_t element) {
  Job* const job = find(work.job);
  if (element >= work.positions.size()) return;
  const uint64_t from = work.positions[element];
  job->table->stop_from(from);
  auto& leftover = job->leftover;
  leftover.erase(std::remove_if(leftover.begin(), leftover.end(), [&](uint64_t position) { return position >= from; }),
                 leftover.end());
  tell_nodes_to_cancel(*job, from, false);
}

void Engine::flush_node(NodeLink& node) {
  if (!node.ended.empty()) return;
  sys::IoStatus status = sys::IoStatus::kClosed;
  try {
    status = node.channel.flush();
  } catch (const base::Error& error) {
    node.ended = error.what();
  }
  if (status == sys::IoStatus::kClosed && node.ended.empty()) node.ended = "the connection was closed";
  if (!node.ended.empty()) return wake_.wake();  // to be buried
  const bool wants = status == sys::IoStatus::kWouldBlock;
  if (wants != node.wants_write) poller_.want_write(node.channel.fd(), token(kNode, node.id), wants);
  node.wants_write = wants;
}

void Engine::tell_nodes_to_cancel(const Job& job, uint64_t from, bool interrupt) {
  for (auto& [id, node] : nodes_) {
    bool told = false;
    for (const auto& [number, work] : node->works) {
      if (work.job != job.id) continue;
      const auto first = std::lower_bound(work.positions.begin(), work.positions.end(), from);
      if (!work.positions.empty() && first == work.positions.end()) continue;
      base::ByteWriter body;
      body.put<uint64_t>(static_cast<uint64_t>(first - work.positions.begin()));
      body.put<uint32_t>(interrupt ? 1 : 0);
      node->channel.push(FrameType::kNodeCancel, number, body.bytes());
      told = true;
    }
    if (told) flush_node(*node);
  }
}

void Engine::tell_nodes_to_forget(const Job& job) {
  for (auto& [id, node] : nodes_) {
    bool told = node->maps.erase(job.id) > 0;
    if (told) node->channel.push(FrameType::kNodeForgetMap, job.id);
    for (auto work = node->works.begin(); work != node->works.end();) {
      if (work->second.job != job.id) {
        ++work;
        continue;
      }
      node->channel.push(FrameType::kNodeForget, work->first);
      work = node->works.erase(work);
      told = true;
    }
    if (node->state == State::kDraining && node->works.empty()) node->ended = "it was dismissed";
    if (told) flush_node(*node);
  }
}

bool Engine::has_nodes(const Job& job) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& entry) {
    const auto& works = entry.second->works;
    return std::any_of(works.begin(), works.end(), [&](const auto& work) { return work.second.job == job.id; });
  });
}

// ---- nodes that go

Deadline Engine::next_node_deadline() const {
  Deadline next = Deadline::never();
  for (const auto& [id, node] : nodes_) {
    if (!node->ended.empty()) return Deadline::now();
    next = std::min(next, node->hello_by);
    if (node->state == State::kGreeting) continue;
    next = std::min(next, node->channel.lost_at(options_.welcome.lost_after));
    if (!node->channel.has_unsent()) next = std::min(next, node->channel.beat_at(options_.welcome.heartbeat));
  }
  return next;
}

void Engine::handle_node_deadlines() {
  for (auto& [id, node] : nodes_) {
    if (node->channel.has_buffered()) receive_from_node(*node);
    if (node->hello_by.passed()) node->ended = "it said nothing after it had connected";
    if (node->state == State::kGreeting || !node->ended.empty()) continue;
    if (node->channel.lost_at(options_.welcome.lost_after).passed())
      node->ended = "nothing was heard of it for " + std::to_string(std::lround(options_.welcome.lost_after)) + " s";
    if (!node->channel.beat_at(options_.welcome.heartbeat).passed() || node->channel.has_unsent()) continue;
    node->channel.push(FrameType::kNodeStatus, 0);
    flush_node(*node);
  }
}

void Engine::end_earlier_attempts(const std::string& identity) {
  for (auto& [id, node] : nodes_)
    if (rank_of(node->identity) == rank_of(identity)) node->ended = "it has come again";
}

// Not while somebody has a reference to one.
void Engine::bury_nodes() {
  for (auto at = nodes_.begin(); at != nodes_.end();) {
    if (at->second->ended.empty()) {
      ++at;
      continue;
    }
    std::unique_ptr<NodeLink> node = std::move(at->second);
    at = nodes_.erase(at);
    lose_node(std::move(node));
  }
}

void Engine::lose_node(std::unique_ptr<NodeLink> node) {
  node->ended = node->ended.substr(0, kLongestReason);
  poller_.remove(node->channel.fd());
  base::ByteWriter reason;
  reason.put_string(node->ended);
  try {
    node->channel.push(FrameType::kNodeGoodbye, 0, reason.bytes());
    node->channel.flush();
  } catch (const base::Error&) {  // it finds out by itself
  }
  const bool refused = node->state == State::kGreeting || node->took_no_work;
  if (ended_nodes_.size() == kEndsKept) ended_nodes_.erase(ended_nodes_.begin());
  ended_nodes_.push_back({node->id, node->identity, node->host, node->ended, node->pid, refused});
  if (refused && shortage_.empty())
    shortage_ = "the node " + (node->host.empty() ? node->identity : node->host) + " cannot be used: " + node->ended;
  for (auto& [number, work] : node->works) lose_work(*node, work);
}

// What it was doing may have been done, and is done again all the same: its answers are not taken any more.
void Engine::lose_work(const NodeLink& node, NodeWork& work) {
  Job* const job = find(work.job);
  if (job == nullptr) return;
  if (!job->is_map()) {
    if (job->open(0)) lose_node_position(node, *job, 0);
    if (job->open(0)) enqueue(*job, true);
    return;
  }
  for (uint64_t element = 0; element < work.positions.size(); ++element)
    if (!work.answered[element]) lose_node_position(node, *job, work.positions[element]);
  if (job->has_work()) enqueue(*job, true);
}

void Engine::lose_node_position(const NodeLink& node, Job& job, uint64_t position) {
  const uint64_t element = job.is_map() ? job.element_at(position) : 0;
  if (!job.open(element) || (job.is_map() && job.table->stopped(position))) return;
  auto& losses = job.losses[element];
  if (!node.took_no_work) {
    wire::LostMessage lost;
    lost.worker = node.id;
    lost.pid = node.pid;
    lost.cause = wire::LossCause::kNodeLost;
    lost.element = element;
    lost.note = node.ended;
    lost.host = node.host;
    losses.push_back(std::move(lost));
  }
  if (job.cancelled && !job.is_map()) {
    job.fill(0, wire::AnswerKind::kCancelled, {});
  } else if (is_over(job, losses)) {
    if (job.is_map() && !job.table->keep_going()) job.table->stop_from(position);
    fill_lost(job, element);
  } else if (job.is_map()) {
    job.leftover.push_back(position);
  }
}

void Engine::say_goodbye_to_nodes() {
  base::ByteWriter reason;
  reason.put_string("the plan has ended");
  for (auto& [id, node] : nodes_) {
    node->channel.push(FrameType::kNodeGoodbye, 0, reason.bytes());
    try {
      node->channel.flush();
    } catch (const base::Error&) {
    }
    for (auto& [number, launch] : launches_)
      if (launch->group == identity_of(node->identity).group) launch->leaves = true;
  }
  nodes_.clear();
}

}  // namespace avenir::engine
