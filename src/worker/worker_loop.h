#pragma once

#include <string>

#include "engine/template_server.h"
#include "rbridge/r.h"

namespace avenir::worker {

// Serves the session until it is gone; never returns. `functions` is the environment of inst/worker/worker.R, which has
// set R up already; `temp_folder` is this worker's own.
[[noreturn]] void run_worker(engine::WorkerFds fds, SEXP functions, const std::string& temp_folder);

// For the handler that worker.R registers: 0 nothing, 1 muffle, 2 leave by the restart "abort".
SEXP handle_condition(SEXP condition);

}  // namespace avenir::worker
