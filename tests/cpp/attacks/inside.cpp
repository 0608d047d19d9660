// A node that has the key, and is none.

#include <poll.h>

#include <random>

#include "attacks/attack.h"
#include "base/error.h"
#include "wire/frame_stream.h"

namespace avenir::testing {

namespace {

using wire::FrameType;

class FalseNode {
 public:
  explicit FalseNode(const Target& target, uint32_t beyond = 0, bool greets = true) : stream_(target.join(beyond)) {
    if (greets) say(greeting(target));
  }
  bool say(const std::string& bytes) { return write_stream(*stream_, bytes); }
  bool ends() { return eventually_closed(*stream_); }
  // A byte each 0.1 s, until the session hangs up, all is said or `most` seconds are over.
  size_t drip(const std::string& bytes, double most);
  // The number of the next work that it is given.
  uint64_t await_work();

 private:
  bool hears(double seconds);

  Stream stream_;
  wire::StreamFrameReader reader_{wire::kLongestNodeBody};
};

bool FalseNode::hears(double seconds) {
  pollfd polled{stream_->fd(), POLLIN, 0};
  return ::poll(&polled, 1, static_cast<int>(seconds * 1000)) > 0;
}

size_t FalseNode::drip(const std::string& bytes, double most) {
  const auto over = base::Deadline::in_seconds(most);
  size_t said = 0;
  while (said < bytes.size() && !over.passed() && !hears(0.1) && say(bytes.substr(said, 1))) ++said;
  return said;
}

uint64_t FalseNode::await_work() {
  const auto deadline = base::Deadline::in_seconds(kPatience);
  std::vector<wire::Frame> frames;
  for (uint64_t bytes = 0; !deadline.passed(); hears(0.1)) {
    if (reader_.receive(*stream_, frames, bytes) == sys::IoStatus::kClosed) break;
    for (const wire::Frame& frame : frames)
      if (frame.header.type == FrameType::kNodeBatch || frame.header.type == FrameType::kNodeTask)
        return frame.header.id;
    frames.clear();
  }
  throw base::Error(base::ErrorKind::kTimeout, "**no work came**");
}

// ---- frames

// The hello, these bytes behind it, and the end.
Outcome says(const Target& target, const std::string& bytes, uint32_t beyond = 0) {
  FalseNode node(target, beyond);
  node.say(bytes);
  return closed(node.ends());
}

std::string announced(uint64_t length, FrameType type = FrameType::kNodeAnswers) {
  const wire::FrameHeader header{type, 0, 1, length};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header);
}

std::string part(uint64_t number, uint64_t total, uint64_t offset, size_t size) {
  base::ByteWriter body;
  body.put(wire::PartHead{{0, number}, total, offset});
  const base::Bytes data(size, 7);
  body.put_bytes(data.data(), data.size());
  return frame(FrameType::kNodePart, 0, body.bytes());
}

std::string answer(uint64_t work, uint64_t element, uint64_t thing = 0, uint64_t segments = 0) {
  base::ByteWriter body;
  body.put(element);
  body.put(wire::AnswerKind::kValue);
  for (const uint64_t number : {segments, thing, uint64_t{0}}) body.put(number);
  return frame(FrameType::kNodeAnswers, work, body.bytes());
}

std::string goodbye(size_t size) {
  base::ByteWriter body;
  body.put_string(std::string(size, '!'));
  return frame(FrameType::kNodeGoodbye, 0, body.bytes());
}

// ---- before the hello and with it

Outcome silent(const Target& target) {
  FalseNode node(target, 0, false);
  return closed(node.ends());
}

Outcome slow_hello(const Target& target) {
  FalseNode node(target, 0, false);
  const size_t said = node.drip(greeting(target), kPatience);
  return {said < greeting(target).size() && node.ends(), "closed after " + std::to_string(said) + " bytes"};
}

Outcome part_first(const Target& target) {
  FalseNode node(target, 0, false);
  node.say(part(1, 8, 0, 4));
  return closed(node.ends());
}

Outcome hello_bytewise(const Target& target) {
  FalseNode node(target, 0, false);
  for (const char byte : greeting(target)) node.say(std::string(1, byte));
  node.await_work();
  return {true, "taken, and given work"};
}

Outcome truncated(const Target& target) {
  const std::string whole = greeting(target);
  for (size_t size = 0; size < whole.size(); ++size)
    FalseNode(target, static_cast<uint32_t>(size), false).say(whole.substr(0, size));
  return {true, std::to_string(whole.size()) + " nodes that end there"};
}

Outcome boasts(Target target, const char* what) {
  if (what == std::string("workers")) target.hello.workers = UINT32_MAX;
  if (what == std::string("version")) target.hello.avenir = std::string(1 << 20, '1');
  return says(target, "");
}

Outcome name_again(const Target& target) {
  FalseNode node(target);
  try {
    target.join();
    return {false, "**joined**"};
  } catch (const base::Error&) {
    return {true, "refused"};
  }
}

// ---- lengths

Outcome oversized(const Target& target) {
  uint32_t beyond = 0;
  for (const uint64_t length :
       {uint64_t{1} << 31, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 23, wire::kLongestNodeBody + 1})
    if (!says(target, announced(length), beyond++).right) return closed(false);
  return closed(true);
}

Outcome noise(const Target& target) {
  std::mt19937 random(target.rank);
  for (uint32_t i = 0; i < 100; ++i) {
    base::Bytes body(random() % 300);
    for (uint8_t& byte : body) byte = static_cast<uint8_t>(random() % 4 == 0 ? random() : random() % 3);
    const auto type = static_cast<FrameType>(random() % 45);
    FalseNode(target, i).say(frame(type, random() % 3000, body));
  }
  return {true, "100 nodes"};
}

// ---- floods

Outcome tiny_frames(const Target& target) {
  const std::string one = frame(FrameType::kNodeStatus, 0, wire::NodeStatus().encode());
  std::string many;
  for (int i = 0; i < 1000; ++i) many += one;
  FalseNode node(target);
  for (int i = 0; i < 1000; ++i)
    if (!node.say(many)) return {false, "**closed**"};
  return {true, "taken"};
}

Outcome things_begun(const Target& target) {
  FalseNode node(target);
  for (uint64_t i = 1; i <= 2000; ++i)
    if (!node.say(part(i, 1 << 20, 0, 1))) return {true, "closed after " + std::to_string(i)};
  return {true, "taken until the node ends"};
}

Outcome large_thing(const Target& target) {
  constexpr uint64_t kTotal = 256 << 20;
  FalseNode node(target);
  for (uint64_t offset = 0; offset < kTotal; offset += wire::kPartSize)
    if (!node.say(part(1, kTotal, offset, wire::kPartSize))) return {false, "**closed**"};
  return {true, "taken until the node ends"};
}

Outcome goodbyes(const Target& target) {
  for (uint32_t i = 0; i < 20; ++i) FalseNode(target, i).say(goodbye((4 << 20) - 8));
  return {true, "20 nodes that end"};
}

// ---- with work

Outcome answers_beyond(const Target& target) {
  FalseNode node(target);
  node.say(answer(node.await_work(), 1000000));
  return closed(node.ends());
}

Outcome names_what_never_came(const Target& target) {
  FalseNode node(target);
  node.say(answer(node.await_work(), 0, 77));
  return closed(node.ends());
}

// To work that was never given: dropped, the node stays.
Outcome answers_unasked(const Target& target) {
  FalseNode node(target);
  const uint64_t work = node.await_work();
  for (uint64_t i = 1; i < 1000; ++i) node.say(answer(work + i * 1000003, i));
  node.say(goodbye(1));
  return {node.ends(), "dropped"};
}

Outcome falls_silent(const Target& target) {
  FalseNode node(target);
  node.await_work();
  return closed(node.ends());
}

// It takes work and sends a frame that never ends, which is as good as a beat; it reads nothing.
Outcome keeps_work(const Target& target) {
  FalseNode node(target);
  node.await_work();
  node.say(announced(1 << 20));
  const auto over = base::Deadline::in_seconds(5);
  while (!over.passed()) {
    if (!node.say("?")) return {false, "**closed**"};
    ::poll(nullptr, 0, 100);
  }
  return {true, "kept its work until it ended"};
}

}  // namespace

const std::vector<Attack>& attacks_from_inside() {
  static const std::vector<Attack> attacks{
      {"node: says nothing after its proof", silent},
      {"node: its hello, a byte each 0.1 s", slow_hello},
      {"node: its hello, a byte at a time", hello_bytewise},
      {"node: its hello, cut at each byte", truncated},
      {"node: two hellos", [](const Target& t) { return says(t, greeting(t)); }},
      {"node: work before its hello", part_first},
      {"node: offers 2^32-1 workers", [](const Target& t) { return boasts(t, "workers"); }},
      {"node: a version of 1 MiB", [](const Target& t) { return boasts(t, "version"); }},
      {"node: its name once more", name_again},
      {"node: lengths of 2^31, 2^40, 2^64-1, -24, limit+1", oversized},
      {"node: a frame without a body", [](const Target& t) { return says(t, announced(0, FrameType::kNodeStatus)); }},
      {"node: a frame that only a session sends",
       [](const Target& t) { return says(t, frame(FrameType::kNodeWelcome, 0, wire::NodeWelcome().encode())); }},
      {"node: 100 times noise", noise},
      {"node: 1,000,000 tiny frames", tiny_frames},
      {"node: 20 goodbyes of 4 MiB", goodbyes},
      {"node: 2,000 large things begun", things_begun},
      {"node: a large thing of 256 MiB that nothing names", large_thing},
      {"node: a large thing of 2^60 bytes", [](const Target& t) { return says(t, part(1, uint64_t{1} << 60, 0, 4)); }},
      {"node: a part behind its end", [](const Target& t) { return says(t, part(1, 8, 4, 8)); }},
      {"node: ends in the middle of a large thing",
       [](const Target& t) {
         return Outcome{FalseNode(t).say(part(1, 64, 0, 32)), "left"};
       }},
      {"node: an answer with 2^61 segments",
       [](const Target& t) { return says(t, answer(1, 0, 0, uint64_t{1} << 61)); }},
      {"node: an answer beyond its work", answers_beyond},
      {"node: an answer that names what never came", names_what_never_came},
      {"node: 999 answers to work that was never given", answers_unasked},
      {"node: takes work and falls silent", falls_silent},
      {"node: takes work, then a byte each 0.1 s for 5 s", keeps_work},
  };
  return attacks;
}

}  // namespace avenir::testing
