#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "shm/publication.h"
#include "support.h"
#include "test_session.h"

// Shared memory between the engine and fake workers (fake_worker.h).

using namespace avenir::testing;
using avenir::wire::AnswerKind;
namespace shm = avenir::shm;

namespace {

const shm::Segments& segments_of(const avenir::wire::Answer& answer) {
  static const shm::Segments none;
  return answer.segments ? *static_cast<const shm::Segments*>(answer.segments.get()) : none;
}

shm::Segments published(const std::string& data) {
  shm::Publication publication(shm::Reuse::kNever);
  publication.add(shm::VectorType::kRaw, data.data(), data.size(), data.size());
  publication.finish();
  return publication.segments();
}

uint64_t submit(TestSession& session, const std::string& command, shm::Segments segments) {
  return session.engine().submit_task(shared(command), {}, std::move(segments));
}

}  // namespace

TEST_SUITE_BEGIN("engine");

TEST_CASE("a segment comes with its answer, and with no other") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  for (int round = 0; round < 3; ++round) {
    const auto answer = session.wait(session.submit("share 100000"));
    CHECK(text(answer.bytes) == "shared");
    REQUIRE(segments_of(answer).size() == 1);
    const auto memory = segments_of(answer)[0]->view(0, 100000);
    CHECK(std::string(memory.data, memory.data + 100000) == std::string(100000, 's'));
    CHECK(segments_of(session.wait(session.submit("echo plain"))).empty());
  }
}

TEST_CASE("a map's elements have their own segments") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 2);
  MapSpec map;
  for (int i = 0; i < 20; ++i) map.elements.push_back(i % 3 == 0 ? "echo none" : "share " + std::to_string(70000 + i));
  const uint64_t job = session.submit_map(map);
  for (size_t i = 0; i < 20; ++i) {
    const auto answer = session.wait(job, i);
    REQUIRE(segments_of(answer).size() == (i % 3 == 0 ? 0 : 1));
    if (i % 3 != 0) CHECK(segments_of(answer)[0]->size() == 70000 + i);
  }
}

TEST_CASE("a segment that a worker has is not sent again, and it drops those that nobody has any more") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  shm::Segments first = published(std::string(1000, 'x'));
  CHECK(session.value_of(submit(session, "held", first)) == "1");
  CHECK(session.value_of(submit(session, "held", first)) == "1");
  const uint64_t second = submit(session, "held", published("other"));
  CHECK(session.value_of(second) == "2");
  CHECK(session.value("held") == "2");
  session.engine().forget(second);
  CHECK(session.value("held") == "1");  // `first` is still ours
}

TEST_CASE("a segment survives its worker, and a task that is done again gets it again") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  avenir::engine::JobPolicy policy;
  policy.retries = 1;
  const auto segments = published("again");
  const uint64_t job = session.engine().submit_task(shared("die-first 1 " + folder.path("died")), policy, segments);
  CHECK(session.value_of(job) == "went on");
  CHECK(session.value("held") == "1");
}

TEST_CASE("a worker whose segments are not what it says is treated as dead") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  for (const char* command : {"segment-without-file", "segment-too-short", "segment-unsealed"}) {
    INFO(std::string(command));
    CHECK(session.loss_of(session.submit(command)).cause == avenir::wire::LossCause::kProtocol);
    CHECK(session.value("echo alive") == "alive");
  }
}

namespace {

constexpr size_t kLarge = 16 << 20;  // from this size on a vector has a file to itself

// Segments that are kept, as a session's are, of one large vector.
shm::Segments kept(char fill) {
  const std::string data(kLarge, fill);
  shm::Publication publication(shm::Reuse::kByContent);
  publication.add(shm::VectorType::kRaw, data.data(), data.size(), data.size());
  publication.finish();
  return publication.segments();
}

bool is_filled_with(const shm::Segments& segments, char fill) {
  const auto memory = segments.at(0)->view(0, kLarge);
  return std::all_of(memory.data, memory.data + kLarge, [fill](uint8_t byte) { return byte == fill; });
}

// Tells the worker which segments nobody has any more, and lets it say what is left of them there.
void exchange_news(TestSession& session) {
  for (int i = 0; i < 3; ++i) session.value("echo");
}

// The session has nothing of it any more.
void let_go(TestSession& session, shm::Segments& segments, uint64_t job) {
  session.engine().forget(job);
  segments.clear();
  shm::SegmentStore::process().forget_published();
  exchange_news(session);
}

std::string about(const std::string& command, const shm::Segments& segments) {
  const shm::SegmentId id = segments.at(0)->id();
  return command + " " + std::to_string(id.maker) + " " + std::to_string(id.number);
}

uint64_t pooled() { return shm::SegmentPool::process().use().files; }

}  // namespace

TEST_CASE("a large segment's file is written again when no worker has a view any more") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  shm::Segments first = kept('a');
  const uint64_t job = submit(session, "held", first);
  CHECK(session.value_of(job) == "1");
  const uint64_t reused = shm::SegmentPool::process().use().reused;
  let_go(session, first, job);
  REQUIRE(pooled() == 1);
  const shm::Segments second = kept('b');
  CHECK(shm::SegmentPool::process().use().reused == reused + 1);
  CHECK(pooled() == 0);
  CHECK(is_filled_with(second, 'b'));
  CHECK(session.value_of(submit(session, "held", second)) == "1");
}

TEST_CASE("a file is not written again while a worker has a view, after a fork with one, or when its worker has died") {
  for (const std::string command : {"view", "view-and-fork", "view-and-die"}) {
    INFO(command);
    const TempFolder folder;
    TestSession session(folder.path(), "well", 1);
    shm::Segments first = kept('a');
    const uint64_t job = submit(session, about(command, first), first);
    session.wait(job);
    let_go(session, first, job);
    CHECK(pooled() == 0);
    CHECK(is_filled_with(kept('b'), 'b'));
    if (command != "view") continue;
    CHECK(session.value("look") == "a");
    session.value("unview");
    session.value("echo");
    CHECK(pooled() == 1);
    shm::SegmentPool::process().clear();
  }
}

TEST_CASE("a file that the session has a view of is not written again, nor is one that a fork of it may see") {
  for (const bool forks : {false, true}) {
    const TempFolder folder;
    TestSession session(folder.path(), "well", 1);
    shm::Segments first = kept('a');
    shm::SharedSegment segment = first[0];  // as a view of R has it
    std::optional<shm::ViewMemory> memory = segment->view(0, kLarge);
    const uint64_t job = submit(session, "held", first);
    session.value_of(job);
    let_go(session, first, job);
    CHECK(pooled() == 0);
    kept('b');
    CHECK(memory->data[kLarge - 1] == 'a');
    if (forks) CHECK(exit_code_of_child([] { return 0; }) == 0);
    memory.reset();
    segment.reset();
    exchange_news(session);
    CHECK(pooled() == (forks ? 0 : 1));
    shm::SegmentStore::process().forget_published();
  }
}

TEST_CASE("a segment that a worker sends back keeps its file while the session has it") {
  const TempFolder folder;
  TestSession session(folder.path(), "well", 1);
  shm::Segments first = kept('a');
  const uint64_t job = submit(session, about("send-back", first), first);
  auto answer = session.wait(job);
  REQUIRE(segments_of(answer).size() == 1);
  shm::Segments back = segments_of(answer);
  answer.segments.reset();
  let_go(session, first, job);
  CHECK(pooled() == 0);
  CHECK(is_filled_with(kept('b'), 'b'));
  CHECK(is_filled_with(back, 'a'));
  back.clear();
  session.value("echo");
  CHECK(pooled() == 1);
  shm::SegmentStore::process().forget_published();
}

TEST_CASE("the pool keeps files of nearly the size that is wanted, up to its limit") {
  auto& pool = shm::SegmentPool::process();
  pool.set_limit(3 * kLarge);
  const auto back = [](uint64_t bytes) {
    const auto lease = shm::SegmentLease::take(bytes);
    avenir::sys::resize_file(lease->file(), bytes);
    lease->seal();
  };
  back(kLarge);
  CHECK_FALSE(shm::SegmentLease::take(kLarge + 1)->is_warm());
  CHECK_FALSE(shm::SegmentLease::take(kLarge / 2)->is_warm());
  CHECK(shm::SegmentLease::take(kLarge - kLarge / 8)->is_warm());
  for (uint64_t i = 1; i <= 4; ++i) back(kLarge + i * kLarge / 2);
  CHECK(pool.use().bytes <= 3 * kLarge);
  CHECK(pool.use().files >= 1);
  pool.clear();
  CHECK(pool.use().bytes == 0);
}

TEST_SUITE_END();
