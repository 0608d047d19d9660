// The part of the engine that sends shared memory to workers and takes what they send. The engine's mutex is held
// throughout.

#include "base/error.h"
#include "engine/engine.h"

namespace avenir::engine {

// A segment that the worker has already is not sent again.
void Engine::send_segments(WorkerLink& worker, const Job& job) {
  for (const shm::SharedSegment& segment : job.segments) {
    if (!worker.segments.emplace(segment->id(), segment).second) continue;
    segment->note_sent_on();
    if (segment->lease()) worker.leases.emplace(segment->id(), segment->lease());
    const shm::SegmentRef ref = segment->ref();
    const std::shared_ptr<const sys::OwnFd> fd(segment, &segment->fd());
    worker.writer.push(wire::FrameType::kSegment, 0, base::SharedBytes::copy(&ref, sizeof ref),
                       {std::const_pointer_cast<sys::OwnFd>(fd)});
  }
}

// Those that nobody here has any more: no job refers to them, and they are not kept to be used again.
void Engine::drop_gone_segments() {
  const uint64_t gone = shm::Segment::gone();
  for (auto& [number, worker] : workers_) {
    if (worker->segments_gone == gone || !worker->data.valid()) continue;
    worker->segments_gone = gone;
    base::ByteWriter ids;
    for (auto at = worker->segments.begin(); at != worker->segments.end();) {
      const bool expired = at->second.expired();
      if (expired) ids.put(at->first);
      at = expired ? worker->segments.erase(at) : std::next(at);
    }
    if (ids.bytes().empty()) continue;
    worker->writer.push(wire::FrameType::kDropSegments, 0, wire::to_shared(ids.bytes()));
    flush_worker(*worker);
  }
  for (auto& [number, node] : nodes_)
    if (node->ended.empty()) drop_gone_segments_of(*node);
}

void Engine::receive_segment(WorkerLink& worker, wire::Frame& frame) {
  const auto ref = base::ByteReader(frame.body).get<shm::SegmentRef>();
  if (frame.fds.empty()) throw base::Error(base::ErrorKind::kDisconnected, "a segment without its file");
  const auto lent = worker.leases.find(ref.id);
  auto lease = lent == worker.leases.end() ? nullptr : lent->second;
  worker.arrived.push_back(shm::Segment::adopt_result(ref, std::move(frame.fds.front()), std::move(lease)));
}

// It has no views of these any more.
void Engine::end_leases(WorkerLink& worker, const wire::Frame& frame) {
  for (base::ByteReader ids(frame.body); ids.left() > 0;) worker.leases.erase(ids.get<shm::SegmentId>());
}

}  // namespace avenir::engine
