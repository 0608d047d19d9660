#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "base/deadline.h"

using avenir::base::Deadline;

TEST_CASE("never does not pass and polls without a limit") {
  CHECK(Deadline::never().is_never());
  CHECK_FALSE(Deadline::never().passed());
  CHECK(Deadline::never().poll_timeout_ms() == -1);
}

TEST_CASE("now and times before it have passed and poll without waiting") {
  for (const double seconds : {0.0, -1.0, -std::numeric_limits<double>::infinity()}) {
    CHECK(Deadline::in_seconds(seconds).passed());
    CHECK(Deadline::in_seconds(seconds).poll_timeout_ms() == 0);
  }
  CHECK(Deadline::now().passed());
}

TEST_CASE("huge and undefined waits mean never") {
  for (const double seconds : {1e9, 1e300, std::numeric_limits<double>::infinity(), std::nan("")})
    CHECK(Deadline::in_seconds(seconds).is_never());
}

TEST_CASE("the time left is rounded up: a poll does not end before its deadline") {
  const int left = Deadline::in_seconds(1e-9).poll_timeout_ms();
  CHECK(left >= 0);
  CHECK(left <= 1);
  CHECK(Deadline::in_seconds(3600).poll_timeout_ms() > 3599 * 1000);
  CHECK(Deadline::in_seconds(3600).poll_timeout_ms() <= 3600 * 1000);
}

TEST_CASE("the longest finite wait fits the type that poll takes") {
  const Deadline far = Deadline::in_seconds(0.99e9);
  CHECK_FALSE(far.is_never());
  CHECK(far.poll_timeout_ms() == 1 << 30);
}

TEST_CASE("deadlines are ordered, and never is the last") {
  CHECK(Deadline::in_seconds(1) < Deadline::in_seconds(100));
  CHECK(Deadline::in_seconds(100) < Deadline::never());
  CHECK_FALSE(Deadline::never() < Deadline::never());
}
