#pragma once

#include "base/deadline.h"

namespace avenir::rbridge {

// Waits on the R thread until `fd` is readable or the deadline passes, for a tenth of a second at most, and
// serves R's input handlers meanwhile (the help server, graphics devices, RStudio). True when `fd` is
// readable.
//
// Looks for an interrupt by itself: a pending one is an RJump. Holds nothing, so nothing is lost by it.
bool wait_a_step(int fd, base::Deadline deadline);

}  // namespace avenir::rbridge
