// The part of the engine that gives work to nodes. The engine's mutex is held throughout.

#include <algorithm>

#include "engine/engine.h"
#include "shm/region.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using base::SharedBytes;
using wire::FrameType;

constexpr double kAhead = 0.04;      // seconds of a map's work that a node has at a time
constexpr double kQuickTask = 0.01;  // seconds: where a future took no longer, a node is sent some in advance
constexpr unsigned kInAdvance = 4;   // times its workers

SharedBytes shared_of(base::Bytes bytes) {
  auto owner = std::make_shared<base::Bytes>(std::move(bytes));
  const uint8_t* const data = owner->data();
  const size_t size = owner->size();
  return SharedBytes::view(std::move(owner), data, size);
}

wire::WorkHead head_of(const Job& job) {
  wire::WorkHead head;
  head.map = job.is_map() ? job.id : 0;
  head.retries = job.policy.retries;
  head.time_limit = job.policy.time_limit;
  head.keep_going = job.is_map() && job.table->keep_going() ? 1 : 0;
  return head;
}

const shm::JobData& data_of(Job& job) {
  if (!job.data) job.data.emplace(shm::JobData::attach(*job.data_file));
  return *job.data;
}

// Context, stream, and the elements when they are one vector.
const SharedBytes& shared_data_of(Job& job) {
  if (job.shared_data.size() > 0) return job.shared_data;
  const shm::JobData& data = data_of(job);
  const SharedBytes context = data.context(), whole = data.whole();
  shm::JobDataParts parts;
  parts.count = data.count();
  parts.mode = data.mode();
  parts.context = context;
  if (data.mode() == shm::ElementMode::kWhole) parts.elements = whole;
  if (const auto stream = data.stream()) parts.stream.assign(stream->begin(), stream->end());
  return job.shared_data = shared_of(shm::encode_job_data(parts));
}

// Of elements that come each by itself: offsets, then their bytes.
base::Bytes each_of(const shm::JobData& data, const std::vector<uint64_t>& numbers) {
  base::ByteWriter out;
  uint64_t end = 0;
  out.put(end);
  for (const uint64_t number : numbers) out.put(end += data.element(number).size());
  for (const uint64_t number : numbers) {
    const SharedBytes element = data.element(number);
    out.put_bytes(element.data(), element.size());
  }
  return out.take();
}

uint64_t bytes_of(const shm::JobData& data, uint64_t element) {
  return data.mode() == shm::ElementMode::kEach ? data.element(element).size() : 0;
}

}  // namespace

// ---- how much

uint64_t NodeLink::tasks() const {
  return static_cast<uint64_t>(
      std::count_if(works.begin(), works.end(), [](const auto& entry) { return entry.second.positions.empty(); }));
}

unsigned NodeLink::busy() const {
  uint64_t left = 0;
  for (const auto& [number, work] : works) left += work.left;
  return static_cast<unsigned>(std::min<uint64_t>(left, workers));
}

unsigned NodeLink::room_for_tasks() const {
  const uint64_t most = quickest_task < kQuickTask ? uint64_t{kInAdvance} * workers : workers;
  const uint64_t has = works.size();
  return static_cast<unsigned>(has < most ? most - has : 0);
}

uint64_t NodeWindow::room(double outstanding) {
  adapt();
  const auto window = static_cast<double>(window_);
  const bool enough = window_ <= 2 * least_ ? outstanding >= window : outstanding > window / 2;
  return enough ? 0 : static_cast<uint64_t>(window - outstanding);
}

void NodeWindow::answered(double units, Deadline::Clock::duration since_sent) {
  done_ += units;
  quickest_ = std::min(quickest_, std::chrono::duration<double>(since_sent).count());
}

// What is on its way takes time too: a distant node is sent more in advance.
void NodeWindow::adapt() {
  const auto now = Deadline::Clock::now();
  const double seconds = std::chrono::duration<double>(now - since_).count();
  if (done_ == 0 || (done_ < static_cast<double>(window_) / 2 && seconds < kAhead)) return;
  const double fitting = done_ / std::max(seconds, 1e-6) * (kAhead + quickest_);
  window_ = static_cast<uint64_t>(std::clamp(fitting, static_cast<double>(least_), 2 * static_cast<double>(window_)));
  done_ = 0;
  since_ = now;
}

// ---- what

void Engine::feed_nodes() {
  while (!queue_.empty()) {
    Job& job = checked(queue_.front());
    if (job.is_map()) {
      for (auto& [id, node] : nodes_)
        if (job.has_work() && node->state == NodeLink::State::kReady && node->ended.empty()) give_node_map(*node, job);
      if (job.has_work()) return;
    } else if (NodeLink* const node = freest_node()) {
      give_node_task(*node, job);
    } else {
      return;
    }
    queue_.pop_front();
    job.queued = false;
  }
}

NodeLink* Engine::freest_node() {
  NodeLink* freest = nullptr;
  for (auto& [id, node] : nodes_) {
    if (node->state != NodeLink::State::kReady || !node->ended.empty() || node->room_for_tasks() == 0) continue;
    const auto load = [](const NodeLink& link) { return static_cast<double>(link.works.size()) / link.workers; };
    if (freest == nullptr || load(*node) < load(*freest)) freest = node.get();
  }
  return freest;
}

void Engine::give_node_task(NodeLink& node, Job& job) {
  wire::WorkHead head = head_of(job);
  head.segments = send_segments(node, job);
  base::ByteWriter body;
  wire::encode_work(head, body);
  const SharedBytes payload =
      job.payload_file ? shm::attach(*job.payload_file, base::ByteReader(job.payload).get<uint64_t>()) : job.payload;
  node.channel.push(FrameType::kNodeTask, next_work_, std::move(body), payload);
  NodeWork work;
  work.job = job.id;
  work.answered.resize(1);
  work.left = 1;
  work.sent = Deadline::Clock::now();
  node.works.emplace(next_work_++, std::move(work));
  flush_node(node);
}

// Leftover positions first, then what it can claim as any worker does. False when it has enough.
bool Engine::give_node_map(NodeLink& node, Job& job) {
  NodeMap& map = node_map(node, job);
  uint64_t room = map.window.room(map.outstanding);
  const uint64_t left = job.leftover.size() + job.table->units_left();
  // Nobody is to be left with nothing to do at the end.
  const uint64_t fair = left * node.workers / (2 * uint64_t{total_places()});
  if (node.workers < total_places())
    room = std::min<uint64_t>(room, std::max<uint64_t>(fair, map.outstanding < node.workers));
  if (room == 0) return false;
  std::vector<uint64_t> again;
  while (!job.leftover.empty() && again.size() < room) {
    again.push_back(job.leftover.front());
    job.leftover.pop_front();
  }
  std::sort(again.begin(), again.end());
  room -= again.size();
  if (!again.empty()) give_positions(node, job, map, std::move(again), {});
  if (room > 0) claim_for(node, job, map, room);
  flush_node(node);
  return true;
}

void Engine::claim_for(NodeLink& node, Job& job, NodeMap& map, uint64_t units) {
  const shm::JobData& data = data_of(job);
  const shm::UnitRange claimed = job.table->claim(units);
  std::vector<uint64_t> positions, bounds;
  if (claimed.begin < claimed.end && data.explicit_units()) bounds.push_back(0);
  for (uint64_t unit = claimed.begin; unit < claimed.end; ++unit) {
    const auto [begin, end] = data.unit(unit);
    if (begin < end && job.table->stopped(begin)) {
      job.table->claim(job.table->units_left());  // the rest is stopped too
      break;
    }
    for (uint64_t position = begin; position < end; ++position) positions.push_back(position);
    if (data.explicit_units() && begin < end) bounds.push_back(positions.size());
  }
  if (!positions.empty()) give_positions(node, job, map, std::move(positions), bounds);
}

NodeMap& Engine::node_map(NodeLink& node, Job& job) {
  const auto [at, is_new] = node.maps.try_emplace(job.id, node.workers);
  if (!is_new) return at->second;
  base::ByteWriter head;
  wire::encode_things(send_segments(node, job), head);
  node.channel.push(FrameType::kNodeContext, job.id, std::move(head), shared_data_of(job));
  return at->second;
}

// In messages of a moderate size; chunks (the ends of which `bounds` names, after a 0) stay whole.
void Engine::give_positions(NodeLink& node, Job& job, NodeMap& map, std::vector<uint64_t> positions,
                            const std::vector<uint64_t>& bounds) {
  const shm::JobData& data = data_of(job);
  std::vector<uint64_t> part, part_bounds;
  uint64_t bytes = 0;
  const auto send = [&] {
    if (!part_bounds.empty()) part_bounds.insert(part_bounds.begin(), 0);
    if (!part.empty()) give_batch(node, job, map, std::move(part), std::move(part_bounds));
    part.clear();
    part_bounds.clear();
    bytes = 0;
  };
  size_t unit = 1;
  for (size_t i = 0; i < positions.size(); ++i) {
    part.push_back(positions[i]);
    bytes += bytes_of(data, job.element_at(positions[i]));
    const bool at_end = bounds.empty() || i + 1 == bounds[unit];
    if (!bounds.empty() && at_end) part_bounds.push_back(part.size());
    if (!bounds.empty() && at_end) ++unit;
    if (at_end && bytes > wire::kPartSize) send();
  }
  send();
}

void Engine::give_batch(NodeLink& node, Job& job, NodeMap& map, std::vector<uint64_t> positions,
                        std::vector<uint64_t> bounds) {
  const shm::JobData& data = data_of(job);
  shm::JobDataParts parts;
  parts.count = positions.size();
  parts.mode = data.mode();
  parts.map = job.id;
  for (const uint64_t position : positions) {
    parts.numbers.push_back(job.element_at(position));
    job.table->mark(position, shm::kStateClaimed, node.id);
  }
  const base::Bytes each = data.mode() == shm::ElementMode::kEach ? each_of(data, parts.numbers) : base::Bytes();
  parts.elements = each;
  parts.bounds = bounds;
  base::ByteWriter head;
  wire::encode_work(head_of(job), head);
  node.channel.push(FrameType::kNodeBatch, next_work_, std::move(head), shared_of(shm::encode_job_data(parts)));
  NodeWork work;
  work.job = job.id;
  work.answered.resize(positions.size());
  work.left = positions.size();
  const double units = bounds.empty() ? static_cast<double>(positions.size()) : static_cast<double>(bounds.size() - 1);
  work.units_each = units / static_cast<double>(positions.size());
  work.positions = std::move(positions);
  work.sent = Deadline::Clock::now();
  map.outstanding += units;
  node.works.emplace(next_work_++, std::move(work));
}

// Sends those that it has not yet; names all.
std::vector<wire::ThingId> Engine::send_segments(NodeLink& node, const Job& job) {
  std::vector<wire::ThingId> names;
  for (const shm::SharedSegment& segment : job.segments) {
    names.push_back(thing_of(segment->id()));
    if (node.segments.emplace(segment->id(), segment).second) node.channel.push_segment(*segment);
  }
  return names;
}

void Engine::drop_gone_segments_of(NodeLink& node) {
  const uint64_t gone = shm::Segment::gone();
  if (std::exchange(node.segments_gone, gone) == gone) return;
  base::ByteWriter ids;
  for (auto at = node.segments.begin(); at != node.segments.end();) {
    const bool expired = at->second.expired();
    if (expired) ids.put(thing_of(at->first));
    at = expired ? node.segments.erase(at) : std::next(at);
  }
  if (ids.bytes().empty()) return;
  node.channel.push(FrameType::kNodeDropSegments, 0, ids.bytes());
  flush_node(node);
}

}  // namespace avenir::engine
