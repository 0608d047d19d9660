#pragma once

#include <sys/types.h>

#include <string>

#include "engine/engine.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace avenir::engine {

// A local program that brings nodes: a scheduler's command, an ssh.
struct Engine::Launch {
  std::string group;  // whose nodes it brings; empty: it only asks for them, and they come later
  pid_t pid = -1;
  sys::OwnFd pidfd, output;
  sys::ExitStatus exit;
  bool leaves = false;  // its node was told to: it ends by itself, and tidies up
};

}  // namespace avenir::engine
