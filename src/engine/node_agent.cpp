#include "engine/node_agent.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "shm/job_data.h"
#include "shm/region.h"
#include "sys/memory_use.h"

namespace avenir::engine {

namespace {

using base::Deadline;
using base::SharedBytes;
using wire::FrameType;

[[noreturn]] void refuse(const std::string& what) {
  throw base::Error(base::ErrorKind::kDisconnected, "the session sent what no session may send: " + what);
}

JobPolicy policy_of(const wire::WorkHead& head) {
  JobPolicy policy;
  policy.retries = static_cast<unsigned>(std::min<uint64_t>(head.retries, 1000000000));
  policy.time_limit = head.time_limit;
  return policy;
}

constexpr size_t kAnswersTogether = 256 * 1024;  // bytes of one frame of answers

}  // namespace

// ---- its end

std::string NodeAgent::End::reason() {
  std::lock_guard<std::mutex> lock(mutex_);
  return reason_;
}

bool NodeAgent::End::refused() {
  std::lock_guard<std::mutex> lock(mutex_);
  return refused_;
}

void NodeAgent::End::ask(const std::string& reason) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    asked_ = reason;
  }
  if (wake_agent_) wake_agent_();
}

std::string NodeAgent::End::asked() {
  std::lock_guard<std::mutex> lock(mutex_);
  return asked_;
}

void NodeAgent::End::set(const std::string& reason, bool refused) {
  std::lock_guard<std::mutex> lock(mutex_);
  reason_ = reason;
  refused_ = refused;
  wake_.wake();
}

void NodeAgent::end(const std::string& reason, bool refused) {
  if (std::exchange(over_, true)) return;
  works_.clear();
  end_->set(reason, refused);
}

// ---- the agent

NodeAgent::NodeAgent(Engine& engine, std::unique_ptr<sys::ByteStream> stream, const wire::NodeHello& hello,
                     std::shared_ptr<End> end, double patience)
    : engine_(engine),
      channel_(std::move(stream)),
      end_(std::move(end)),
      workers_(hello.workers),
      cores_(hello.cores),
      welcome_by_(Deadline::in_seconds(patience)) {
  if (hello.packs != 0) channel_.unpack();  // what comes beside the welcome may be packed
  channel_.push(FrameType::kNodeHello, 0, hello.encode());
  channel_.flush();
}

Deadline NodeAgent::turn(bool readable) {
  if (over_) return Deadline::never();
  try {
    // Something may have come, and be buffered, before anybody waited for it.
    if (readable || !welcomed_ || channel_.has_buffered()) receive();
    send_news();
    const std::string asked = end_->asked();
    if (!asked.empty()) {
      base::ByteWriter reason;
      reason.put_string(asked);
      channel_.push(FrameType::kNodeGoodbye, 0, reason.bytes());
      channel_.flush();
      end(asked);
    }
    if (!welcomed_ && welcome_by_.passed()) end("the session did not answer");
    if (welcomed_ && channel_.lost_at(limits_.lost_after).passed())
      end("nothing was heard of the session for " + std::to_string(std::lround(limits_.lost_after)) + " s");
    if (welcomed_ && channel_.beat_at(limits_.heartbeat).passed() && !channel_.has_unsent()) send_status();
    if (!over_) flush();
  } catch (const std::exception& error) {
    end(error.what());
  }
  if (over_) return Deadline::never();
  if (more_) return Deadline::now();
  if (!welcomed_) return welcome_by_;
  const Deadline lost = channel_.lost_at(limits_.lost_after);
  return channel_.has_unsent() ? lost : std::min(lost, channel_.beat_at(limits_.heartbeat));
}

void NodeAgent::receive() {
  std::vector<wire::Frame> frames;
  const sys::IoStatus status = channel_.receive(frames);
  if (status == sys::IoStatus::kClosed && frames.empty()) end("the session has hung up");
  more_ = status == sys::IoStatus::kDone && channel_.has_buffered();
  for (wire::Frame& frame : frames)
    if (!over_) handle(frame);
}

void NodeAgent::flush() {
  const sys::IoStatus status = channel_.flush();
  if (status == sys::IoStatus::kClosed) end("the session has hung up");
  wants_write_ = status == sys::IoStatus::kWouldBlock;
}

void NodeAgent::handle(wire::Frame& frame) {
  base::ByteReader in(frame.body);
  const uint64_t id = frame.header.id;
  switch (frame.header.type) {
    case FrameType::kNodeWelcome:
      return welcome(wire::NodeWelcome::decode(frame.body));
    case FrameType::kNodeRefusal:
      return end(in.get_string(), true);
    case FrameType::kNodeGoodbye:
      return end(in.get_string());
    case FrameType::kNodeStatus:
      return;
    default:
      if (!welcomed_) refuse("work before its welcome");
  }
  switch (frame.header.type) {
    case FrameType::kNodeTask:
      return begin_task(id, frame.body);
    case FrameType::kNodeContext:
      return keep_context(id, frame.body);
    case FrameType::kNodeBatch:
      return begin_batch(id, frame.body);
    case FrameType::kNodeCancel: {
      const auto from = in.get<uint64_t>();
      const bool interrupt = in.get<uint32_t>() != 0;
      const auto work = works_.find(id);
      if (work != works_.end()) work->second.stopped = std::min(work->second.stopped, from);
      if (work != works_.end()) engine_.cancel(work->second.job, from, interrupt);
      return;
    }
    case FrameType::kNodeForget:
      return forget(id);
    case FrameType::kNodeForgetMap:
      contexts_.erase(id);
      return engine_.drop_context(id);
    case FrameType::kNodeDropSegments:
      while (in.left() > 0) segments_.erase(in.get<wire::ThingId>());
      return;
    default:
      refuse("a frame of type " + std::to_string(static_cast<uint32_t>(frame.header.type)));
  }
}

void NodeAgent::welcome(const wire::NodeWelcome& welcome) {
  if (!(welcome.heartbeat > 0) || !(welcome.lost_after > 0)) refuse("a welcome with times that are not above 0");
  if (welcome.packs != 0) channel_.pack();
  limits_ = welcome;
  welcomed_ = true;
  engine_.configure(limits_);
  const unsigned share = std::max(1u, cores_ / std::max(1u, workers_));
  engine_.resize(workers_, limits_.threads > 0 ? limits_.threads : share);
}

// ---- work

shm::Segments NodeAgent::segments_of(const std::vector<wire::ThingId>& names) {
  shm::Segments segments;
  for (const wire::ThingId& name : names) {
    shm::SharedSegment& segment = segments_[name];
    if (!segment) segment = channel_.take_sent(name);
    segments.push_back(segment);
  }
  return segments;
}

void NodeAgent::begin(uint64_t number, Work work) {
  number_of_[work.job] = number;
  works_[number] = std::move(work);
}

void NodeAgent::begin_task(uint64_t number, const SharedBytes& body) {
  base::ByteReader in(body);
  wire::WorkHead head = wire::decode_work(in);
  NodeChannel::Payload payload = channel_.take_payload(in, body);
  shm::Segments segments = segments_of(head.segments);
  Work work;
  work.left = work.stopped = 1;
  if (payload.thing) {
    const uint64_t size = payload.thing->size;
    work.job = engine_.submit_task(payload.file(), size, policy_of(head), std::move(segments));
  } else {
    // A copy: the frame may hold more than this.
    work.job = engine_.submit_task(SharedBytes::copy(payload.here.data(), payload.here.size()), policy_of(head),
                                   std::move(segments));
  }
  work.segments = std::move(head.segments);
  begin(number, std::move(work));
}

void NodeAgent::keep_context(uint64_t map, const SharedBytes& body) {
  base::ByteReader in(body);
  Context context;
  context.segments = wire::decode_things(in);
  segments_of(context.segments);
  context.shared.map = map;
  context.shared.file = std::make_shared<sys::OwnFd>(channel_.take_payload(in, body).file());
  contexts_[map] = std::move(context);
}

void NodeAgent::begin_batch(uint64_t number, const SharedBytes& body) {
  base::ByteReader in(body);
  const wire::WorkHead head = wire::decode_work(in);
  const auto context = contexts_.find(head.map);
  if (context == contexts_.end()) refuse("elements of a map without its context");
  sys::OwnFd file = channel_.take_payload(in, body).file();
  const shm::JobData data = shm::JobData::attach(file);
  if (!data.is_piece() || data.count() == 0 || data.map() != head.map)
    refuse("elements that are no piece of their map");
  auto table = shm::TaskTable::create(data.count(), data.units(), workers_, head.keep_going != 0);
  Work work;
  work.left = work.stopped = data.count();
  work.map = head.map;
  work.stops = head.keep_going == 0;
  work.segments = context->second.segments;
  work.job = engine_.submit_map(std::move(table), std::move(file), {}, policy_of(head), segments_of(work.segments),
                                context->second.shared);
  begin(number, std::move(work));
}

void NodeAgent::forget(uint64_t number) {
  const auto work = works_.find(number);
  if (work == works_.end()) return;
  engine_.cancel(work->second.job, 0, true);
  engine_.forget(work->second.job);
  number_of_.erase(work->second.job);
  works_.erase(work);
}

// ---- what it sends

void NodeAgent::send_news() {
  std::vector<uint64_t> touched;
  uint64_t number = 0;
  base::ByteWriter body;
  const auto send = [&] {
    if (!body.bytes().empty()) channel_.push(FrameType::kNodeAnswers, number, body.take());
    body = base::ByteWriter();
  };
  for (Engine::News& news : engine_.take_news()) {
    const auto found = number_of_.find(news.job);
    if (found == number_of_.end()) continue;
    if (found->second != number || !news.answer || body.bytes().size() > kAnswersTogether) send();
    if (number != found->second) touched.push_back(number = found->second);
    if (news.answer)
      send_answer(works_[number], *news.answer, body);
    else
      channel_.push(FrameType::kNodeImmediate, number, base::ByteWriter(), news.immediate);
  }
  send();
  send_stops(touched);
}

// Large bytes and segments go before; segments of the work itself by their name.
void NodeAgent::send_answer(Work& work, wire::Answer& answer, base::ByteWriter& body) {
  wire::NodeAnswer message;
  message.element = answer.element;
  message.kind = answer.kind;
  if (answer.segments) {
    for (const shm::SharedSegment& segment : *static_cast<const shm::Segments*>(answer.segments.get())) {
      const wire::ThingId name = thing_of(segment->id());
      message.segments.push_back(name);
      const bool known = std::find(work.segments.begin(), work.segments.end(), name) != work.segments.end();
      if (!known) channel_.push_segment(*segment);
    }
  }
  if (answer.bytes.size() >= shm::kLargePayload)
    message.thing = channel_.push_thing(answer.bytes);
  else
    message.bytes = std::move(answer.bytes);
  wire::encode_node_answer(message, body);
  --work.left;
}

// After an error what is behind it will not be begun here, and is not to be anywhere else.
void NodeAgent::send_stops(const std::vector<uint64_t>& touched) {
  for (const uint64_t number : touched) {
    const auto found = works_.find(number);
    if (found == works_.end()) continue;
    Work& work = found->second;
    const uint64_t from = work.stops && work.map != 0 ? engine_.stopped_from(work.job) : work.stopped;
    if (from < work.stopped) {
      work.stopped = from;
      base::ByteWriter body;
      body.put(from);
      channel_.push(FrameType::kNodeStopped, number, body.bytes());
    }
    if (work.left == 0) {
      engine_.forget(work.job);
      number_of_.erase(work.job);
      works_.erase(found);
    }
  }
}

void NodeAgent::send_status() {
  wire::NodeStatus status;
  status.memory = sys::available_memory();
  for (const WorkerInfo& worker : engine_.worker_infos())
    status.workers.push_back({worker.id, worker.pid, static_cast<uint32_t>(worker.code), worker.answers,
                              sys::resident_memory(worker.pid).value_or(0)});
  channel_.push(FrameType::kNodeStatus, 0, status.encode());
}

}  // namespace avenir::engine
