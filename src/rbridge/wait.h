#pragma once

#include "base/deadline.h"

namespace avenir::rbridge {

// What to wait for.
struct Awaited {
  int fd;
  int other = -1;   // a second descriptor; -1: none
  double spin = 0;  // seconds to look again and again before sleeping: being woken takes longer than most tasks
  base::Deadline deadline = base::Deadline::never();
};

struct Woken {
  bool fd, other;  // readable
};

// Waits on the R thread until a descriptor is readable or the deadline passes, for a tenth of a second at most, and
// serves R's input handlers meanwhile (the help server, graphics devices, RStudio).
//
// Looks for an interrupt by itself: a pending one is an RJump. Holds nothing, so nothing is lost by it.
Woken wait_a_step(const Awaited& awaited);

}  // namespace avenir::rbridge
