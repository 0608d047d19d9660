#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "rbridge/r.h"

namespace avenir::rbridge {

// A connection of R's that writes to descriptor 1 at once, without a buffer of its own: what is printed there is in
// order with what compiled code and child processes print. May jump. Not protected.
SEXP open_output_connection();

// What was printed to a connection of ours: the first bytes up to a limit, and how many there were in all. Lives on
// when the code has closed the connection.
class PrintedOutput {
 public:
  explicit PrintedOutput(uint64_t limit) : limit_(limit) {}

  // False when there is no memory.
  bool add(const uint8_t* data, size_t size);
  void clear();

  uint64_t size() const { return size_; }
  // At most the limit, as a string; see output_text().
  std::string text() const;

 private:
  const uint64_t limit_;
  uint64_t size_ = 0;
  base::Bytes kept_;
};

// A connection of R's that prints into `output`. May jump. Not protected.
SEXP open_memory_connection(const std::shared_ptr<PrintedOutput>& output);

}  // namespace avenir::rbridge
