#include <doctest/doctest.h>

#include "support.h"
#include "wire/message.h"
#include "wire/node_message.h"

using avenir::base::ByteWriter;
using avenir::base::ErrorKind;
using namespace avenir::testing;
using namespace avenir::wire;

namespace {

void put_answer(ByteWriter& out, uint64_t element, AnswerKind kind, const std::string& value, uint64_t length) {
  out.put(AnswerHead{element, kind, 0, length});
  out.put_bytes(value.data(), value.size());
}

}  // namespace

TEST_CASE("a hello survives its journey, at any cut it is refused") {
  HelloMessage hello;
  hello.pid = 4711;
  hello.temp_folder = "/tmp/some folder";
  const auto body = to_shared(hello.encode());
  const HelloMessage read = HelloMessage::decode(body);
  CHECK(read.protocol == kProtocolVersion);
  CHECK(read.pid == 4711);
  CHECK(read.temp_folder == "/tmp/some folder");
  for (size_t size = 0; size < body.size(); ++size)
    CHECK(error_kind_of([&] { HelloMessage::decode(body.slice(0, size)); }) == ErrorKind::kDisconnected);
}

TEST_CASE("losses survive their journey, at any cut inside one they are refused") {
  LostMessage lost;
  lost.worker = 3;
  lost.pid = 4711;
  lost.signal = 9;
  lost.exit_code = 2;
  lost.status_known = 1;
  lost.element = uint64_t{1} << 40;
  lost.cause = LossCause::kQuit;
  lost.memory_watched = 1;
  lost.log = "last words";
  lost.note = "a note";
  const auto body = to_shared(encode_losses({LostMessage(), lost}));
  REQUIRE(decode_losses(body).size() == 2);
  const LostMessage read = decode_losses(body)[1];
  CHECK(read.worker == 3);
  CHECK(read.pid == 4711);
  CHECK(read.signal == 9);
  CHECK(read.exit_code == 2);
  CHECK(read.status_known == 1);
  CHECK(read.element == uint64_t{1} << 40);
  CHECK(read.cause == LossCause::kQuit);
  CHECK(read.memory_watched == 1);
  CHECK(read.log == "last words");
  CHECK(read.note == "a note");
  const size_t first = encode_losses({LostMessage()}).size();
  for (size_t size = 1; size < body.size(); ++size)
    if (size != first) CHECK(error_kind_of([&] { decode_losses(body.slice(0, size)); }) == ErrorKind::kDisconnected);
}

TEST_CASE("a batch of answers is taken apart without a copy, empty ones too") {
  ByteWriter out;
  put_answer(out, 5, AnswerKind::kValue, "five", 4);
  put_answer(out, 6, AnswerKind::kRecord, "", 0);
  put_answer(out, 2, AnswerKind::kValue, "two", 3);
  const auto body = to_shared(out.bytes());
  const auto answers = decode_answers(body);
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].element == 5);
  CHECK(text(answers[0].bytes) == "five");
  CHECK(answers[0].bytes.data() == body.data() + sizeof(AnswerHead));
  CHECK(answers[1].kind == AnswerKind::kRecord);
  CHECK(answers[1].bytes.size() == 0);
  CHECK(answers[2].element == 2);
  CHECK(decode_answers(shared("")).empty());
}

TEST_CASE("an answer that is longer than its frame is refused") {
  for (const uint64_t length : {uint64_t{5}, ~uint64_t{0}}) {
    ByteWriter out;
    put_answer(out, 0, AnswerKind::kValue, "four", length);
    CHECK(error_kind_of([&] { decode_answers(to_shared(out.bytes())); }) == ErrorKind::kDisconnected);
  }
}

TEST_CASE("a worker cannot send the answers that only the engine makes, nor unknown ones") {
  for (const auto kind : {AnswerKind::kLost, AnswerKind::kNotStarted, AnswerKind::kCancelled, AnswerKind(77)}) {
    ByteWriter out;
    put_answer(out, 0, kind, "", 0);
    const auto body = to_shared(out.bytes());
    CHECK(error_kind_of([&] { decode_answers(body); }) == ErrorKind::kDisconnected);
    CHECK(error_kind_of([&] { decode_answer_head(body); }) == ErrorKind::kDisconnected);
  }
}

TEST_CASE("the head of a large answer that is cut off is refused") {
  CHECK(error_kind_of([] { decode_answer_head(shared("short")); }) == ErrorKind::kDisconnected);
}

TEST_CASE("a node's word on its workers survives its journey, at any cut it is refused") {
  NodeStatus status;
  status.memory = 1 << 30;
  status.workers.push_back({3, 4711, 2, 40, 47 << 20});
  const auto body = to_shared(status.encode());
  const NodeStatus read = NodeStatus::decode(body);
  REQUIRE(read.workers.size() == 1);
  CHECK(read.memory == 1 << 30);
  CHECK(read.workers[0].answers == 40);
  CHECK(read.workers[0].memory == 47 << 20);
  for (size_t size = 0; size < body.size(); ++size)
    CHECK(error_kind_of([&] { NodeStatus::decode(body.slice(0, size)); }) == ErrorKind::kDisconnected);
}
