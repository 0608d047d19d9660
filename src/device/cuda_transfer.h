#pragma once

#include <functional>

#include "device/cuda_memory.h"

namespace avenir::device {

// Copies between R's memory and a GPU by way of two pieces of memory that the GPU can read by itself: while one is
// transferred the threads fill or empty the other, converting between doubles and floats.
class CudaTransfer {
 public:
  explicit CudaTransfer(const CudaContext& context) : context_(context) {}

  // `host` has doubles where the elements on the GPU are floats.
  void put(const void* host, Type type, void* to, uint64_t count);
  void get(const void* from, Type type, uint64_t count, void* host);

 private:
  struct Piece {
    void* memory = nullptr;
    void* done = nullptr;  // an event: the GPU is through with it
  };
  // Made at the first use: pinned memory is dear.
  Piece& piece(uint64_t i);
  void wait_for(const Piece& piece) const;

  const CudaContext& context_;
  Piece pieces_[2];
};

}  // namespace avenir::device
