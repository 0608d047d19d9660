#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "engine/template_server.h"
#include "rbridge/r.h"
#include "shm/job_data.h"
#include "shm/task_table.h"

namespace avenir::worker {

// Serves the session until it is gone; never returns. `functions` is the environment of inst/worker/worker.R,
// which has set R up already; `temp_folder` is this worker's own.
[[noreturn]] void run_worker(engine::WorkerFds fds, SEXP functions, const std::string& temp_folder);

// What a worker forked off the session knows without being sent it.
struct ForkedJob {
  SEXP context;   // the list that open_job() of worker.R takes
  SEXP elements;  // of a map
  std::optional<shm::TaskTable> table;
  std::optional<shm::JobData> data;  // order, chunks and stream only
  pid_t session;
};

// In the child of a fork of the session's R thread: waits for its turn, does this one job, leaves by _exit.
[[noreturn]] void run_forked_worker(engine::WorkerFds fds, SEXP functions, ForkedJob job);

// Gives worker.R's handler its way to us: `state$handle_condition`, a routine of one condition that says what
// to do with it: 0 nothing, 1 muffle, 2 leave by the restart "abort".
void define_condition_routine(SEXP functions);

}  // namespace avenir::worker
