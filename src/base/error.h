#pragma once

#include <stdexcept>
#include <string>

namespace avenir::base {

// The kind of an error is the caller's next step. doors translate it into an R condition class
// (rbridge/door.h): change the two together.
enum class ErrorKind {
  kInvalid,       // fix the call
  kOverloaded,    // try later: descriptors, processes or memory ran out
  kDisconnected,  // the other side is gone: resubmit elsewhere
  kCancelled,     // given up on request
  kTimeout,       // a deadline passed
  kUnsupported,   // this machine cannot
  kInternal,      // our bug
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Throws the error of a system call that has just failed: the kind follows from `error_number`, the message
// names what was tried. The one-argument form reads errno.
[[noreturn]] void raise_system_error(const std::string& tried, int error_number);
[[noreturn]] void raise_system_error(const std::string& tried);

}  // namespace avenir::base
