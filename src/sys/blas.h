#pragma once

#include <string>

namespace avenir::sys {

// The BLAS library of this process: the one that R's own calls of dgemm_ reach, looked up at the first use and kept.
// Another BLAS that some package has brought along is not touched.
//
// R thread only: some of these libraries go by OpenMP's number of threads, which is the calling thread's.
class Blas {
 public:
  static const Blas& of_process();
  // The one whose dgemm_ this is; nullptr: none.
  explicit Blas(const void* dgemm);

  // The real path of the file that dgemm_ is in; empty when there is no dgemm_.
  const std::string& file() const { return file_; }
  // "OpenBLAS", "MKL", "BLIS", "FlexiBLAS", "ATLAS", "Accelerate", "reference" or "unknown".
  const std::string& kind() const { return kind_; }

  // How many threads its next call uses at most; 0 when it does not tell.
  int threads() const;
  // Libraries may take fewer: threads() tells. Nothing happens without a setter.
  void set_threads(int count) const;
  // The function by which it is told; empty when it has none.
  std::string setter() const;
  // The real path of the file that this function is in, which may be another than file(); empty without one.
  std::string setter_file() const;

  // What the library says of itself; empty where it says nothing.
  std::string version() const;
  std::string core() const;       // the processor, or FlexiBLAS's backend, that its kernels are for
  std::string threading() const;  // "none", "pthread" or "OpenMP"

  // FALSE for a library that is known to wait for ever in a fork that uses several threads.
  bool has_threads_in_forks() const;

 private:
  bool uses_openmp() const;

  void* handle_ = nullptr;                     // of the library and what it needs; never closed
  const struct BlasFamily* family_ = nullptr;  // null: no setter is known
  std::string file_, kind_;
};

}  // namespace avenir::sys
