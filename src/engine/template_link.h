#pragma once

#include <sys/types.h>

#include "base/deadline.h"
#include "engine/engine.h"
#include "sys/fd.h"
#include "wire/frame.h"

namespace avenir::engine {

// The session's end of the template process.
struct Engine::Template {
  pid_t pid = -1;
  sys::OwnFd socket, log;
  wire::FrameReader reader;
  wire::FrameWriter writer;
  bool wants_write = false;
  bool has_forked = false;
  base::Deadline hello_by = base::Deadline::never();
};

}  // namespace avenir::engine
