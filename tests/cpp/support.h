#pragma once

// What several tests need. A test never sleeps for a time: it waits for a condition, with a deadline that a
// busy machine under a sanitizer does not reach.

#include <poll.h>
#include <sys/types.h>

#include <filesystem>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"

namespace avenir::testing {

constexpr double kPatience = 60;  // seconds

template <typename Condition>
bool eventually(const Condition& condition) {
  const auto deadline = base::Deadline::in_seconds(kPatience);
  while (!condition()) {
    if (deadline.passed()) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

// The kind of base::Error that `action` throws; fails the test when it throws none.
template <typename Action>
base::ErrorKind error_kind_of(const Action& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.kind();
  }
  throw std::logic_error("no error was thrown");
}

// The message of the base::Error that `action` throws; empty when it throws none.
template <typename Action>
std::string error_message_of(const Action& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.what();
  }
  return "";
}

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }

 private:
  std::string path_;
};

// The open descriptors of this process.
std::set<int> open_fds();
bool is_open(int fd);

// The process has ended (reaped or not).
bool process_gone(pid_t pid);

// A child made by a plain fork, which runs `body` and leaves by _exit with what it returns; reaped and its
// code returned.
int exit_code_of_child(int (*body)(void*), void* argument);
template <typename Body>
int exit_code_of_child(Body body) {
  return exit_code_of_child([](void* self) { return (*static_cast<Body*>(self))(); }, &body);
}

base::SharedBytes shared(const std::string& text);
base::Bytes bytes(const std::string& text);
std::string text(const base::SharedBytes& bytes);

}  // namespace avenir::testing
