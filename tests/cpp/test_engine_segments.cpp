#include <doctest/doctest.h>

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

TEST_SUITE_END();
