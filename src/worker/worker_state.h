#pragma once

#include <string>
#include <vector>

#include "rbridge/r.h"

namespace avenir::worker {

// Tells in about a microsecond what a job has left behind in the worker: variables, options, environment variables, the
// working directory, an open sink. Options and environment variables are put back here; the rest is worker.R's.
class WorkerState {
 public:
  struct Changes {
    bool variables, options, environment, others;
    bool any() const { return variables || options || environment || others; }
  };

  // Remembers the present state as the one to return to.
  void take();
  Changes changes() const;
  // The call of options() that gives those of before their values; it may leave others, which are new. Protected by the
  // caller.
  SEXP options_call() const;
  void restore_environment() const;
  void restore_blas() const;  // its number of threads, which costs nothing to look at

 private:
  void take_options();
  bool options_changed() const;
  bool environment_changed() const;

  R_xlen_t variables_ = 0;
  SEXP options_ = nullptr;  // pairlist of the values, with their names; preserved
  std::vector<std::string> environment_;
  std::string directory_;
  int blas_threads_ = 0;
};

}  // namespace avenir::worker
