#pragma once

#include <sys/types.h>

#include <optional>

#include "sys/fd.h"

namespace avenir::engine {

// A template process that is forked off the process whose engine will use it, before that one has an engine or threads:
// so R starts once for both.
struct EarlyTemplate {
  pid_t pid;
  sys::OwnFd socket, log;
};

enum class Forked { kParent, kTemplate, kWatchingTemplate };

// In the child: a template's descriptors are at their numbers (engine/template_server.h), with the parent's pidfd where
// there are such, and nothing else is open. Throws when the system refuses.
Forked fork_early_template();

// The parent's end, once.
std::optional<EarlyTemplate> take_early_template();

}  // namespace avenir::engine
