#pragma once

namespace avenir::sys {

// Something with threads, locks or descriptors that a fork made by anybody (mclapply, a package) must not
// tear.
//
// The three calls come on the forking thread. In the child only that thread exists: close descriptors there,
// so that the end-of-file that tells a death is not hidden, and never join, wait or free what another thread
// was using.
class ForkAware {
 public:
  ForkAware();  // registered from here
  ForkAware(const ForkAware&) = delete;
  ForkAware& operator=(const ForkAware&) = delete;
  virtual void before_fork() = 0;
  virtual void after_fork_in_parent() = 0;
  virtual void after_fork_in_child() = 0;

 protected:
  ~ForkAware();  // to here
};

}  // namespace avenir::sys
