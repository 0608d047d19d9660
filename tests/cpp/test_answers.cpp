#include <doctest/doctest.h>

#include <string>

#include "engine/answers.h"

using avenir::base::SharedBytes;
using avenir::engine::Answers;
using avenir::wire::AnswerKind;
using State = Answers::State;

namespace {

void fill(Answers& answers, uint64_t element, const std::string& text) {
  answers.fill(element, AnswerKind::kValue, SharedBytes::copy(text.data(), text.size()), {});
}

std::string take(Answers& answers, uint64_t element) {
  const auto answer = answers.take(element);
  CHECK(answer.element == element);
  return std::string(reinterpret_cast<const char*>(answer.bytes.data()), answer.bytes.size());
}

}  // namespace

TEST_CASE("answers are open, filled and taken, whatever the order and wherever a block ends") {
  for (const uint64_t size : {1u, 1023u, 1024u, 1025u, 5000u}) {
    Answers answers(size);
    CHECK(answers.size() == size);
    for (uint64_t element = size; element-- > 0;) {
      REQUIRE(answers.state(element) == State::kOpen);
      fill(answers, element, std::to_string(element));
      REQUIRE(answers.state(element) == State::kFilled);
    }
    for (uint64_t element = 0; element < size; ++element) {
      REQUIRE(take(answers, element) == std::to_string(element));
      REQUIRE(answers.state(element) == State::kTaken);
    }
    CHECK(answers.state(0) == State::kTaken);
  }
}

TEST_CASE("what was taken can be given back, also when its block has gone") {
  Answers answers(3);
  for (uint64_t element = 0; element < 3; ++element) fill(answers, element, "a");
  for (uint64_t element = 0; element < 3; ++element) take(answers, element);
  fill(answers, 1, "again");
  CHECK(answers.state(0) == State::kTaken);
  CHECK(answers.state(1) == State::kFilled);
  CHECK(take(answers, 1) == "again");
  CHECK(answers.state(1) == State::kTaken);
  fill(answers, 2, "last");
  CHECK(take(answers, 2) == "last");
}
