#pragma once

#include "linalg/math_library.h"
#include "linalg/program.h"

// Kernels for a tile, once for each width of the processor's registers.
namespace avenir::linalg {

// Elements of a tile: a few tiles fit into the nearest cache.
inline constexpr size_t kTile = 1024;
// A kernel computes whole vectors: tiles have room, and elements that do no harm, up to a multiple of this.
inline constexpr size_t kTilePadding = 16;

struct TileArguments {
  size_t count = 0;
  const void* in[kMostOperands] = {};
  bool scalar[kMostOperands] = {};  // in[i] is one element, for all
  void* out = nullptr;              // may be one of `in`
  const MathFunction* function = nullptr;
  uint8_t* events = nullptr;  // Event bits are added
};
using TileKernel = void (*)(const TileArguments&);

// Adds a tile's doubles to the totals: the sum with the digits that additions lose kept apart; least and greatest of
// those that are no NaN, and whether there was any. `count` elements exactly.
struct TileSum {
  double sum = 0, lost = 0;
  bool finite = true;
};
struct TileRange {
  double least, greatest;
  bool has_nan = false;
};

// The same of integers.
struct TileIntegers {
  int64_t sum = 0;
  size_t missing = 0, zeros = 0;
  int32_t least, greatest;
};

struct TileKernels {
  TileKernel by_op[static_cast<size_t>(Op::kCall)] = {};
  TileSum (*sum)(const double* x, size_t count) = nullptr;
  TileRange (*range)(const double* x, size_t count) = nullptr;
  TileIntegers (*integers)(const int32_t* x, size_t count) = nullptr;
};

// Of this processor, or of the width that choose_math() was given.
const TileKernels& tile_kernels();

const TileKernels& narrow_kernels();
const TileKernels& avx2_kernels();    // narrow_kernels() where the compiler has no such thing
const TileKernels& avx512_kernels();  // likewise

}  // namespace avenir::linalg
