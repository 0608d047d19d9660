#pragma once

#include "engine/worker_port.h"
#include "rbridge/r.h"

namespace avenir::worker {

// How R ends in a worker: by quit(), which a job's code may call, and when it crashes. Both name R's own variables,
// looked up when the process runs: where one is not there (another front end), that part is left as it is.

// quit() tells the session before it ends a worker that was started as one.
void tell_when_r_quits(engine::WorkerPort& port);

// In a fork of the session quit() ends at once, and R has no question to ask when it crashes. The session's temporary
// folder, finalizers and devices are not this process's to clean up. `token`: of R_MakeUnwindCont().
void leave_session_alone(engine::WorkerPort& port, SEXP token);

}  // namespace avenir::worker
