#pragma once

#include <string>
#include <vector>

#include "rbridge/r.h"

namespace avenir::worker {

// Tells in about a microsecond whether a job has left traces in the worker: variables, options, environment
// variables, the working directory, an open sink. Undoing them is worker.R's; this only decides whether there
// is anything to undo.
class WorkerState {
 public:
  // Remembers the present state as the one to return to.
  void take();
  bool changed() const;

 private:
  bool options_changed() const;
  bool environment_changed() const;

  R_xlen_t variables_ = 0;
  SEXP options_ = nullptr;  // the values of .Options, preserved: their addresses are compared
  std::vector<std::string> environment_;
  std::string directory_;
};

}  // namespace avenir::worker
