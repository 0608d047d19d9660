#pragma once

#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.h"
#include "sys/signals.h"

namespace avenir::sys {

// A thread that takes no signals: these are the R thread's. Throws kOverloaded when none is to be had; `purpose` is for
// that message.
template <typename Body>
std::thread start_thread(const std::string& purpose, Body body) {
  const SignalsBlocked blocked;
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    throw base::Error(base::ErrorKind::kOverloaded, "no thread for " + purpose + ": " + error.what());
  }
}

}  // namespace avenir::sys
