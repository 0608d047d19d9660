#include "wire/node_message.h"

namespace avenir::wire {

namespace {

// A count of things of which each takes at least `size` bytes: more than the message holds are not to be made room for.
uint64_t checked_count(base::ByteReader& in, size_t size) {
  const auto count = in.get<uint64_t>();
  if (count > in.left() / size)
    throw base::Error(base::ErrorKind::kDisconnected,
                      "a message of a node names " + std::to_string(count) + " things, which it does not hold");
  return count;
}

AnswerKind checked_kind(AnswerKind kind) {
  if (kind > AnswerKind::kCancelled)
    throw base::Error(base::ErrorKind::kDisconnected, "an answer of a kind that no node may send");
  return kind;
}

}  // namespace

base::Bytes NodeHello::encode() const {
  base::ByteWriter out;
  out.put(protocol);
  out.put(byte_order);
  out.put(pid);
  out.put(workers);
  out.put(cores);
  out.put(packs);
  for (const std::string* text : {&avenir, &r, &platform, &libraries, &host}) out.put_string(*text);
  return out.take();
}

// Of another version only the first number may be there.
NodeHello NodeHello::decode(const base::SharedBytes& body) {
  base::ByteReader in(body);
  NodeHello hello;
  hello.protocol = in.get<uint32_t>();
  hello.byte_order = in.get<uint32_t>();
  if (hello.protocol != kProtocolVersion || hello.byte_order != NodeHello().byte_order) return hello;
  hello.pid = in.get<int32_t>();
  hello.workers = in.get<uint32_t>();
  hello.cores = in.get<uint32_t>();
  hello.packs = in.get<uint32_t>();
  for (std::string* text : {&hello.avenir, &hello.r, &hello.platform, &hello.libraries, &hello.host})
    *text = in.get_string();
  return hello;
}

base::Bytes NodeWelcome::encode() const {
  base::ByteWriter out;
  for (const double seconds : {heartbeat, lost_after, start_timeout, interrupt_grace}) out.put(seconds);
  out.put(memory_limit);
  out.put(threads);
  out.put(packs);
  return out.take();
}

NodeWelcome NodeWelcome::decode(const base::SharedBytes& body) {
  base::ByteReader in(body);
  NodeWelcome welcome;
  for (double* seconds : {&welcome.heartbeat, &welcome.lost_after, &welcome.start_timeout, &welcome.interrupt_grace})
    *seconds = in.get<double>();
  welcome.memory_limit = in.get<uint64_t>();
  welcome.threads = in.get<uint32_t>();
  welcome.packs = in.get<uint32_t>();
  return welcome;
}

void encode_things(const std::vector<ThingId>& things, base::ByteWriter& out) {
  out.put<uint64_t>(things.size());
  for (const ThingId& thing : things) out.put(thing);
}

std::vector<ThingId> decode_things(base::ByteReader& in) {
  std::vector<ThingId> things(checked_count(in, sizeof(ThingId)));
  for (ThingId& thing : things) thing = in.get<ThingId>();
  return things;
}

void encode_work(const WorkHead& head, base::ByteWriter& out) {
  out.put(head.map);
  out.put(head.retries);
  out.put(head.time_limit);
  out.put(head.keep_going);
  encode_things(head.segments, out);
}

WorkHead decode_work(base::ByteReader& in) {
  WorkHead head;
  head.map = in.get<uint64_t>();
  head.retries = in.get<uint64_t>();
  head.time_limit = in.get<double>();
  head.keep_going = in.get<uint32_t>();
  head.segments = decode_things(in);
  return head;
}

void encode_node_answer(const NodeAnswer& answer, base::ByteWriter& out) {
  out.put(answer.element);
  out.put(answer.kind);
  encode_things(answer.segments, out);
  out.put(answer.thing);
  out.put<uint64_t>(answer.bytes.size());
  if (answer.bytes.size() > 0) out.put_bytes(answer.bytes.data(), answer.bytes.size());
}

std::vector<NodeAnswer> decode_node_answers(const base::SharedBytes& body) {
  std::vector<NodeAnswer> answers;
  base::ByteReader in(body);
  while (in.left() > 0) {
    NodeAnswer answer;
    answer.element = in.get<uint64_t>();
    answer.kind = checked_kind(in.get<AnswerKind>());
    answer.segments = decode_things(in);
    answer.thing = in.get<uint64_t>();
    const auto size = in.get<uint64_t>();
    const uint8_t* const at = in.take(size);
    answer.bytes = body.slice(static_cast<size_t>(at - body.data()), size);
    answers.push_back(std::move(answer));
  }
  return answers;
}

base::Bytes NodeStatus::encode() const {
  base::ByteWriter out;
  out.put(memory);
  out.put<uint64_t>(workers.size());
  for (const Worker& worker : workers) {
    out.put(worker.id);
    out.put(worker.pid);
    out.put(worker.state);
    out.put(worker.answers);
    out.put(worker.memory);
  }
  return out.take();
}

NodeStatus NodeStatus::decode(const base::SharedBytes& body) {
  base::ByteReader in(body);
  NodeStatus status;
  status.memory = in.get<uint64_t>();
  status.workers.resize(checked_count(in, 28));
  for (Worker& worker : status.workers) {
    worker.id = in.get<uint32_t>();
    worker.pid = in.get<int32_t>();
    worker.state = in.get<uint32_t>();
    worker.answers = in.get<uint64_t>();
    worker.memory = in.get<uint64_t>();
  }
  return status;
}

}  // namespace avenir::wire
