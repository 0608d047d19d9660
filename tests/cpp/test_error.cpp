#include <doctest/doctest.h>

#include <cerrno>

#include "base/error.h"
#include "base/scope.h"
#include "support.h"

using avenir::base::ErrorKind;
using avenir::base::raise_system_error;
using avenir::base::ScopeGuard;
using namespace avenir::testing;

TEST_CASE("the kind of a system error is the caller's next step") {
  const auto kind = [](int number) { return error_kind_of([=] { raise_system_error("trying", number); }); };
  CHECK(kind(EMFILE) == ErrorKind::kOverloaded);
  CHECK(kind(ENOMEM) == ErrorKind::kOverloaded);
  CHECK(kind(EPIPE) == ErrorKind::kDisconnected);
  CHECK(kind(ENOSYS) == ErrorKind::kUnsupported);
  CHECK(kind(EBADF) == ErrorKind::kInternal);
}

TEST_CASE("a system error names what was tried and why it failed") {
  errno = ENOENT;
  CHECK(error_message_of([] { raise_system_error("opening the door"); }) ==
        "opening the door: No such file or directory");
}

TEST_CASE("a scope guard acts however the scope ends, once, unless dismissed") {
  int acted = 0;
  try {
    const ScopeGuard guard([&] { ++acted; });
    throw 1;
  } catch (int) {
  }
  CHECK(acted == 1);
  {
    ScopeGuard guard([&] { ++acted; });
    guard.dismiss();
  }
  CHECK(acted == 1);
}
